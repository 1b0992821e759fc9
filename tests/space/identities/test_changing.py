"""An identity that changes: the INS and its traits. Référentiel INS; fr-core-patient-ins (official, temp, old).

https://hl7.org/fhir/R4/datatypes.html#Identifier; https://fhir-server.example/OperationDefinition/Patient-change-identity
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.identities.identity import judged, key
from tests.access.test_rules import ask, seen
from tests.server.people import kept
from tests.space.identities.people import (
    DEMO,
    DOCTOR,
    NIA,
    NIR,
    OPERATOR,
    PUBLISHED,
    READER,
    STAFF,
    TEST,
    VERIFIER,
    a_patient,
    born_in,
    call,
    changes,
    holder,
    ins,
    reliability,
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path)) as found:
        await kept(found, a_patient("p", 1), a_patient("q", 2), a_patient("new"))
        yield found


def said(system: str, value: str) -> dict[str, Any]:
    return {"identifier": [{"system": system, "value": value}]}


@pytest.mark.parametrize(
    ("system", "value", "right"),
    [
        (DEMO, ins(1), True),
        (TEST, "2A8033523800137", False),
        (DEMO, "26803352380013", False),
        (DEMO, "9680335238001370", False),
        ("urn:oid:1.2.250.1.213.1.4.2", ins(1), False),
        # The key of the number of the demonstration's own documents, and one beside it; a number is nobody's here.
        (NIR, f"2000000000001{key('2000000000001'):02}", True),
        (NIR, f"2000000000001{key('2000000000001') % 97 + 1:02}", False),
        (NIR, f"200002A000001{key('200002A000001'):02}", True),
        # Who has a provisional number has it under the OID of such.
        (NIR, f"8000000000001{key('8000000000001'):02}", False),
        (NIA, f"8000000000001{key('8000000000001'):02}", True),
    ],
)
def test_what_a_matricule_is(system: str, value: str, right: bool) -> None:
    assert (judged(system, value) == "") is right


async def test_the_earlier_number_stays_with_its_time_and_finds_the_same_person(house: House) -> None:
    after = await changes(house, OPERATOR, "p", "replaced", **said(DEMO, ins(9)))
    [new, old] = after["identifier"]
    assert (new["value"], new["use"]) == (ins(9), "official")
    assert (old["value"], old["use"]) == (ins(1), "old")
    # In force until the other is: neither a gap nor both.
    assert old["period"]["end"] == new["period"]["start"]
    # PDSm4DMP TD02 by either number: one entry, the same.
    for number in (1, 9):
        assert await seen(house, OPERATOR, f"Patient?identifier={DEMO}|{ins(number)}") == {"p"}


async def test_a_provisional_number_becomes_a_nir_and_never_the_other_way(house: House) -> None:
    nia, nir = f"8000000000001{key('8000000000001'):02}", f"2000000000001{key('2000000000001'):02}"
    assert (await changes(house, OPERATOR, "new", "attributed", **said(NIA, nia)))["identifier"][0]["use"] == "temp"
    after = await changes(house, OPERATOR, "new", "replaced", **said(NIR, nir))
    assert [(one["system"], one["use"]) for one in after["identifier"]] == [(NIR, "official"), (NIA, "old")]
    other = f"8000000000002{key('8000000000002'):02}"
    assert await changes(house, OPERATOR, "new", "replaced", **said(NIA, other)) == 422


async def test_a_number_of_somebody_else_stays_nowhere_and_is_theirs_to_have(house: House) -> None:
    assert "identifier" not in await changes(house, OPERATOR, "p", "withdrawn")
    assert await seen(house, OPERATOR, f"Patient?identifier={ins(1)}") == set()
    assert (await changes(house, OPERATOR, "new", "attributed", **said(DEMO, ins(1))))["id"] == "new"


async def test_a_correction_that_was_wrong_is_corrected_back(house: House) -> None:
    await changes(house, OPERATOR, "p", "corrected", **said(DEMO, ins(9)))
    after = await changes(house, OPERATOR, "p", "corrected", **said(DEMO, ins(1)))
    assert [(one["value"], one["use"]) for one in after["identifier"]] == [(ins(1), "official"), (ins(9), "old")]


async def test_two_people_never_have_one_number_though_it_is_given_to_both_at_once(house: House) -> None:
    assert await changes(house, OPERATOR, "p", "corrected", **said(DEMO, ins(2))) == 409
    both = await asyncio.gather(
        changes(house, OPERATOR, "p", "corrected", **said(DEMO, ins(7))),
        changes(house, OPERATOR, "q", "corrected", **said(DEMO, ins(7))),
    )
    assert sorted(one if isinstance(one, int) else 200 for one in both) == [200, 409]
    # An earlier number is still nobody else's.
    await changes(house, OPERATOR, "p" if both[1] == 409 else "q", "corrected", **said(DEMO, ins(8)))
    assert await changes(house, OPERATOR, "new", "attributed", **said(DEMO, ins(7))) == 409


@pytest.mark.parametrize(
    ("how", "identity", "status"),
    [
        ("replaced", {}, 422),
        ("traits", said(DEMO, ins(5)), 422),
        ("withdrawn", said(DEMO, ins(5)), 422),
        ("attributed", said(DEMO, ins(5)), 422),
        ("replaced", said(DEMO, ins(1)), 422),
        ("replaced", said(DEMO, "1"), 422),
        ("replaced", said(NIR, f"2000000000001{key('2000000000001'):02}"), 422),
        ("replaced", said("urn:other", "1"), 422),
        ("replaced", {"identifier": [{"system": DEMO, "value": ins(5)}, {"system": TEST, "value": ins(5)}]}, 422),
        ("explode", {}, 400),
        ("traits", {"telecom": [{"system": "phone", "value": "1"}]}, 422),
        ("traits", {"active": False}, 422),
        ("traits", {"gender": "x"}, 422),
        ("traits", {"name": 5}, 422),
        ("traits", {"name": [{"family": "Autre"}]}, 422),
        ("traits", {"extension": [{"url": "urn:x", "valueString": "x"}]}, 422),
        # fr-core-patient-ins: what is doubtful or fictitious is provisional, and qualified takes all five traits.
        ("traits", {"extension": [reliability("VALI")]}, 422),
        ("traits", {"extension": [reliability("QUAL", "DOUT")]}, 422),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    house: House, how: str, identity: dict[str, Any], status: int
) -> None:
    before = await ask(house, OPERATOR, "GET", "Patient/p")
    assert await changes(house, OPERATOR, "p", how, **identity) == status
    assert await ask(house, OPERATOR, "GET", "Patient/p") == before
    assert await seen(house, OPERATOR, "Basic?_summary=count") == 0


async def test_traits_change_with_their_qualification_and_the_earlier_name_stays(house: House) -> None:
    name = {"use": "official", "family": "Autre", "given": ["Ève", "Anne"]}
    more = {"name": [name], "birthDate": "1968-03-15", "extension": [born_in("75056"), reliability("VALI")]}
    after = await changes(house, OPERATOR, "p", "traits", **more)
    assert [(one["family"], one["use"]) for one in after["name"]] == [("Autre", "official"), ("Exemple", "old")]
    assert after["birthDate"] == "1968-03-15"
    assert after["identifier"] == [{"system": DEMO, "value": ins(1), "use": "official"}]
    # Without its INS it is no qualified identity.
    assert await changes(house, OPERATOR, "p", "withdrawn") == 422
    provisional = {"extension": [reliability("PROV", "DOUT")]}
    assert "identifier" not in await changes(house, OPERATOR, "p", "withdrawn", **provisional)


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (OPERATOR, 200),
        (STAFF, 200),
        (OPEN, 200),
        (VERIFIER, 403),
        (DOCTOR, 403),
        (PUBLISHED, 403),
        (READER, 403),
        (holder("p"), 403),
        (holder("q"), 403),
    ],
)
async def test_who_keeps_identities(house: House, caller: Grant, status: int) -> None:
    answer = await changes(house, caller, "p", "replaced", **said(DEMO, ins(9)))
    assert (answer if isinstance(answer, int) else 200) == status
    assert await changes(house, caller, "nobody", "withdrawn") == (404 if status == 200 else 403)
    assert await changes(house, caller, "p", "withdrawn", reason=" ") == (400 if status == 200 else 403)


async def test_each_act_has_its_time_its_reason_and_who_answers_for_it(house: House) -> None:
    await changes(house, OPERATOR, "p", "replaced", "INSi said so", **said(DEMO, ins(9)))
    await changes(house, STAFF, "p", "traits", "a letter of the town hall", birthDate="1968-03-15")
    answer = await call(house, holder("p"), "Patient/p/$identity-history", method="GET")
    rows = [{part["name"]: part for part in row["part"]} for row in answer["parameter"]]
    assert [row["event"]["valueCode"] for row in rows] == ["traits-corrected", "ins-replaced"]
    assert [row["reason"]["valueString"] for row in rows] == ["a letter of the town hall", "INSi said so"]
    assert rows[0]["performer"]["valueReference"] == {"reference": "Person/s"}
    for caller, status in ((holder("q"), 404), (DOCTOR, 403), (VERIFIER, 404)):
        assert await call(house, caller, "Patient/p/$identity-history", method="GET") == status
    [one, *_] = await seen(house, OPERATOR, "Basic?code=identity-step")
    assert await seen(house, DOCTOR, f"Basic/{one}") == 404
    step = await ask(house, OPERATOR, "GET", f"Basic/{one}")
    for caller in (OPERATOR, holder("p"), DOCTOR):
        assert await ask(house, caller, "DELETE", f"Basic/{one}") in (403, 404)
        assert await ask(house, caller, "PUT", f"Basic/{one}", step) in (403, 404)
