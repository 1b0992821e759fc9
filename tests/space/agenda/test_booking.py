"""An appointment and the slots it fills: https://hl7.org/fhir/R4/slot.html (status), guide GAP flow 6."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from fhir_server.app import House
from tests.server.people import kept
from tests.space.agenda.world import COLLEAGUE, DOCTOR, a_schedule, a_slot, an_appointment, ask, status_of
from tests.space.record.callers import Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")
_numbers = count(1)


async def new_slots(house: House, *times: tuple[str, str], **more: Any) -> list[str]:
    """Free slots of a schedule of their own, of the doctor's; their ids."""
    number = next(_numbers)
    schedule = a_schedule(f"s{number}", DOCTOR)
    named = [f"s{number}-{n}" for n in range(len(times))]
    made = [a_slot(id, f"Schedule/s{number}", *when) | more for id, when in zip(named, times, strict=True)]
    await kept(house, schedule, *made)
    return named


async def booked(house: House, tree: Tree) -> str:
    answer = await ask(house, "doctor", "POST", "Appointment", tree)
    assert answer.status == 201, answer.json
    return answer.id


#: Status of the appointment → what its slot is from then on.
FILLING = {
    "proposed": "free",
    "pending": "busy-tentative",
    "booked": "busy",
    "arrived": "busy",
    "checked-in": "busy",
    "fulfilled": "busy",
    "noshow": "busy",
    "waitlist": "free",
    "cancelled": "free",
    "entered-in-error": "free",
}


async def test_the_slot_follows_the_status_from_and_to_each_other(house: House) -> None:
    (slot,) = await new_slots(house, ("09:00", "09:20"))
    id = await booked(house, an_appointment(slot, status="proposed"))
    wrong = []
    for one in FILLING:
        for other in FILLING:
            for status in (one, other):
                tree = an_appointment(slot, status=status) | {"id": id}
                answer = await ask(house, "doctor", "PUT", f"Appointment/{id}", tree)
                if answer.status != 200 or await status_of(house, slot) != FILLING[status]:
                    wrong.append((one, other, status, answer.status))
    assert not wrong


async def test_a_slot_is_booked_once_and_again_when_it_is_let_go_of(house: House) -> None:
    first, second = await new_slots(house, ("09:00", "09:20"), ("09:20", "09:40"))
    id = await booked(house, an_appointment(first))
    for status in ("booked", "pending"):
        again = await ask(house, "doctor", "POST", "Appointment", an_appointment(first, status=status))
        assert again.status == 409
        assert again.json["issue"][0]["expression"] == ["Appointment.slot"]
    moved = an_appointment(second, start="2027-03-01T09:20:00+01:00", end="2027-03-01T09:40:00+01:00") | {"id": id}
    assert (await ask(house, "doctor", "PUT", f"Appointment/{id}", moved)).status == 200
    assert [await status_of(house, one) for one in (first, second)] == ["free", "busy"]
    other = await booked(house, an_appointment(first))
    assert (await ask(house, "doctor", "DELETE", f"Appointment/{other}")).status in (200, 204)
    assert await status_of(house, first) == "free"


async def test_of_many_who_book_at_once_one_has_each_slot(house: House) -> None:
    slots = await new_slots(house, *((f"{h:02}:00", f"{h:02}:20") for h in range(8, 14)))

    def wanting(slot: str) -> Tree:
        return {k: v for k, v in an_appointment(slot).items() if k not in ("start", "end")} | {
            "start": a_slot(slot)["start"][:11] + f"{8 + slots.index(slot):02}:00:00+01:00",
            "end": a_slot(slot)["end"][:11] + f"{8 + slots.index(slot):02}:20:00+01:00",
        }

    wanted = [ask(house, "open", "POST", "Appointment", wanting(slot)) for slot in slots for _ in range(5)]
    answers = await asyncio.gather(*wanted)
    assert sorted(answer.status for answer in answers) == [201] * 6 + [409] * 24
    assert [await status_of(house, one) for one in slots] == ["busy"] * 6
    for slot in slots:
        found = await ask(house, "open", "GET", f"Appointment?slot=Slot/{slot}&_total=accurate")
        assert found.json["total"] == 1


