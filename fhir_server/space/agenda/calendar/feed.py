"""What of an agenda stands in a calendar: three months back, eighteen ahead, as the caller may see it.

An event is written once for each version of its appointment and remembered, and so is the calendar that is put together
of them; that it is unchanged is told by the versions alone, without reading one. RFC 9110 §8.8.3, §13.1.2.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from dateutil.relativedelta import relativedelta

from fhir_server.access.repository import Repository
from fhir_server.access.touched import Touched, owners
from fhir_server.fhir.version import VERSION
from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.calendar.events import CANCELLED, each
from fhir_server.space.agenda.calendar.remembered import Feed, Place, Remembered
from fhir_server.space.agenda.reminders.keeping import CHOSEN, Reminders, whose
from fhir_server.space.paris import PARIS
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import NOTHING, Filter, Id, Not, Range, Refers, Token, both, either
from fhir_server.store.protocol import Page, Version, Want
from fhir_server.work.beside import aside

#: Months before today and after it that are in a calendar, and events, the latest written first.
BACK, AHEAD, MOST = 3, 18, 2_000
#: Days after which what was cancelled is left out.
CANCELLED_DAYS = 30
#: Events that a worker remembers; how many it writes itself, rather than in the process beside it; and of how many new
#: ones the bodies are read apart from what is known.
REMEMBERED, MANY, FEW = 20_000, 500, 50


class _Event(NamedTuple):
    """What was written of one version: its lines, and the patients whom the version is about."""

    lines: bytes
    about: tuple[str, ...]


class Calendars:
    """Calendars over one opened server.

    Attributes:
        around: the server.
    """

    def __init__(self, around: Surroundings) -> None:
        """Nothing is remembered yet."""
        self.around = around
        self._written: OrderedDict[tuple[str, int, Shown], _Event] = OrderedDict()
        self._remembered = Remembered(around.whom("Appointment", {CHOSEN: whose}))

    async def feed(self, seen: Repository, patient: str, shown: Shown, now: datetime) -> Feed:
        """The calendar of a patient (id), as the caller of `seen` may see it."""
        place = _place(seen, patient, shown, now)
        known = await self._remembered.get(place)
        if isinstance(known, Feed):
            made = known
        else:
            with self._remembered.making(place) as making, seen.touched.rehearsing():
                made = await self._made(seen, place)
                await self._remembered.keep(place, made, making)
        # What is given is traced, wherever it was read.
        if seen.touched.noting:
            seen.touched.take(made.touched)
        return made

    async def tag(self, seen: Repository, patient: str, shown: Shown, now: datetime) -> str:
        """The entity-tag of `feed`, for less: what is unchanged since it was last asked for is not read."""
        place = _place(seen, patient, shown, now)
        known = await self._remembered.get(place)
        if known is not None:
            return known.tag if isinstance(known, Feed) else known
        with self._remembered.making(place) as making:
            versions = await _versions(seen, place, "head")
            made = _tag(versions, await self._told(versions, place), place.host)
            await self._remembered.keep(place, made, making)
        return made

    async def _made(self, seen: Repository, place: Place) -> Feed:
        versions = await _versions(seen, place, "head")
        told = await self._told(versions, place)
        new = [v for v, how in zip(versions, told, strict=True) if (v.id, v.version, how) not in self._written]
        whole = await _bodies(seen, new)
        if whole is None:
            versions = await _versions(seen, place, "body")
            told, whole = await self._told(versions, place), {}
        events = await self._events([whole.get(one.id, one) for one in versions], told, place.host)
        last = max((one.at for one in versions), default=None)
        lines = tuple([one.lines for one in events])
        return Feed(_tag(versions, told, place.host), last, lines, _touched(versions, events))

    async def _events(self, versions: Sequence[Version], told: Sequence[Shown], host: str) -> list[_Event]:
        """The event of each version, same order; those are written that were not written before."""
        keys = [(one.id, one.version, how) for one, how in zip(versions, told, strict=True)]
        known = [self._written.get(key) for key in keys]
        lacking = [n for n, event in enumerate(known) if event is None]
        some = [(versions[n], told[n]) for n in lacking]
        asked = [(one.body, one.at, one.version, f"{one.id}@{host}", how) for one, how in some]
        lines = each(asked) if len(asked) <= MANY else await aside(each, asked)
        about = [owners(one.type, one.id, one.own) for one, _ in some]
        made = [_Event(*both_of) for both_of in zip(lines, about, strict=True)]
        self._remember([keys[n] for n in lacking], made)
        further = iter(made)
        return [next(further) if event is None else event for event in known]

    async def _told(self, versions: Sequence[Version], place: Place) -> list[Shown]:
        """What is told of each: with the reminders that the patient's side chose for it."""
        reminders: Reminders = self.around.service("agenda")
        chosen, shown = await reminders.chosen_by(place.patient), place.shown
        told = {id: Shown(shown.content, tuple(sorted({*shown.alarms, *minutes}))) for id, minutes in chosen.items()}
        return [told.get(one.id, shown) for one in versions]

    def _remember(self, keys: Sequence[tuple[str, int, Shown]], made: Sequence[_Event]) -> None:
        self._written.update(zip(keys, made, strict=True))
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


