"""People are told when prevention begins to be due at their age: once a day at most, unless they refused that item.

Domain file §2.11 (NOTIF_DEPISTAGE). Who is concerned is found by the day of birth, so that a look reads those whose day
it is, and no more; the key of a notice is the patient's and the day's, so that nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.space.agenda.prevention import calendar
from fhir_server.space.agenda.prevention.calendar import Item
from fhir_server.space.agenda.prevention.marks import marks
from fhir_server.space.paris import PARIS
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Filter, Range

#: Kind and key of the record: the last day of which people were told.
_KEPT = ("agenda-prevention-told", "day")
#: Days that are made up for where the server was down.
_BACK = 7
_PAGE = 200
#: A day of birth is looked for so widely: days begin at other instants in other zones, and months differ in length.
_WIDE = timedelta(days=4)


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    return (Job("agenda-prevention", timedelta(hours=1), Telling(around).tell),)


class Telling:
    """The job of one server."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around

    async def tell(self, now: datetime) -> int:
        """Tell of what begins on the days that nobody was told of yet; how many were told."""
        today, records = now.astimezone(PARIS).date(), self._around.records
        kept = await records.get(*_KEPT)
        day = today if kept is None else date.fromisoformat(kept.decode()) + timedelta(days=1)
        day, told = max(day, today - timedelta(days=_BACK)), 0
        while day <= today:
            told += await self._of(day, now)
            await records.put(*_KEPT, day.isoformat().encode())
            day += timedelta(days=1)
        return told

    async def _of(self, day: date, now: datetime) -> int:
        told = 0
        for born in sorted({one for item in calendar.calendar(day).items for one in _births(item, day)}):
            told += await self._of_born(born, day, now)
        return told

    async def _of_born(self, born: date, day: date, now: datetime) -> int:
        """Tell those born about a day of what begins for them on another."""
        repository, told, after = self._around.repository(), 0, None
        while True:
            page = await repository.find({"Patient": _about(born)}, after=after, count=_PAGE)
            for version in page.versions:
                codes = {one.item.code for one in calendar.of(parse(version.body), day) if one.start == day}
                told += await self._told(version.id, codes, day, now) if codes else 0
            after = page.next
            if after is None:
                return told

    async def _told(self, patient: str, codes: set[str], day: date, now: datetime) -> bool:
        if codes <= {*(await marks(self._around.records, patient)).refused}:
            return False
        key = f"prevention {patient}/{day.isoformat()}"
        return bool(await self._around.service("notices").tell(patient, "screening", key, at=now))


def _births(item: Item, day: date) -> Iterator[date]:
    """About which days those were born to whom an item begins to be due on a day."""
    return (day - (due.start - _ANY) for due in calendar.dues(item, _ANY))


#: A birth that stands for all: lengths of life differ from it by days.
_ANY = date(2000, 1, 1)


def _about(born: date) -> Filter:
    low, high = (int(datetime.combine(born + by, time(), UTC).timestamp()) * 1_000_000 for by in (-_WIDE, _WIDE))
    return Range("birthdate", low_from=low, low_to=high)
