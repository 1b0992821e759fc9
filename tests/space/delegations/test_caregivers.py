"""Caregivers: matched, invited, accepted or refused, ended; at most three of one person, five people of one caregiver.

Domain file §2.2 (the national product's rules and error codes); https://hl7.org/fhir/R4/consent.html,
https://hl7.org/fhir/R4/relatedperson.html, https://hl7.org/fhir/R4/datatypes.html#Period.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import House
from fhir_server.fhir.json import parse
from fhir_server.fhir.nos import CAREGIVER, ROLE_CLASS
from fhir_server.space.delegations import changing, listing, settling
from fhir_server.space.delegations.clock import Ending
from fhir_server.space.delegations.delegation import delegation_id, from_consent
from fhir_server.space.notices import centre
from tests.access.test_rules import ask, seen
from tests.server.people import a_person, kept
from tests.space.delegations.people import (
    INS,
    a_house,
    a_patient,
    agreed,
    as_caregiver,
    does,
    holder,
    identity,
    ins,
    invited,
)

NOW = datetime.now(UTC).replace(microsecond=0)
OPERATOR = Grant((Scope("system", "*", frozenset("cruds")),), client="backend")
DOCTOR = Grant((Scope("user", "*", frozenset("cruds")),), subject="Practitioner/d", client="practice")
MINOR = a_patient(11, birthDate=f"{NOW.year - 9}-01-01")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as found:
        yield found


def related(id: str, patient: int, person: int, code: str = CAREGIVER, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "identifier": [{"system": INS, "value": ins(person)}],
        "patient": {"reference": f"Patient/p{patient}"},
        "relationship": [{"coding": [{"system": ROLE_CLASS, "code": code}]}],
        **more,
    }


async def statuses(house: House, person: int) -> list[tuple[str, str]]:
    found = await does(house, holder(person), "delegations", f"p{person}")
    return [(one["direction"], one["status"]) for one in found]


async def acting(house: House, patient: int) -> int:
    rows = await listing.of(house.repository(), f"p{patient}", NOW)
    return sum(one.direction == "OUTGOING" and one.status == "ACCEPTED" for one in rows)


async def test_from_the_match_to_the_end_both_see_it_and_the_caregiver_reads(house: House) -> None:
    account = await a_person(house, "eve", "Ève", "Patient/p1")
    await kept(house, {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                       "subject": {"reference": "Patient/p0"}})  # fmt: skip
    assert await seen(house, as_caregiver(1, 0), "Observation/o") == 404
    made = await invited(house, 0, 1)
    assert (made["kind"], made["status"], made["person"]) == ("CAREGIVING", "PENDING", "Ève Exempleb")
    assert await statuses(house, 0) == [("OUTGOING", "PENDING")]
    assert await statuses(house, 1) == [("INCOMING", "PENDING")]
    # Nobody acts by an invitation.
    assert await seen(house, as_caregiver(1, 0), "Observation/o") == 404
    accepted = await does(house, holder(1), "delegation-answer", "p1", delegation=made["id"], accept=True)
    assert accepted[0]["status"] == "ACCEPTED"
    assert await seen(house, as_caregiver(1, 0), "Observation/o") == "o"
    assert (await house.authorization.accounts.by_login("eve")).wards == ("p0",)  # type: ignore[union-attr]
    assert [one["status"] for one in await does(house, holder(0), "delegation-end", "p0", delegation=made["id"])] == ["ENDED"]  # fmt: skip
    assert await seen(house, as_caregiver(1, 0), "Observation/o") == 404
    assert (await house.authorization.accounts.by_login("eve")).wards == account.wards == ()  # type: ignore[union-attr]
    assert await statuses(house, 1) == [("INCOMING", "ENDED")]
    # Once more: a new version of the same Consent, whose versions are its history.
    assert (await agreed(house, 0, 1))["id"] == made["id"]
    assert len((await ask(house, OPEN, "GET", f"Consent/{made['id']}/_history"))["entry"]) == 5


#: What is named otherwise than it is → all of it comes to the same.
NAMED: list[tuple[str, dict[str, str]]] = [
    ("nobody's INS", {"ins": "199999999999999"}),
    ("another's INS", {"ins": ins(2)}),
    ("another given name", {"given": "Marie"}),
    ("another family name", {"family": "Autre"}),
    ("another day", {"birthDate": "1968-03-15"}),
]


@pytest.mark.parametrize("said", [said for _, said in NAMED], ids=[name for name, _ in NAMED])
async def test_who_is_not_known_is_matched_alike_and_not_found(house: House, said: dict[str, str]) -> None:
    right = await does(house, holder(0), "delegation-match", "p0", **identity(1))
    wrong = await does(house, holder(0), "delegation-match", "p0", **{**identity(1), **said})
    assert len(wrong) == len(right) == 2 and len(wrong[0]) == len(right[0])
    assert await does(house, holder(0), "delegation-invite", "p0", transaction=wrong[0]) == "PROFILE_NOT_FOUND"
    assert isinstance(await does(house, holder(0), "delegation-invite", "p0", transaction=right[0]), list)


async def test_who_cannot_care_is_not_found_either(house: House) -> None:
    await kept(house, MINOR, a_patient(12, active=False))
    minor = identity(11, birthDate=MINOR["birthDate"])
    for said in (identity(0), identity(12), minor):
        found = await does(house, holder(0), "delegation-match", "p0", **said)
        assert await does(house, holder(0), "delegation-invite", "p0", transaction=found[0]) == "PROFILE_NOT_FOUND"
    # A word is of who asked for it, and not many are given out.
    found = await does(house, holder(0), "delegation-match", "p0", **identity(1))
    assert await does(house, holder(2), "delegation-invite", "p2", transaction=found[0]) == "PROFILE_NOT_FOUND"
    await does(house, holder(0), "delegation-match", "p0", **identity(1))
    assert await does(house, holder(0), "delegation-match", "p0", **identity(1)) == 429


async def test_a_minor_has_no_caregivers(house: House) -> None:
    await kept(house, MINOR)
    assert await invited(house, 11, 1) == "NOT_OF_AGE"


@pytest.mark.parametrize(
    ("registered", "code"),
    [
        (related("r", 0, 1), "SAME_DELEGATION_ALREADY_EXISTS"),
        # Who represented somebody until they came of age does so no more, and may care for them.
        (related("r", 0, 1, "GUARD"), None),
        (related("r", 0, 1, active=False), None),
        (related("r", 0, 1, period={"end": "2020-01-01"}), None),
        (related("r", 0, 2), None),
    ],
)
async def test_what_others_registered_counts(house: House, registered: dict[str, Any], code: str | None) -> None:
    await kept(house, registered)
    made = await invited(house, 0, 1)
    assert made == code if code else made["status"] == "PENDING"


async def test_who_was_invited_is_not_invited_again_before_they_answer(house: House) -> None:
    made = await invited(house, 0, 1)
    assert await invited(house, 0, 1) == "SAME_INVITATION_ALREADY_EXISTS"
    refused = await does(house, holder(1), "delegation-answer", "p1", delegation=made["id"], accept=False)
    assert refused[0]["status"] == "REFUSED"
    again = {"delegation": made["id"], "accept": True}
    assert await does(house, holder(1), "delegation-answer", "p1", **again) == "INVITATION_NOT_PENDING"
    assert (await agreed(house, 0, 1))["status"] == "ACCEPTED"
    assert await invited(house, 0, 1) == "SAME_DELEGATION_ALREADY_EXISTS"


async def test_two_care_for_each_other_and_for_nobody_by_way_of_the_other(house: House) -> None:
    await kept(house, {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                       "subject": {"reference": "Patient/p2"}})  # fmt: skip
    for patient, caregiver in ((0, 1), (1, 0), (2, 1)):
        assert (await agreed(house, patient, caregiver))["status"] == "ACCEPTED"
    assert await seen(house, as_caregiver(1, 2), "Observation/o") == "o"
    assert await seen(house, as_caregiver(0, 1), "Observation/o") == 404


async def test_an_invitation_expires_and_a_delegation_ends_by_the_clock(house: House) -> None:
    own = house.repository()
    asked = await changing.invite(own, "p0", "p1", "Patient/p0", None, NOW - timedelta(days=31))
    rows = await listing.of(own, "p0", NOW)
    assert [one.status for one in rows] == ["EXPIRED"]
    told = {"delegation": asked.id, "accept": True}
    assert await does(house, holder(1), "delegation-answer", "p1", **told) == "INVITATION_NOT_PENDING"
    await a_person(house, "eve", "Ève", "Patient/p1")
    made = await agreed(house, 0, 1, end=str((NOW + timedelta(days=2)).date()))
    assert made["status"] == "ACCEPTED" and made["end"]
    assert await Ending(house.services).run(NOW + timedelta(days=1)) == 0
    assert (await house.authorization.accounts.by_login("eve")).wards == ("p0",)  # type: ignore[union-attr]
    assert await Ending(house.services).run(NOW + timedelta(days=4)) == 1
    assert (await house.authorization.accounts.by_login("eve")).wards == ()  # type: ignore[union-attr]
    assert await Ending(house.services).run(NOW + timedelta(days=4)) == 0
    assert await invited(house, 0, 2, end="2020-01-01") == "END_NOT_AHEAD"


async def test_three_caregivers_and_five_people_and_no_more(house: House) -> None:
    for caregiver in (1, 2):
        assert (await agreed(house, 0, caregiver))["status"] == "ACCEPTED"
    made = await invited(house, 0, 3)
    assert await invited(house, 0, 4) == "CAREGIVERS_LIMIT_REACHED"
    # Whoever withdraws an invitation may make another.
    await does(house, holder(0), "delegation-end", "p0", delegation=made["id"])
    assert (await agreed(house, 0, 4))["status"] == "ACCEPTED"
    for patient in (5, 6, 7, 8):
        assert (await agreed(house, patient, 4))["status"] == "ACCEPTED"
    assert await agreed(house, 9, 4) == "CARED_FOR_LIMIT_REACHED"


async def test_limits_hold_when_all_ask_at_once(house: House) -> None:
    own = house.repository()
    others = range(1, 8)
    found = await asyncio.gather(
        *(changing.invite(own, "p0", f"p{n}", "Patient/p0", None, NOW) for n in others), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in found) == 3
    # p9 is invited by seven, and accepts all at once.
    asked = [await changing.invite(own, f"p{n}", "p9", f"Patient/p{n}", None, NOW) for n in others]
    answers = [changing.answer(own, one.id, "p9", True, "Patient/p9", NOW) for one in asked]
    done = await asyncio.gather(*answers, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in done) == 5
    rows = await listing.of(own, "p9", NOW)
    assert sorted(one.status for one in rows) == ["ACCEPTED"] * 5 + ["PENDING"] * 2


async def test_two_of_one_caregiver_at_once_are_both_in_their_account(house: House) -> None:
    await a_person(house, "eve", "Ève", "Patient/p9")
    made = [await invited(house, n, 9) for n in (0, 1, 2)]
    told = [does(house, holder(9), "delegation-answer", "p9", delegation=one["id"], accept=True) for one in made]
    await asyncio.gather(*told)
    assert set((await house.authorization.accounts.by_login("eve")).wards) == {"p0", "p1", "p2"}  # type: ignore[union-attr]
    one = does(house, holder(9), "delegation-end", "p9", delegation=made[0]["id"])
    other = does(house, holder(1), "delegation-end", "p1", delegation=made[1]["id"])
    await asyncio.gather(one, other)
    assert (await house.authorization.accounts.by_login("eve")).wards == ("p2",)  # type: ignore[union-attr]


#: What somebody asks for → what p0 themself, p0's caregiver p1 (in p0's space), a stranger, a doctor and the operator
#: are answered: 0 for done.
MAY: list[tuple[str, str, dict[str, Any], tuple[int, int, int, int, int]]] = [
    ("GET", "Patient/p0/$delegations", {}, (0, 403, 404, 403, 0)),
    ("POST", "Patient/p0/$delegation-match", identity(3), (0, 403, 404, 403, 403)),
    ("POST", "Patient/p0/$delegation-invite", {"transaction": "x"}, (422, 403, 404, 403, 403)),
    ("POST", "Patient/p0/$delegation-answer", {"delegation": "x", "accept": True}, (404, 403, 404, 403, 403)),
    ("POST", "Patient/p0/$delegation-end", {"delegation": "x"}, (404, 403, 404, 403, 404)),
    ("POST", "Patient/p0/$space-move", {"event": "close"}, (0, 403, 404, 403, 422)),
    ("POST", "Patient/p0/$record-choose", {"choice": "btg-refused"}, (0, 403, 404, 403, 0)),
    ("POST", "Patient/p0/$export-record", {}, (202, 403, 404, 403, 403)),
    ("GET", "Patient/p0/$record-choices", {}, (0, 403, 404, 0, 0)),
    ("GET", "Patient/p0", {}, (0, 0, 404, 0, 0)),
]


@pytest.mark.parametrize(("method", "url", "given", "expected"), MAY, ids=[f"{row[0]} {row[1]}" for row in MAY])
async def test_what_each_may_ask(
    house: House, method: str, url: str, given: dict[str, Any], expected: tuple[int, ...]
) -> None:
    await agreed(house, 0, 1)
    keys = {"birthDate": "valueDate", "delegation": "valueId", "event": "valueCode"}
    rows: list[dict[str, Any]] = [
        {"name": n, "part": [{"name": "kind", "valueCode": v}]}
        if n == "choice"
        else {"name": n, keys.get(n, "valueBoolean" if v is True else "valueString"): v}
        for n, v in given.items()
    ]
    body = {"resourceType": "Parameters", "parameter": rows} if method == "POST" else None
    callers = (holder(0), as_caregiver(1, 0), holder(2), DOCTOR, OPERATOR)
    found = [await ask(house, caller, method, url, body) for caller in callers]
    assert tuple(one if isinstance(one, int) else 0 for one in found) == expected


async def test_a_caregiver_changes_no_contacts_and_the_holder_does(house: House) -> None:
    await agreed(house, 0, 1)
    patient = await ask(house, holder(0), "GET", "Patient/p0")
    changed = {**patient, "telecom": [{"system": "phone", "value": "+33639980001"}]}
    assert await ask(house, as_caregiver(1, 0), "PUT", "Patient/p0", changed) in (403, 404)
    assert "telecom" not in await ask(house, holder(0), "GET", "Patient/p0")
    assert (await ask(house, holder(0), "PUT", "Patient/p0", changed))["telecom"]
    # Their own stays theirs.
    mine = await ask(house, holder(1), "GET", "Patient/p1")
    assert isinstance(await ask(house, holder(1), "PUT", "Patient/p1", {**mine, "telecom": changed["telecom"]}), dict)


async def test_a_delegation_changes_by_the_operations_alone(house: House) -> None:
    made = await agreed(house, 0, 1)
    kept_so = await ask(house, holder(0), "GET", f"Consent/{made['id']}")
    for caller in (holder(0), as_caregiver(1, 0), OPERATOR, DOCTOR):
        assert await ask(house, caller, "PUT", f"Consent/{made['id']}", {**kept_so, "status": "inactive"}) in (403, 404)
        assert await ask(house, caller, "DELETE", f"Consent/{made['id']}") in (403, 404)
    assert await seen(house, DOCTOR, f"Consent/{made['id']}") == 404
    assert await seen(house, holder(2), f"Consent/{made['id']}") == 404


async def test_another_ends_nothing_and_finds_nothing(house: House) -> None:
    made = await agreed(house, 0, 1)
    await kept(house, related("guardian", 0, 3, "GUARD"), related("old", 0, 4))
    for person, id in ((2, made["id"]), (2, "nothing"), (0, "guardian"), (3, "old")):
        assert await does(house, holder(person), "delegation-end", f"p{person}", delegation=id) == 404
    # Whoever was registered by others as a caregiver is let go by either.
    assert await does(house, holder(4), "delegation-end", "p4", delegation="old") == []
    assert parse((await house.repository().current("RelatedPerson", "old")).body)["active"] is False  # type: ignore[union-attr]
    assert await acting(house, 0) == 1


async def test_without_caregivers_none_is_invited_and_those_there_are_end(tmp_path: Path) -> None:
    async with a_house(tmp_path, caregivers="off") as house:
        assert await does(house, holder(0), "delegation-match", "p0", **identity(1)) == 400
        await kept(house, related("r", 0, 1))
        assert [one["id"] for one in await does(house, holder(0), "delegations", "p0")] == ["r"]
        assert await does(house, holder(0), "delegation-end", "p0", delegation="r") == []


async def test_the_consent_says_by_whose_leave(house: House) -> None:
    made = await agreed(house, 0, 1)
    tree = await ask(house, OPEN, "GET", f"Consent/{made['id']}")
    one = from_consent(tree)
    assert one is not None and one.id == delegation_id("p0", "p1") == made["id"]
    assert (one.patient, one.delegate, one.status, one.by) == ("p0", "p1", "active", "Patient/p1")
    answered = await ask(house, OPEN, "POST", "Consent/$validate", tree)
    assert [issue for issue in answered["issue"] if issue["severity"] in ("error", "fatal")] == []
    wrong = {**tree, "provision": {**tree["provision"], "actor": []}}
    assert [
        i for i in (await ask(house, OPEN, "POST", "Consent/$validate", wrong))["issue"] if i["severity"] == "error"
    ]


async def test_both_have_the_attestation_once(house: House) -> None:
    made = await agreed(house, 0, 1)
    own = house.repository()
    for n in (0, 1):
        (found,) = (await ask(house, holder(n), "GET", "DocumentReference"))["entry"]
        document = found["resource"]
        assert [one["code"] for one in document["type"]["coding"]] == ["DOCPAT09"]
        attachment = document["content"][0]["attachment"]
        file = await own.current("Binary", attachment["url"].rpartition("/")[2])
        assert attachment["contentType"] == "application/pdf" and file is not None
        answered = await ask(house, OPEN, "POST", "DocumentReference/$validate", document)
        assert [one for one in answered["issue"] if one["severity"] in ("error", "fatal")] == []
    # What follows is done again, and nothing is there twice.
    await settling.settle(house.services, made["id"], NOW)
    assert await seen(house, holder(0), "DocumentReference?_summary=count") == 1


async def test_what_an_interrupted_change_left_is_done_by_the_clock(house: House) -> None:
    await a_person(house, "eve", "Ève", "Patient/p1")
    own = house.repository()
    asked = await changing.invite(own, "p0", "p1", "Patient/p0", None, NOW)
    with pytest.raises(OSError, match="killed"):
        async with settling.settled(house.services, asked.id, "p1", NOW):
            await changing.answer(own, asked.id, "p1", True, "Patient/p1", NOW)
            raise OSError("killed")
    # What was refused leaves nothing to do.
    assert await does(house, holder(1), "delegation-end", "p1", delegation="nothing") == 404
    assert await Ending(house.services).run(NOW + timedelta(minutes=1)) == 0
    assert (await house.authorization.accounts.by_login("eve")).wards == ()  # type: ignore[union-attr]
    assert await Ending(house.services).run(NOW + timedelta(minutes=6)) == 1
    assert (await house.authorization.accounts.by_login("eve")).wards == ("p0",)  # type: ignore[union-attr]
    assert await seen(house, holder(1), "DocumentReference?_summary=count") == 1
    assert await Ending(house.services).run(NOW + timedelta(minutes=12)) == 0


async def test_the_other_is_told_and_nobody_else(house: House) -> None:
    async def told(person: int) -> list[str]:
        lines = await centre.lines(house.services.records, f"Patient/p{person}", "", 20)
        return [one.told.occasion for one in lines if one.told.occasion == "delegation"]

    made = await invited(house, 0, 1)
    assert (len(await told(0)), len(await told(1))) == (0, 1)
    await does(house, holder(1), "delegation-answer", "p1", delegation=made["id"], accept=True)
    assert (len(await told(0)), len(await told(1))) == (1, 1)
    await does(house, holder(1), "delegation-end", "p1", delegation=made["id"])
    assert (len(await told(0)), len(await told(1))) == (2, 1)
    assert await told(2) == []


@pytest.mark.parametrize(
    ("registered", "status"),
    [
        ([], 0),
        ([CAREGIVER], 403),
        (["GUARD"], 0),
        (["GUARD", CAREGIVER], 0),
    ],
)
async def test_a_neighbour_who_helps_with_a_child_does_not_decide_for_it(
    house: House, registered: list[str], status: int
) -> None:
    # Of whom nothing is registered is a parent; a neighbour has a space of their own too.
    await kept(house, MINOR, *(related(f"r{n}", 11, 1, code) for n, code in enumerate(registered)))
    found = await ask(house, as_caregiver(1, 11), "GET", "Patient/p11/$record-choices")
    assert (found if isinstance(found, int) else 0) == status
