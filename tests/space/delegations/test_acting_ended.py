"""For whom somebody acts no more: what is registered of a minor has ended, whatever an account says.

https://hl7.org/fhir/R4/relatedperson.html (`active`, `period`); ARCHITECTURE.md, on who acts for a minor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.fhir.nos import CAREGIVER, ROLE_CLASS
from tests.access.test_rules import ask
from tests.server.people import kept
from tests.space.delegations.people import INS, a_house, a_patient, as_caregiver, does, ins

MINOR = a_patient(11, birthDate=f"{datetime.now(UTC).year - 9}-01-01")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as found:
        yield found


def a_relation(id: str, code: str, **more: Any) -> dict[str, Any]:
    """The first person, registered for the minor."""
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "identifier": [{"system": INS, "value": ins(1)}],
        "patient": {"reference": "Patient/p11"},
        "relationship": [{"coding": [{"system": ROLE_CLASS, "code": code}]}],
        **more,
    }


@pytest.mark.parametrize(
    ("registered", "read", "decides"),
    [
        ([], 0, 0),
        ([("GUARD", {})], 0, 0),
        ([("GUARD", {"active": False}), ("GUARD", {})], 0, 0),
        ([("GUARD", {"active": False}), (CAREGIVER, {})], 0, 403),
        ([("GUARD", {"active": False})], 404, 404),
        ([("GUARD", {"period": {"end": "2020-01-01"}})], 404, 404),
        ([("GUARD", {"period": {"start": "2999-01-01"}})], 404, 404),
        ([(CAREGIVER, {"active": False})], 404, 404),
        ([(CAREGIVER, {"period": {"end": "2020-01-01"}})], 404, 404),
    ],
)
async def test_who_acts_for_a_minor_no_more_neither_reads_nor_decides(
    house: House, registered: list[tuple[str, dict[str, Any]]], read: int, decides: int
) -> None:
    # The account, and a token, say still that they act.
    rows = [a_relation(f"r{n}", code, **more) for n, (code, more) in enumerate(registered)]
    await kept(house, MINOR, *rows)
    caller = as_caregiver(1, 11)
    for url, status in {
        "Patient/p11": read,
        "Patient/p11/$summary": read,
        "Patient/p11/$space": decides,
        "Patient/p11/$delegations": decides,
        "Patient/p11/$record-choices": decides,
    }.items():
        found = await ask(house, caller, "GET", url)
        assert (url, found if isinstance(found, int) else 0) == (url, status)
    assert await does(house, caller, "space-move", "p11", event="reopen") == (422 if decides == 0 else decides)