#: What is wrong → the appointment, the status of the refusal, the element that it names.
REFUSED: dict[str, tuple[Tree, int, str]] = {
    "a slot that is not here": (an_appointment("nowhere"), 422, "Appointment.slot[0]"),
    "an end before its start": (an_appointment(end="2027-03-01T08:00:00+01:00"), 422, "Appointment.end"),
    "before the slot": (an_appointment("SLOT", start="2027-03-01T08:50:00+01:00"), 422, "Appointment.start"),
    "beyond the slot": (an_appointment("SLOT", end="2027-03-01T09:30:00+01:00"), 422, "Appointment.end"),
    "a slot of another's schedule": (
        an_appointment(
            "SLOT",
            participant=[
                {"actor": {"reference": "Patient/a"}, "status": "accepted"},
                {"actor": {"reference": COLLEAGUE}, "status": "accepted"},
            ],
        ),
        422,
        "Appointment.slot",
    ),
    "more slots than anybody needs": (an_appointment(*(f"n{n}" for n in range(51))), 422, ""),
}


async def test_what_does_not_fit_is_refused_and_nothing_is_stored(house: House) -> None:
    (slot,) = await new_slots(house, ("09:00", "09:20"))
    wrong = {}
    for name, (tree, status, element) in REFUSED.items():
        sent = tree if "SLOT" not in str(tree) else tree | {"slot": [{"reference": f"Slot/{slot}"}]}
        answer = await ask(house, "open", "POST", "Appointment", sent)
        errors = [one for one in answer.json["issue"] if one["severity"] == "error"]
        said = errors[0].get("expression", [""])[0]
        if answer.status != status or (element and said.split("[")[0] != element.split("[")[0]):
            wrong[name] = answer.json
    assert not wrong
    assert await status_of(house, slot) == "free"
    assert (await ask(house, "open", "GET", f"Appointment?slot=Slot/{slot}&_total=accurate")).json["total"] == 0


@pytest.mark.parametrize(
    "change", [{"end": f"{when}:00:00+01:00"} for when in ("2027-03-01T09", "2027-03-01T08", "2031-03-01T09")]
)
async def test_a_slot_ends_after_it_starts(house: House, change: Tree) -> None:
    answer = await ask(house, "open", "PUT", "Slot/reversed", a_slot("reversed") | change)
    (error,) = [one for one in answer.json["issue"] if one["severity"] == "error"]
    assert (answer.status, error["expression"]) == (422, ["Slot.end"])


async def test_two_slots_of_one_schedule_are_not_booked_at_the_same_time(house: House) -> None:
    one, over, beside = await new_slots(house, ("09:00", "09:20"), ("09:10", "09:30"), ("09:20", "09:40"))
    await booked(house, an_appointment(one))
    late = an_appointment(over, start="2027-03-01T09:10:00+01:00", end="2027-03-01T09:30:00+01:00")
    answer = await ask(house, "doctor", "POST", "Appointment", late)
    assert answer.status == 409
    await booked(house, an_appointment(beside, start="2027-03-01T09:20:00+01:00", end="2027-03-01T09:40:00+01:00"))
    night, morning = await new_slots(house, ("00:00", "00:20"), ("00:10", "00:30"), end="2027-03-04T12:00:00+01:00")
    long = {"start": "2027-03-01T00:10:00+01:00", "end": "2027-03-04T10:00:00+01:00"}
    await booked(house, an_appointment(night, **long))
    assert (await ask(house, "doctor", "POST", "Appointment", an_appointment(morning, **long))).status == 409
    # https://hl7.org/fhir/R4/slot-definitions.html#Slot.overbooked: whose schedule it is takes both.
    (first, second) = await new_slots(house, ("09:00", "09:20"), ("09:00", "09:20"), overbooked=True)
    await booked(house, an_appointment(first))
    await booked(house, an_appointment(second))


