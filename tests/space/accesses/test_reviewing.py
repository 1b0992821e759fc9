"""Administrators look through emergencies, and note that they did: CSP R1111-43.

https://fhir-server.example/OperationDefinition/AuditEvent-emergencies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant, Purpose
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.settings import Settings
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, grant

ADMINISTRATOR = grant("Person/1", ALL, duties=frozenset({"administrator"}))
SOFTWARE = grant(None, SYSTEM)


async def broken(house: House, doctor: str, patient: str, purpose: Purpose = "BTG", status: int = 200) -> None:
    """The AuditEvent of a read by a doctor who said that it was an emergency."""
    touched = Touched(noting=True)
    touched.patients[f"Patient/{patient}"] = None
    caller = Grant(subject=f"Practitioner/{doctor}", client="tool", purpose=purpose, reason=f"Coma {doctor}")
    await record(house.repository(), [exchange_event(caller, touched, "read", "Patient", status, BASE)])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as found:
        for _ in range(3):
            await broken(found, "d", "a")
        await broken(found, "d", "b", "ETREAT")
        await broken(found, "e", "a", status=404)
        await broken(found, "e", "b", "TREAT")
        yield found


async def listed(house: House, caller: Grant = ADMINISTRATOR, query: str = "") -> Any:
    """Each emergency as its parts by name, or the status of a refusal."""
    answer = await Caller(house, caller)("GET", f"AuditEvent/$emergencies{query}")
    if answer.status != 200:
        return answer.status
    rows = answer.json.get("parameter", ())
    return [{p["name"]: next(v for k, v in p.items() if k != "name") for p in row["part"]} for row in rows]


async def test_each_professional_record_and_day_is_one_emergency(house: House) -> None:
    found = await listed(house)
    told = {
        (
            one["practitioner"]["reference"],
            one["patient"]["reference"],
            one["purpose"],
            one["reason"],
            one["count"],
            one["opened"],
        )
        for one in found
    }
    assert told == {
        ("Practitioner/d", "Patient/a", "BTG", "Coma d", 3, True),
        ("Practitioner/d", "Patient/b", "ETREAT", "Coma d", 1, True),
        ("Practitioner/e", "Patient/a", "BTG", "Coma e", 1, False),
    }
    assert not any("reviewedBy" in one for one in found)


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (ADMINISTRATOR, 200),
        (SOFTWARE, 200),
        (OPEN, 200),
        (grant("Person/1", ALL, duties=frozenset({"verifier"})), 403),
        (replace(ADMINISTRATOR, scopes=()), 403),
        (replace(SOFTWARE, referenced=True), 403),
        (grant("Practitioner/d", ALL), 403),
        (grant("Practitioner/d", SYSTEM), 403),
        (grant("Patient/a", OWN, patient="a"), 403),
    ],
)
async def test_administrators_alone_look_through_them(house: House, caller: Grant, status: int) -> None:
    found = await listed(house, caller)
    assert (found if isinstance(found, int) else 200) == status
    id = (await listed(house))[0]["id"]
    body = {"resourceType": "Parameters", "parameter": [{"name": "emergency", "valueId": id}]}
    assert (await Caller(house, caller)("POST", "AuditEvent/$emergency-review", body)).status == status


async def test_a_review_says_who_when_and_what_and_the_rest_is_left(house: House) -> None:
    id = next(one["id"] for one in await listed(house) if one["count"] == 3)
    parameters = [{"name": "emergency", "valueId": id}, {"name": "note", "valueString": "Appelé le service."}]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert (await Caller(house, ADMINISTRATOR)("POST", "AuditEvent/$emergency-review", body)).status == 200
    [seen] = [one for one in await listed(house) if "reviewedBy" in one]
    assert (seen["id"], seen["reviewedBy"], seen["note"]) == (id, "Person/1", "Appelé le service.")
    assert abs(datetime.fromisoformat(seen["reviewedAt"]) - datetime.now(UTC)) < timedelta(hours=1)
    assert id not in {one["id"] for one in await listed(house, query="?unreviewed=true")}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("?since=2001-01-01", 400), ("?since=soon", 400), ("?since=2999-01-01", []), ("?other=1", 400)],
)
async def test_since_when(house: House, query: str, expected: Any) -> None:
    assert await listed(house, query=query) == expected


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ([], 400),
        ([{"name": "emergency", "valueId": "none"}], 404),
        ([{"name": "emergency", "valueId": "none"}, {"name": "note", "valueString": "x" * 1001}], 400),
    ],
)
async def test_a_review_of_nothing_is_refused(house: House, parameters: Any, status: int) -> None:
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert (await Caller(house, ADMINISTRATOR)("POST", "AuditEvent/$emergency-review", body)).status == status
