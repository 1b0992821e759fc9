"""What an operation answers where there is nothing: Parameters without a list, https://hl7.org/fhir/R4/json.html#null.

"Properties can never be empty": an array with nothing in it is no FHIR.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.access.grant import OPEN
from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.server.people import kept
from tests.space.record.callers import BASE, Caller


@pytest.mark.parametrize(
    "operation",
    [
        "Patient/p/$delegations",
        "Patient/p/$prevention",
        "Appointment/a/$reminders",
        "AuditEvent/$emergencies",
        "AuditEvent/$emergencies?unreviewed=true",
    ],
)
async def test_where_there_is_nothing_there_is_no_list(tmp_path: Path, operation: str) -> None:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        a = {"actor": {"reference": "Patient/p"}, "status": "accepted"}
        await kept(
            house,
            {"resourceType": "Patient", "id": "p"},
            {"resourceType": "Appointment", "id": "a", "status": "proposed", "participant": [a]},
        )
        answer = await Caller(house, OPEN)("GET", operation)
    assert (answer.status, answer.json) == (200, {"resourceType": "Parameters"})
