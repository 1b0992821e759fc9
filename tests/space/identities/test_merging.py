"""Two records of one person made one, and two again. R5 Patient/$merge; R4 Patient.link; fates in `merging/fates.py`.

https://hl7.org/fhir/R5/patient-operation-merge.html, https://hl7.org/fhir/R4/patient.html#links
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.accounts.life import life_id
from fhir_server.space.identities.merging.ledger import merge_id
from fhir_server.space.record.choices import choice_id
from tests.access.test_rules import ask, seen
from tests.server.people import escaped, kept
from tests.space.identities.people import (
    DEMO,
    DOCTOR,
    OPERATOR,
    holder,
    ins,
)
from tests.space.identities.records import (
    a_document,
    an_observation,
    chooses,
    everything,
    merges,
    refers,
    row,
    said,
    undone,
)


async def test_what_was_of_the_one_is_of_the_other_and_found_once(house: House) -> None:
    answer = await merges(house, OPERATOR, "s", "t")
    assert [one["name"] for one in answer["parameter"]] == ["input", "outcome", "result"]
    assert "DocumentReference: 2 moved." in said(answer)
    result = answer["parameter"][2]["resource"]
    assert result["link"] == [{"other": refers("Patient/s"), "type": "replaces"}]
    assert [(one["value"], one["use"]) for one in result["identifier"]] == [(ins(2), "official"), (ins(1), "old")]
    source = await ask(house, OPERATOR, "GET", "Patient/s")
    assert source["active"] is False
    assert source["link"] == [{"other": refers("Patient/t"), "type": "replaced-by"}]
    # PDSm4DMP TD02 by either number: none or one; by traits the one that there is.
    for number in (1, 2):
        assert await seen(house, OPERATOR, f"Patient?identifier={DEMO}|{ins(number)}") == {"t"}
    assert await seen(house, OPERATOR, "Patient?family=Exemple&birthdate=1968-03-14") == {"t"}
    assert await seen(house, OPERATOR, "Patient?_id=s") == {"s"}
    assert await seen(house, OPERATOR, "DocumentReference?patient=t") == {"plain", "masked", "theirs"}
    assert await seen(house, OPERATOR, "DocumentReference?patient=s") == set()
    o = await ask(house, OPERATOR, "GET", "Observation/o")
    assert (o["subject"], o["performer"], o["note"][0]["authorReference"]) == (refers("Patient/t"), [refers("Patient/t")], refers("Patient/t"))  # fmt: skip
    assert (await ask(house, OPERATOR, "GET", "Observation/of-child"))["performer"] == [refers("Patient/t")]
    assert await seen(house, OPERATOR, "Appointment?patient=t") == {"rdv"}
    assert (await ask(house, OPERATOR, "GET", "Group/g"))["member"][0]["entity"] == refers("Patient/t")
    binary = await ask(house, OPERATOR, "GET", "Binary/b")
    assert (binary["securityContext"], binary["data"]) == (refers("Patient/t"), "eA==")
    # What somebody did of the record that ended stays what it was.
    assert await seen(house, OPERATOR, "AuditEvent?patient=s") >= {"trace"}
    assert (await ask(house, OPERATOR, "GET", f"Basic/{life_id('s')}"))["extension"][0]["valueCode"] == "merged"
    # Nothing is filed in it any more.
    new = {name: value for name, value in a_document("x", "s").items() if name != "id"}
    assert await ask(house, holder("s"), "POST", "DocumentReference", new) in (403, 404, 422)


async def test_who_was_let_in_to_the_record_that_ends_is_not_let_in_to_the_other(house: House) -> None:
    assert await seen(house, DOCTOR, "DocumentReference/plain") == "plain"
    assert await seen(house, DOCTOR, "DocumentReference/theirs") == 404
    await merges(house, OPERATOR, "s", "t")
    for id in ("plain", "masked", "theirs"):
        assert await seen(house, DOCTOR, f"DocumentReference/{id}") == 404
    assert (await ask(house, OPERATOR, "GET", "CareTeam/team"))["status"] == "inactive"
    assert (await ask(house, OPERATOR, "GET", "RelatedPerson/mother"))["active"] is False
    await undone(house)
    assert await seen(house, DOCTOR, "DocumentReference/plain") == "plain"
    assert await seen(house, DOCTOR, "DocumentReference/theirs") == 404


async def test_what_either_record_restricts_is_restricted_from_then_on(house: House) -> None:
    await chooses(house, "t", "authorised", "Practitioner/d")
    await chooses(house, "t", "emergency-sees-masked")
    await chooses(house, "s", "blocked", "Practitioner/d")
    await chooses(house, "s", "btg-refused")
    await chooses(house, "s", "masked-by-default")
    assert await seen(house, DOCTOR, "DocumentReference/theirs") == "theirs"
    await merges(house, OPERATOR, "s", "t")
    assert await seen(house, DOCTOR, "DocumentReference/theirs") == 404
    status = {}
    for kind in ("blocked", "authorised", "btg-refused", "masked-by-default", "emergency-sees-masked"):
        id = choice_id("t", kind, "Practitioner/d" if kind in ("blocked", "authorised") else "")
        status[kind] = (await ask(house, OPERATOR, "GET", f"Consent/{id}"))["status"]
    assert status == {
        "blocked": "active",
        "authorised": "inactive",
        "btg-refused": "active",
        "masked-by-default": "active",
        # Both must say so.
        "emergency-sees-masked": "inactive",
    }
    # Two again: each has what it had, and what was chosen in between holds for both.
    await chooses(house, "t", "regulation-refused")
    await undone(house)
    assert await seen(house, DOCTOR, "DocumentReference/theirs") == "theirs"
    assert await seen(house, DOCTOR, "DocumentReference/plain") == 404
    both = [choice_id(one, "regulation-refused") for one in ("s", "t")]
    assert [(await ask(house, OPERATOR, "GET", f"Consent/{one}"))["status"] for one in both] == ["active", "active"]


async def test_all_that_was_moved_goes_back_as_it_was(house: House) -> None:
    before = await everything(house)
    await merges(house, OPERATOR, "s", "t")
    assert await everything(house) != before
    answer = await undone(house)
    assert answer["parameter"][2]["resource"]["id"] == "s"
    assert await everything(house) == before
    # And again: one merge after the other.
    await merges(house, OPERATOR, "s", "t")
    await undone(house)
    assert await everything(house) == before
    # What is done already is answered, and done no more.
    assert said(await undone(house)) == ["It was so already."]


async def test_what_was_changed_since_goes_where_the_operator_says(house: House) -> None:
    for later, patient in (("target", "t"), ("source", "s")):
        await merges(house, OPERATOR, "s", "t")
        now = await ask(house, OPERATOR, "GET", "Observation/o")
        await kept(house, {**now, "valueString": later}, an_observation("since", "t"))
        also = [row("also", "Observation/since")] if later == "source" else []
        await undone(house, "s", "t", {"name": "later", "valueCode": later}, *also)
        o = await ask(house, OPERATOR, "GET", "Observation/o")
        assert (o["valueString"], o["subject"]) == (later, refers(f"Patient/{patient}"))
        assert (await ask(house, OPERATOR, "GET", "Observation/since"))["subject"] == refers(f"Patient/{patient}")
        await kept(house, an_observation("o", "s"))


async def test_a_preview_says_what_would_be_and_writes_nothing(house: House) -> None:
    before = await everything(house)
    preview = {"name": "preview", "valueBoolean": True}
    would = await merges(house, OPERATOR, "s", "t", preview)
    assert [one["name"] for one in would["parameter"]] == ["input", "outcome"]
    assert await everything(house) == before
    assert await seen(house, OPERATOR, "Basic?_summary=count") == 0
    done = await merges(house, OPERATOR, "s", "t")
    assert said(would)[1:] == said(done)[1:]
    merged = await everything(house)
    assert not isinstance(await undone(house, "s", "t", preview), int)
    assert await everything(house) == merged


async def test_two_operators_at_once_make_one_merge(house: House) -> None:
    both = await asyncio.gather(*(merges(house, OPERATOR, "s", "t") for _ in range(2)))
    assert sorted(said(one)[0] for one in both) == ["It was done.", "It was so already."]
    history = await ask(house, OPERATOR, "GET", f"Basic/{merge_id('s', 't')}/_history")
    assert len(history["entry"]) == 1
    # One way and the other at once: one of them.
    await undone(house)
    ways = await asyncio.gather(merges(house, OPERATOR, "s", "t"), merges(house, OPERATOR, "t", "s"))
    assert sorted(isinstance(one, int) for one in ways) == [False, True]


async def test_what_is_filed_meanwhile_is_not_left_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from fhir_server.space.identities.merging import writing

    first, real = [True], writing.choices

    async def filing(*given: Any) -> None:
        await real(*given)
        if first.pop() if first else False:
            await kept(house, an_observation("meanwhile", "s"))

    monkeypatch.setattr(writing, "choices", filing)
    await merges(house, OPERATOR, "s", "t")
    assert (await ask(house, OPERATOR, "GET", "Observation/meanwhile"))["subject"] == refers("Patient/t")


async def test_who_looked_at_the_record_that_ended_is_told_to_whom_it_was(house: House) -> None:
    assert await seen(house, holder("s"), "AuditEvent?patient=s") >= {"trace"}
    assert await seen(house, holder("t"), "AuditEvent?patient=s") == set()
    await merges(house, OPERATOR, "s", "t")
    assert await seen(house, holder("t"), "AuditEvent?patient=t,s") >= {"trace"}
    assert await seen(house, holder("t"), "AuditEvent/trace") == "trace"
    assert await seen(house, holder("other"), "AuditEvent/trace") == 404
    await undone(house)
    assert await seen(house, holder("t"), "AuditEvent/trace") == 404
    assert await seen(house, holder("s"), "AuditEvent/trace") == "trace"


async def test_no_copy_of_the_patient_takes_a_merge_back(house: House) -> None:
    before = await ask(house, OPERATOR, "GET", "Patient/s")
    await merges(house, OPERATOR, "s", "t")
    merged = await ask(house, OPERATOR, "GET", "Patient/s")
    for _ in range(2):
        for tree in (before, {**merged, "active": True}, {**merged, "link": []}):
            left = {name: value for name, value in tree.items() if value != []}
            assert await ask(house, OPERATOR, "PUT", "Patient/s", left) == 422
        await escaped(house, "Patient", "s")
    # How somebody was reached is no part of it.
    told = {**merged, "telecom": [{"system": "phone", "value": "1"}]}
    assert (await ask(house, OPERATOR, "PUT", "Patient/s", told))["telecom"]
    await undone(house)
    assert (await ask(house, OPERATOR, "PUT", "Patient/s", before))["active"] is True
