"""`$remind`, `$reminders`, and when people are reminded: by moving the clock. https://hl7.org/fhir/R4/operations.html

Domain file §2.11 (NOTIF_APPOINTMENT); RFC 5545 §3.8.6.3 for what is before a start that moves.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.agenda.reminders import keeping
from fhir_server.space.agenda.reminders.keeping import DUE
from fhir_server.space.notices import centre
from fhir_server.store.registry import BUILT
from tests.server.people import kept
from tests.space.agenda.world import CALLERS, a_slot, an_appointment, ask, own_entry
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Of what `world` makes: nine in the morning in Paris.
START = datetime(2027, 3, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def before(*minutes: Any, unit: str = "min", **more: Any) -> Tree:
    durations = [{"value": one, "system": "http://unitsofmeasure.org", "code": unit, **more} for one in minutes]
    return {"resourceType": "Parameters", "parameter": [{"name": "before", "valueDuration": one} for one in durations]}


async def made(house: House, who: str = "doctor", **more: Any) -> str:
    answer = await ask(
        house, who, "POST", "Appointment", own_entry(**more) if who == "patient" else an_appointment(**more)
    )
    assert answer.status == 201, answer.json
    return answer.id


async def remind(house: House, id: str, *minutes: int, who: str = "patient") -> Any:
    return await ask(house, who, "POST", f"Appointment/{id}/$remind", before(*minutes))


async def chosen(house: House, id: str) -> list[int]:
    answer = await ask(house, "patient", "GET", f"Appointment/{id}/$reminders")
    assert answer.status == 200
    return [one["valueDuration"]["value"] for one in answer.json.get("parameter", ())]


async def look(house: House, at: datetime) -> int:
    """How many reminders the job tells at an instant."""
    [job] = [one for one in house.services.jobs() if one.name == "agenda-reminders"]
    return await job.run(at)


async def change(house: House, id: str, **more: Any) -> None:
    """What the software that made an appointment makes of it."""
    stored = (await ask(house, "open", "GET", f"Appointment/{id}")).json
    answer = await ask(house, "doctor", "PUT", f"Appointment/{id}", stored | more)
    assert answer.status == 200, answer.json


def at(start: datetime) -> dict[str, str]:
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=20)).isoformat()}


@pytest.fixture(autouse=True)
async def nothing_waits(house: House) -> None:
    await look(house, datetime.now(UTC))
    for key, _ in await house.services.records.list(DUE):
        await house.services.records.take(DUE, key)


#: Who asks → how choosing is answered, and reading, of an appointment that a doctor's software made for patient a.
ANSWERS = {
    "patient": (200, 200),
    "referenced app": (200, 200),
    "open": (200, 200),
    "operator": (200, 200),
    "doctor": (403, 403),
    "colleague": (404, 404),
    "stranger": (404, 404),
    "another patient": (404, 404),
}


async def test_reminders_are_the_patients_whoever_made_the_appointment(house: House) -> None:
    id = await made(house)
    found = {}
    for who in CALLERS:
        asked = Caller(house, CALLERS[who])
        chose = await asked("POST", f"Appointment/{id}/$remind", before(60))
        found[who] = (chose.status, (await asked("GET", f"Appointment/{id}/$reminders")).status)
    assert found == ANSWERS
    assert (await ask(house, "patient", "POST", "Appointment/absent/$remind", before(60))).status == 404
    assert (await ask(house, "patient", "GET", f"Appointment/{id}/$remind")).status == 405


async def test_those_that_are_given_are_all_there_are(house: House) -> None:
    id = await made(house)
    assert await chosen(house, id) == []
    assert (await remind(house, id, 1440, 60, 60, 0)).status == 200
    assert await chosen(house, id) == [0, 60, 1440]
    answer = await ask(house, "patient", "POST", f"Appointment/{id}/$remind", before(2, unit="h"))
    assert answer.json["parameter"][0]["valueDuration"]["value"] == 120
    assert await chosen(house, id) == [120]
    assert (await ask(house, "patient", "POST", f"Appointment/{id}/$remind")).status == 200
    assert await chosen(house, id) == []
    assert await house.services.records.list(DUE) == []
    assert (await remind(house, id, *range(10))).status == 200
    stored = (await ask(house, "open", "GET", f"Appointment/{id}")).json
    assert stored["meta"]["versionId"] == "1", "what software made is as it was"


#: What no reminder is.
WRONG: dict[str, Tree] = {
    "eleven": before(*range(11)),
    "after the start": before(-1),
    "more than a year before": before(53, unit="wk"),
    "very long": before(10**30),
    "a part of a minute": before(0.5),
    "months": before(1, unit="mo"),
    "no unit": before(1, code=None),
    "another system": before(1, system="urn:x"),
    "no number": before("1"),
    "true": before(True),
    "no duration": {"resourceType": "Parameters", "parameter": [{"name": "before", "valueInteger": 5}]},
    "another parameter": {"resourceType": "Parameters", "parameter": [{"name": "after", "valueInteger": 5}]},
}


async def test_what_is_no_reminder_is_refused_and_changes_nothing(house: House) -> None:
    id = await made(house)
    await remind(house, id, 60)
    for name, body in WRONG.items():
        answer = await ask(house, "patient", "POST", f"Appointment/{id}/$remind", body)
        assert (answer.status, answer.json["resourceType"]) == (400, "OperationOutcome"), name
    assert await chosen(house, id) == [60]
    off = await made(house, status="cancelled")
    answer = await remind(house, off, 60)
    assert (answer.status, answer.json["issue"][0]["expression"]) == (422, ["Appointment.status"])


async def test_one_is_told_at_the_minute_it_is_due_once_and_nothing_of_what_it_is(house: House) -> None:
    id = await made(house, description="Oncologie", comment="Chimiothérapie")
    await remind(house, id, 120, 0)
    assert await look(house, START - 2 * HOUR - timedelta(seconds=1)) == 0
    assert await look(house, START - 2 * HOUR) == 1
    assert await look(house, START - 2 * HOUR + timedelta(minutes=5)) == 0
    assert await look(house, START) == 1
    lines = await centre.lines(house.services.records, "Patient/a", "", 2)
    assert {(one.told.occasion, one.told.patient) for one in lines} == {("reminder", "a")}
    rows = await house.services.records.list("notice", "Patient/a\n") + await house.services.records.list("notice-due")
    assert not [value for _, value in rows if b"Onco" in value or b"Chimio" in value]


async def test_a_process_that_died_after_telling_tells_nobody_twice(house: House) -> None:
    """As killed between what it told and what it forgot: what waits is there again."""
    id = await made(house)
    await remind(house, id, 60)
    [(key, value)] = await house.services.records.list(DUE)
    assert await look(house, START - HOUR) == 1
    await house.services.records.put(DUE, key, value)
    assert await look(house, START - HOUR) == 0
    assert await house.services.records.list(DUE) == []


async def test_reminders_move_with_the_appointment(house: House) -> None:
    id = await made(house)
    await remind(house, id, 60)
    await change(house, id, **at(START - 4 * HOUR))
    assert await look(house, START - 6 * HOUR) == 0
    assert await look(house, START - 5 * HOUR) == 1, "earlier than it was"
    await change(house, id, **at(START + 24 * HOUR))
    assert await look(house, START - HOUR) == 0
    assert await look(house, START + 23 * HOUR) == 1
    assert await chosen(house, id) == [60]


#: What becomes of an appointment → whether its patient is reminded.
ENDS: dict[str, tuple[Tree, bool]] = {
    "a note": ({"comment": "À jeun"}, True),
    "cancelled": ({"status": "cancelled"}, False),
    "entered in error": ({"status": "entered-in-error"}, False),
    "of another patient": ({"participant": an_appointment(who="Patient/b")["participant"]}, False),
    "not for sure": ({"status": "pending"}, True),
}


async def test_of_what_does_not_take_place_nobody_is_reminded(house: House) -> None:
    for name, (more, told) in ENDS.items():
        for follows in (True, False):
            id = await made(house)
            await remind(house, id, 60)
            await change(house, id, **more)
            # Found out by what changed, or by the reminder itself when it is due.
            if follows:
                await look(house, START - 2 * HOUR)
            assert await look(house, START - HOUR) == told, (name, follows)
    id = await made(house, "patient")
    await remind(house, id, 60)
    await ask(house, "patient", "DELETE", f"Appointment/{id}")
    assert await look(house, START - HOUR) == 0


async def test_what_is_cancelled_and_restored_is_reminded_of(house: House) -> None:
    id = await made(house)
    await remind(house, id, 60, 30)
    await change(house, id, status="cancelled")
    await look(house, START - 2 * HOUR)
    assert await house.services.records.list(DUE) == []
    await change(house, id, status="booked")
    await look(house, START - timedelta(minutes=45))
    assert len(await house.services.records.list(DUE)) == 1, "what would have been due is not made up for"
    assert await look(house, START - timedelta(minutes=30)) == 1


async def test_a_server_that_was_down_reminds_late_but_not_of_what_is_over(house: House) -> None:
    for late, told in ((timedelta(minutes=50), 1), (timedelta(minutes=70), 1), (timedelta(hours=2), 0)):
        id = await made(house)
        await remind(house, id, 60)
        assert await look(house, START - HOUR + late) == told, late


async def test_a_booked_slot_and_its_appointment_are_as_they_were(house: House) -> None:
    await kept(house, a_slot("reminded"))
    answer = await ask(house, "doctor", "POST", "Appointment", an_appointment("reminded"))
    await remind(house, answer.id, 60)
    assert (await ask(house, "open", "GET", "Slot/reminded")).json["status"] == "busy"


async def test_all_that_one_patient_chose_is_found_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, as for each appointment; of what is chosen no more, and of others' choices, nothing."""
    monkeypatch.setattr(keeping, "PAGE", 2)
    here: keeping.Reminders = house.services.service("agenda")
    ids = [await made(house) for _ in range(5)]
    others = await made(house, participant=[{"actor": {"reference": "Patient/b"}, "status": "accepted"}])
    for n, id in enumerate(ids):
        await remind(house, id, n + 1, 60)
    await here.choose(others, "b", [5], datetime.now(UTC))
    await remind(house, ids[2])
    found = await here.chosen_by("a")
    assert {id: found.get(id, ()) for id in ids} == {id: await here.chosen(id, "a") for id in ids}
    assert ids[2] not in found and others not in found
    assert await here.chosen_by("b") == {others: (5,)}
    assert await here.chosen_by("nobody") == {}


async def test_what_was_chosen_of_an_earlier_server_is_found_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It kept no rows by patient: they are written when they are first asked for, once."""
    monkeypatch.setattr(keeping, "PAGE", 2)
    records = house.services.records
    for n in range(5):
        chosen_then = json.dumps({"minutes": [n + 1], "start": None, "due": []}).encode()
        await records.put(keeping.CHOSEN, f"early{n}\nelder", chosen_then, 1_000.0)
    await records.take(BUILT, keeping.OF)
    here = keeping.Reminders(house.services)
    assert await here.chosen_by("elder") == {f"early{n}": (n + 1,) for n in range(5)}
    assert await records.get(BUILT, keeping.OF) is not None
