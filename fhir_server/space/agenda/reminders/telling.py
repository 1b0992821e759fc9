"""People are reminded of appointments when they asked to be: once, of those that still take place, at their new time.

Domain file §2.11 (NOTIF_APPOINTMENT): through the notices, so that no word says what the appointment is, and quiet
hours hold. A reminder's key is the appointment, its start and how long before: a process that died after telling and
before forgetting tells nobody twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.space.agenda.model import actors
from fhir_server.space.agenda.reminders.keeping import CHOSEN, Reminders, Waiting
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Range
from fhir_server.store.protocol import Sort

#: Kind and key of the record: up to which instant, in µs since 1970, changes of appointments were followed.
_KEPT = ("agenda-followed", "until")
#: Who begins follows changes from so long ago on: before, nobody had chosen a reminder.
_RECENT = timedelta(days=2)
#: A reminder that could not be told in time is, until so long after the appointment has begun.
_LATE = timedelta(minutes=15)
_PAGE = 200
_OLDEST = Sort("_lastUpdated", "own")


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    return (Job("agenda-reminders", timedelta(seconds=10), Reminding(around).tell),)


class Reminding:
    """The job of one server."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._reminders = Reminders(around)

    async def tell(self, now: datetime) -> int:
        """Follow what has changed, then tell what is due; how many reminders were told."""
        await self._follow(now)
        told = 0
        while rows := await self._reminders.due(now, _PAGE):
            for key, one in rows:
                told += await self._told(one, now)
                await self._reminders.done(key)
        return told

    async def _told(self, one: Waiting, now: datetime) -> bool:
        late = one.start + int(_LATE.total_seconds() * 1_000_000) < _micros(now)
        if late or await self._reminders.start(one.appointment, one.patient) != one.start:
            return False
        key = f"reminder {one.appointment}/{one.patient}/{one.start}/{one.minutes}"
        notices = self._around.service("notices")
        return bool(await notices.tell(one.patient, "appointment", key, occasion="reminder", at=now))

    async def _follow(self, now: datetime) -> None:
        """Reminders go with the appointments that were moved or called off since the last look.

        What is deleted meanwhile is found out when its reminder is due.
        """
        records, repository = self._around.records, self._around.repository()
        kept = await records.get(*_KEPT)
        since = _micros(now - _RECENT) if kept is None else int(kept)
        after, until = None, since
        while True:
            where = Range("_lastUpdated", low_from=since)
            page = await repository.find({"Appointment": where}, [_OLDEST], after, _PAGE)
            places = []
            for version in page.versions:
                people = [one for one in actors(parse(version.body), repository.base) if one.startswith("Patient/")]
                places += [(version.id, one.removeprefix("Patient/")) for one in people]
                until = max(until, version.at * 1000)
            found = await records.get_each([(CHOSEN, "\n".join(place)) for place in places])
            for place, value in zip(places, found, strict=True):
                if value is not None:
                    await self._reminders.follow(*place, now)
            after = page.next
            if after is None:
                break
        if kept is None or until != since:
            await records.put(*_KEPT, str(until).encode())


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