def opened(around: Surroundings) -> Calendars:
    """What the agenda works with over one opened server."""
    return Calendars(around)


def _place(seen: Repository, patient: str, shown: Shown, now: datetime) -> Place:
    """What the calendar of a day is made of, as the caller may see it."""
    today = now.astimezone(PARIS).date()
    first, last = (_midnight(today + relativedelta(months=months)) for months in (-BACK, AHEAD))
    theirs = both(Refers("actor", f"Patient/{patient}"), Range("date", low_from=first, low_to=last - 1))
    since = Range("_lastUpdated", low_from=_midnight(today - timedelta(days=CANCELLED_DAYS)))
    where = both(theirs, either([Not(_DEAD), both(_DEAD, since)]))
    allowed = seen.visible({"Appointment": where}).get("Appointment", NOTHING)
    return Place(patient, where, allowed, shown, _host(seen.base))


_DEAD: Filter = either([Token("status", one) for one in CANCELLED])


async def _versions(seen: Repository, place: Place, want: Want) -> list[Version]:
    """What is in the calendar; by id, so that it is the same however it was found."""
    page = await seen.find({"Appointment": place.where}, count=MOST, want=want)
    return sorted(page.versions, key=lambda one: one.id)


async def _bodies(seen: Repository, new: Sequence[Version]) -> dict[str, Version] | None:
    """Versions whose heads are known, whole, by id; None where all are better read as of one moment."""
    if len(new) > FEW:
        return None
    page = await seen.find({"Appointment": Id(tuple(one.id for one in new))}, count=FEW) if new else Page(())
    found = {one.id: one for one in page.versions}
    # One may have been written anew since.
    return found if all(one.id in found and found[one.id].version == one.version for one in new) else None


def _touched(versions: Sequence[Version], events: Sequence[_Event]) -> Touched:
    """What is given with these events, for traces."""
    found = Touched(True)
    named = zip(versions, events, strict=True)
    found.objects = {f"{v.type}/{v.id}/_history/{v.version}": event.about for v, event in named}
    found.patients = dict.fromkeys(one for event in events for one in event.about)
    return found


def _tag(versions: Sequence[Version], told: Sequence[Shown], host: str) -> str:
    """RFC 9110 §8.8.1: strong, since what it is made of says every byte."""
    each_said = (f"{v.id}/{v.version}/{v.at}/{how.content}/{how.alarms}" for v, how in zip(versions, told, strict=True))
    said = [VERSION, host, *each_said]
    return f'"{hashlib.sha256(chr(10).join(said).encode()).hexdigest()[:32]}"'


def _midnight(day: date) -> int:
    """When a day begins in Paris, in µs since 1970."""
    return int(datetime.combine(day, time(), PARIS).astimezone(UTC).timestamp()) * 1_000_000


def _host(base: str) -> str:
    return urlsplit(base).hostname or "localhost"
