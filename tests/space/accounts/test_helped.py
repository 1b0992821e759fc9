"""A professional whom a person lets help with their space: what they record, and what they may not. Domain file §2.2, §4.

CSP R1111-28 (an objection), L1111-19 (the person is told); a choice of its own, set and removed by RPPS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import House
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.codes import CODE
from fhir_server.space.accounts.helped import Helped
from fhir_server.space.accounts.life import life_id
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.accounts.states import EVENTS, THREE_MONTHS
from fhir_server.space.paris import PARIS
from tests.access.test_rules import ask
from tests.server.people import kept
from tests.space.delegations.people import a_house, a_patient, does, holder

NOW = datetime.now(UTC).replace(microsecond=0)
RPPS = "https://rpps.esante.gouv.fr"


def a_doctor(id: str) -> Grant:
    return Grant((Scope("user", "*", frozenset("cruds")),), subject=f"Practitioner/{id}", client="practice")


DOCTOR, ANOTHER = a_doctor("d"), a_doctor("e")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path, people=2) as found:
        doctors = [
            {"resourceType": "Practitioner", "id": id, "active": True, "name": [{"family": f"Docteur{id}"}],
             "identifier": [{"system": RPPS, "value": f"9970000000{n}"}]}
            for n, id in enumerate("de")
        ]  # fmt: skip
        await kept(found, a_patient(0, active=False), *doctors)
        await moving.move(found.repository(), "p0", Asked("inform", "operator", NOW))
        yield found


async def chooses(house: House, caller: Grant, kind: str, doctor: str = "d", chosen: bool = True) -> Any:
    parts = [
        {"name": "kind", "valueCode": kind},
        {"name": "practitioner", "valueReference": {"reference": f"Practitioner/{doctor}"}},
        {"name": "chosen", "valueBoolean": chosen},
    ]
    given = {"resourceType": "Parameters", "parameter": [{"name": "choice", "part": parts}]}
    found = await ask(house, caller, "POST", "Patient/p0/$record-choose", given)
    return found if isinstance(found, int) else 0


async def moves(house: House, caller: Grant, event: str) -> Any:
    found = await does(house, caller, "space-move", "p0", event=event)
    return found if isinstance(found, (str, int)) else 0


async def state(house: House) -> str | None:
    (space,) = await moving.found(house.repository(), ["p0"])
    return space.state if space is not None else None


async def test_who_is_asked_to_records_an_objection_and_the_person_is_written_to(house: House) -> None:
    helped = Helped(house.services)
    assert await helped.tell(NOW) == 0
    assert await moves(house, DOCTOR, "oppose") == 403
    # The person says so where they are, and the professional declares it.
    assert await chooses(house, DOCTOR, "administrator") == 0
    assert await moves(house, ANOTHER, "oppose") == 403
    assert await moves(house, DOCTOR, "oppose") == 0
    assert await state(house) == "opposed"
    basic = await ask(house, OPEN, "GET", f"Basic/{life_id('p0')}")
    issues = (await ask(house, OPEN, "POST", "Basic/$validate", basic))["issue"]
    assert [one for one in issues if one["severity"] in ("error", "fatal")] == []
    step = next(one["extension"] for one in basic["extension"] if one["url"].endswith("ens-space-step"))
    said = {one["url"]: one for one in step}
    assert said["role"]["valueCode"] == "professional"
    assert said["performer"]["valueReference"] == {"reference": "Practitioner/d"}
    assert await helped.tell(NOW) == 1
    (letter,) = (house.settings.data / "letters").glob("*.pdf")
    assert letter.read_bytes().startswith(b"%PDF") and await house.services.records.get(CODE, "p0") is not None
    assert await helped.tell(NOW) == 0
    assert await moves(house, DOCTOR, "withdraw-opposition") == 0
    assert await state(house) == "open"


async def test_what_they_may_not(house: House) -> None:
    assert await chooses(house, holder(0), "administrator") == 0
    may = {"oppose", "withdraw-opposition"}
    for event in EVENTS:
        if event not in may:
            assert await moves(house, DOCTOR, event) in (400, 422), event
    assert await state(house) == "informed"
    for operation, given in {
        "delegations": {},
        "delegation-match": {"ins": "1", "given": "a", "family": "b", "birthDate": "1968-03-14"},
        "export-record": {"action": "start"},
        "notice-prefer": {"kind": "message", "channel": "email", "wanted": False},
    }.items():
        assert await does(house, DOCTOR, operation, "p0", **given) in (400, 403, 404), operation
    for kind in ("authorised", "administrator"):
        assert await chooses(house, DOCTOR, kind, "e") == 403
    assert await chooses(house, DOCTOR, "blocked") == 403
    # They read nothing of the record by it.
    await kept(house, {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
                       "subject": {"reference": "Patient/p0"}}, a_patient(0))  # fmt: skip
    assert await ask(house, DOCTOR, "GET", "Observation/o") == 404


async def test_it_is_seen_among_who_acts_and_ends_there_or_by_a_block(house: House) -> None:
    assert await chooses(house, holder(0), "administrator") == 0
    (row,) = await does(house, holder(0), "delegations", "p0")
    assert (row["kind"], row["status"], row["person"]) == ("HEALTHCARE_PROFESSIONAL", "ACCEPTED", "Docteurd")
    (ended,) = await does(house, holder(0), "delegation-end", "p0", delegation=row["id"])
    assert ended["status"] == "ENDED"
    assert await moves(house, DOCTOR, "oppose") == 403
    assert await does(house, holder(1), "delegation-end", "p1", delegation=row["id"]) == 404
    assert await chooses(house, holder(0), "administrator") == 0
    assert await chooses(house, holder(0), "blocked") == 0
    assert await moves(house, DOCTOR, "oppose") == 403
    assert await chooses(house, holder(0), "administrator") == 422


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_who_asks_for_deletion_of_a_closed_space_is_told_and_when_it_is_taken_back(
    house: House, language: str
) -> None:
    """CSP R1111-36; notices tell nobody of a closed space. By e-mail, else by post; of nothing that is in it."""
    own, helped, outbox = house.repository(), Helped(house.services), house.services.records
    spoken = [{"language": {"coding": [{"code": language}]}, "preferred": True}]
    reached = {"telecom": [{"system": "email", "value": "one@example.org"}]}
    await kept(house, a_patient(1, communication=spoken, **reached), a_patient(2, communication=spoken, telecom=[]))
    for n, event in enumerate(("close", "ask-deletion", "cancel-deletion")):
        for patient in ("p1", "p2"):
            asked = Asked(event, "holder", NOW + timedelta(minutes=n), f"Patient/{patient}")  # type: ignore[arg-type]
            await moving.move(own, patient, asked)
        assert await helped.tell(NOW) == (2 if n else 0)
        assert await helped.tell(NOW) == 0
        sent = [msgspec.json.decode(value) for _, value in await outbox.list("outbox", count=9)]
        assert [one["to"] for one in sent] == ["one@example.org"] * n
        assert len(list((house.settings.data / "letters").glob("*.pdf"))) == n
    erased = f"{THREE_MONTHS.after(NOW + timedelta(minutes=1)).astimezone(PARIS):%d/%m/%Y}"
    assert sorted(erased in one["text"] for one in sent) == [False, True]
    assert all("/mon-compte" in one["text"] for one in sent)
