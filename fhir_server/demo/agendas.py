"""Agendas of the demonstration: what comes up, when people are reminded of it, and what they say of prevention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse, serialize
from fhir_server.space.agenda.model import AUTHOR, EDITOR, PATIENT
from fhir_server.space.agenda.notebook import entry, saying
from fhir_server.space.agenda.prevention import calendar
from fhir_server.space.agenda.prevention.marks import Mark, change
from fhir_server.space.agenda.reminders.keeping import Reminders
from fhir_server.space.paris import PARIS

#: Days until what software booked, and until what somebody noted; minutes before each at which they are reminded.
_BOOKED, _NOTED = (10, (1440, 60)), (3, (0,))
_DOCTOR = "Practitioner/s1-pra-1-1"


async def prepare(repository: Repository, reminders: Reminders, patients: Sequence[str], now: datetime) -> None:
    """Give each of some patients (ids) what there is not yet; what is there is left as it is."""
    for number, patient in enumerate(patients):
        person = await repository.current("Patient", patient)
        if person is None or person.deleted:
            continue
        missing = [one for one in _entries(patient, number, now) if not await _is_there(repository, one[0]["id"])]
        for tree, minutes in missing:
            await repository.transact([await repository.put("Appointment", tree["id"], tree, serialize(tree), None)])
            await reminders.choose(tree["id"], patient, minutes, now)
        if missing:
            await _speak_of_prevention(reminders, patient, parse(person.body), now)


def _entries(patient: str, number: int, now: datetime) -> Iterator[tuple[dict[str, Any], tuple[int, ...]]]:
    """(Appointment, minutes before it): one of a doctor's software, and a reminder of the person's own."""
    today = now.astimezone(PARIS).date()
    whose = f"Patient/{patient}"
    for name, (days, minutes) in (("booked", _BOOKED), ("noted", _NOTED)):
        start = datetime.combine(today + timedelta(days=days), time(9, 10 * (number % 6)), PARIS)
        # A fixed number: who starts the demonstration again finds the same entry.
        tree = entry(whose, f"00000000-0000-4000-8000-{number:06}{days:06}")
        lasts = (start, start + timedelta(minutes=20))
        if name == "booked":
            tree |= {"description": "Consultation de suivi", "start": lasts[0].isoformat(), "end": lasts[1].isoformat()}
            tree["participant"] = [*tree["participant"], {"actor": {"reference": _DOCTOR}, "status": "accepted"}]
        else:
            tree = saying(tree, "Préparer les questions pour le médecin", "", "", lasts, True)
        author = EDITOR if name == "booked" else PATIENT
        yield {**tree, "id": f"demo-{name}-{patient}", "meta": {"tag": [{"system": AUTHOR, "code": author}]}}, minutes


async def _speak_of_prevention(reminders: Reminders, patient: str, tree: dict[str, Any], now: datetime) -> None:
    """What was due last they have done; of the rest they say nothing."""
    today = now.astimezone(PARIS).date()
    over = [one for one in calendar.of(tree, today) if one.end <= today]
    if over:
        last = max(over, key=lambda one: (one.end, one.item.code))
        done = Mark("DONE", last.start + (last.end - last.start) / 2)
        await change(reminders.records, patient, lambda before: before.marked(last.key, done))


async def _is_there(repository: Repository, id: str) -> bool:
    version = await repository.current("Appointment", id)
    return version is not None and not version.deleted
