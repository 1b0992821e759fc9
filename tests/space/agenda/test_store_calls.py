"""What a booking asks of its store: each call is a journey, once the store is far away.

https://hl7.org/fhir/R4/appointment.html, https://hl7.org/fhir/R4/slot.html (Slot.status); guide GAP, flow 6.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.space.agenda.world import a_slot, an_appointment, ask, peopled
from tests.space.record.callers import BASE
from tests.store_calls import counted

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls() -> AsyncIterator[list[str]]:
    with pytest.MonkeyPatch.context() as patch, counted(patch) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, calls: list[str]) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("calls"), base_url=BASE)) as found:
        await peopled(found)
        yield found


READ = ["store.read Slot", "store.read Schedule"]
#: What is booked (slot, from, until), by whom → status, what is asked of the store.
BOOKINGS: Mapping[str, tuple[tuple[str, str, str], str, int, list[str]]] = {
    "free": (("one", "09:00", "09:20"), "open", 201, [*READ, "store.transact Put,Put"]),
    "free, by a doctor": (("two", "10:00", "10:20"), "doctor", 201, [*READ, "store.transact Put,Put"]),
    "taken": (("one", "09:00", "09:20"), "open", 409, READ),
    # The commit finds it, and only then it is looked for.
    "overlapping": (
        ("three", "09:10", "09:30"), "open", 409, [*READ, "store.transact Put,Put", *READ, "store.count Slot"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BOOKINGS)
async def test_what_a_booking_asks_of_the_store(house: House, calls: list[str], how: str) -> None:
    (id, start, end), who, status, expected = BOOKINGS[how]
    slot: dict[str, Any] = a_slot(id, start=start, end=end)
    if (await ask(house, "open", "GET", f"Slot/{id}")).status == 404:
        assert (await ask(house, "open", "PUT", f"Slot/{id}", slot)).status == 201
    wanted = an_appointment(id, start=slot["start"], end=slot["end"])
    await ask(house, who, "GET", "Slot/none")
    calls.clear()
    answer = await ask(house, who, "POST", "Appointment", wanted)
    assert answer.status == status, answer.json
    assert [one for one in calls if not one.startswith(("changes", "records"))] == expected
