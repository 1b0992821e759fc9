"""Many clients book the same slots over HTTP, on several workers: no slot has two appointments, and none is lost.

https://hl7.org/fhir/R4/slot.html (status), https://hl7.org/fhir/R4/http.html#transactional-integrity
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.people import kept
from tests.server.process import open_serving, operated
from tests.space.agenda.world import DOCTOR, a_patient, a_practitioner, a_schedule, an_appointment

_DAY = datetime.fromisoformat("2027-03-01T00:00:00+01:00")


def a_slot_of(number: int) -> dict[str, Any]:
    start = _DAY + timedelta(minutes=10 * number)
    return {
        "resourceType": "Slot",
        "id": f"n{number}",
        "schedule": {"reference": "Schedule/doctor"},
        "status": "free",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=10)).isoformat(),
    }


async def _book(client: httpx.AsyncClient, slots: list[dict[str, Any]]) -> Counter[int]:
    """One client that wants each slot, in an order of its own; how often it was answered what."""
    found: Counter[int] = Counter()
    for slot in random.sample(slots, len(slots)):
        body = an_appointment(slot["id"], start=slot["start"], end=slot["end"])
        found[(await client.post("Appointment", json=body)).status_code] += 1
    return found


@pytest.mark.parametrize(
    ("clients", "slots"), [(8, 12), pytest.param(32, 100, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_each_slot_is_booked_by_exactly_one(tmp_path: Path, clients: int, slots: int) -> None:
    wanted = [a_slot_of(number) for number in range(slots)]
    people = (a_patient("a"), a_practitioner("doctor", "99700218890"), a_schedule("doctor", DOCTOR))
    operated(tmp_path / "var", lambda house: kept(house, *people, *wanted))

    async def run(base: str) -> tuple[Counter[int], list[str], int]:
        headers = {"Content-Type": "application/fhir+json"}
        async with httpx.AsyncClient(base_url=base + "/", headers=headers, timeout=60) as client:
            answers = sum(await asyncio.gather(*(_book(client, wanted) for _ in range(clients))), Counter[int]())
            found = (await client.get("Slot", params={"_count": slots})).json()["entry"]
            total = (await client.get("Appointment", params={"_total": "accurate", "_count": 0})).json()["total"]
            return answers, [one["resource"]["status"] for one in found], total

    with open_serving(tmp_path / "var", "--workers", "2") as served:
        answers, statuses, total = asyncio.run(run(served.base))
    assert answers == {201: slots, 409: slots * (clients - 1)}
    assert statuses == ["busy"] * slots
    assert total == slots