async def test_what_an_appointment_fills_is_not_written_free_moved_or_deleted(house: House) -> None:
    (slot,) = await new_slots(house, ("09:00", "09:20"))
    id = await booked(house, an_appointment(slot))
    tree = (await ask(house, "open", "GET", f"Slot/{slot}")).json
    for change in ({"status": "free"}, {"start": "2027-03-01T08:00:00+01:00"}, {"status": "entered-in-error"}):
        assert (await ask(house, "open", "PUT", f"Slot/{slot}", tree | change)).status == 409, change
    assert (await ask(house, "open", "DELETE", f"Slot/{slot}")).status == 409
    assert (await ask(house, "open", "PUT", f"Slot/{slot}", tree | {"comment": "Bis"})).status == 200
    await ask(house, "open", "DELETE", f"Appointment/{id}")
    assert (await ask(house, "open", "DELETE", f"Slot/{slot}")).status in (200, 204)


def lot(*entries: tuple[str, Tree]) -> Tree:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": tree, "request": {"method": url.split()[0], "url": url.split()[1]}} for url, tree in entries
        ],
    }


async def test_a_transaction_writes_slot_and_appointment_together(house: House) -> None:
    slot, other = await new_slots(house, ("09:00", "09:20"), ("10:00", "10:20"))
    tree = (await ask(house, "open", "GET", f"Slot/{slot}")).json
    free = lot((f"PUT Slot/{slot}", tree), ("POST Appointment", an_appointment(slot)))
    answer = await ask(house, "open", "POST", "", free)
    assert (answer.status, await status_of(house, slot)) == (422, "free")
    busy = lot((f"PUT Slot/{slot}", tree | {"status": "busy"}), ("POST Appointment", an_appointment(slot)))
    assert (await ask(house, "open", "POST", "", busy)).status == 200
    assert await status_of(house, slot) == "busy"
    taken = await ask(house, "open", "POST", "", busy)
    assert taken.status == 409
    twice = an_appointment(other, start="2027-03-01T10:00:00+01:00", end="2027-03-01T10:20:00+01:00")
    both = lot(("POST Appointment", twice), ("POST Appointment", twice))
    assert (await ask(house, "open", "POST", "", both)).status == 409
    tree = (await ask(house, "open", "GET", f"Slot/{other}")).json
    written = lot((f"PUT Slot/{other}", tree | {"status": "busy"}), *(2 * [("POST Appointment", twice)]))
    assert (await ask(house, "open", "POST", "", written)).status == 409, "the slot is of the transaction too"
    assert await status_of(house, other) == "free"


async def test_a_conditional_update_by_identifier_makes_moves_and_cancels(house: House) -> None:
    """Guide GAP flow 6b: `PUT Appointment?identifier=`."""
    slot, later = await new_slots(house, ("09:00", "09:20"), ("10:00", "10:20"))
    identifier = {"system": "https://editor.example/rdv", "value": f"rdv-{slot}"}
    url = f"Appointment?identifier={identifier['system']}|{identifier['value']}"
    moved = an_appointment(later, start="2027-03-01T10:00:00+01:00", end="2027-03-01T10:20:00+01:00")
    steps = [
        (an_appointment(slot), 201, ["busy", "free"]),
        (moved, 200, ["free", "busy"]),
        (moved | {"status": "cancelled"}, 200, ["free", "free"]),
    ]
    for tree, status, slots in steps:
        answer = await ask(house, "doctor", "PUT", url, tree | {"identifier": [identifier]})
        assert answer.status == status
        assert [await status_of(house, one) for one in (slot, later)] == slots
