"""What of an agenda stands in a calendar: three months back, eighteen ahead, as the caller may see it.

An event is written once for each version of its appointment and remembered, and so is the calendar that is put together
of them; that it is unchanged is told by the versions alone, without reading one. RFC 9110 §8.8.3, §13.1.2.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlsplit

from dateutil.relativedelta import relativedelta

from fhir_server.access.repository import Repository
from fhir_server.access.touched import Touched, owners
from fhir_server.fhir.version import VERSION
from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.calendar.events import CANCELLED, each
from fhir_server.space.agenda.calendar.names import names
from fhir_server.space.agenda.calendar.remembered import Entry, Feed, Known, Outdated, Place, Remembered
from fhir_server.space.agenda.reminders.keeping import CHOSEN, Reminders, about
from fhir_server.space.paris import PARIS
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import NOTHING, Filter, Id, Not, Range, Refers, Token, both, either
from fhir_server.store.protocol import Version, Want
from fhir_server.work.beside import aside

#: Months before today and after it that are in a calendar, and events, the latest written first.
BACK, AHEAD, MOST = 3, 18, 2_000
#: Days after which what was cancelled is left out.
CANCELLED_DAYS = 30
#: Events that a worker remembers, and how many it writes itself, rather than in the process beside it.
REMEMBERED, MANY = 20_000, 500


class Calendars:
    """Calendars over one opened server.

    Attributes:
        around: the server.
    """

    def __init__(self, around: Surroundings) -> None:
        """Nothing is remembered yet."""
        self.around = around
        self._written: OrderedDict[tuple[str, int, str, Shown], Entry] = OrderedDict()
        self._remembered = Remembered(around.whom("Appointment", {CHOSEN: about}))

    async def feed(self, seen: Repository, patient: str, shown: Shown, now: datetime) -> Feed:
        """The calendar of a patient (id), as the caller of `seen` may see it."""
        place = _place(seen, patient, shown, now)
        found = await self._now(seen, place, await self._remembered.get(place))
        # What is given is traced, wherever it was read.
        if seen.touched.noting:
            seen.touched.take(found.touched)
        return found

    async def tag(self, seen: Repository, patient: str, shown: Shown, now: datetime) -> str:
        """The entity-tag of `feed`, for less: what is unchanged since it was last asked for is not read."""
        place = _place(seen, patient, shown, now)
        known = await self._remembered.get(place)
        if isinstance(known, str):
            return known
        if known is not None:
            return (await self._now(seen, place, known)).tag
        with self._remembered.making(place) as making:
            versions = await _versions(seen, place.where, "head")
            told = await self._told(versions, place)
            made = _tag([_said(*one) for one in zip(versions, told, strict=True)], place.host)
            await self._remembered.keep(place, made, making)
        return made

    async def _now(self, seen: Repository, place: Place, known: Known | None) -> Feed:
        """The calendar as it is, by what is known of it."""
        if isinstance(known, Feed):
            return known
        with self._remembered.making(place) as making, seen.touched.rehearsing():
            if isinstance(known, Outdated) and len(known.feed.entries) + len(known.ids) <= MOST:
                made = await self._renewed(seen, place, known)
            else:
                made = await self._made(seen, place)
            await self._remembered.keep(place, made, making)
        return made

    async def _made(self, seen: Repository, place: Place) -> Feed:
        """All of it, of what was written before where that is enough."""
        versions = await _versions(seen, place.where, "head")
        told = await self._told(versions, place)
        if any(key not in self._written for key in _keys(versions, told, place.host)):
            versions = await _versions(seen, place.where, "body")
            told = await self._told(versions, place)
        return _feed(await self._entries(versions, told, place.host), place.host)

    async def _renewed(self, seen: Repository, place: Place, before: Outdated) -> Feed:
        """What was written since is looked for, and all else is as it was."""
        versions = await _versions(seen, both(place.where, Id(tuple(sorted(before.ids)))), "body")
        found = await self._entries(versions, await self._told(versions, place), place.host)
        left = [one for one in before.feed.entries if one.id not in before.ids]
        return _feed(sorted((*left, *found), key=lambda one: one.id), place.host)

    async def _entries(self, versions: Sequence[Version], told: Sequence[Shown], host: str) -> list[Entry]:
        """The event of each version, same order; those are written that were not written before."""
        keys = _keys(versions, told, host)
        # Held from here on: while others are written, any of them may be forgotten.
        found = [self._written.get(key) for key in keys]
        lacking = [n for n, one in enumerate(found) if one is None]
        some = [(versions[n], told[n]) for n in lacking]
        asked = [(one.body, one.at, one.version, f"{one.id}@{host}", how) for one, how in some]
        known = await names(self.around.repository(), [body for body, *_, how in asked if how.content])
        lines = each(asked, known) if len(asked) <= MANY else await aside(each, asked, known)
        made = [
            Entry(one.id, one.version, one.at, _said(one, how), text, owners(one.type, one.id, one.own))
            for (one, how), text in zip(some, lines, strict=True)
        ]
        further = iter(made)
        entries = [one or next(further) for one in found]
        self._written.update(zip([keys[n] for n in lacking], made, strict=True))
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        return entries

    async def _told(self, versions: Sequence[Version], place: Place) -> list[Shown]:
        """What is told of each: with the reminders that the patient's side chose for it."""
        reminders: Reminders = self.around.service("agenda")
        chosen, shown = await reminders.chosen_by(place.patient), place.shown
        told = {id: Shown(shown.content, tuple(sorted({*shown.alarms, *minutes}))) for id, minutes in chosen.items()}
        return [told.get(one.id, shown) for one in versions]


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


async def _versions(seen: Repository, where: Filter, want: Want) -> list[Version]:
    """What is in the calendar; by id, so that it is the same however it was found."""
    page = await seen.find({"Appointment": where}, count=MOST, want=want)
    return sorted(page.versions, key=lambda one: one.id)


def _feed(entries: Sequence[Entry], host: str) -> Feed:
    touched = Touched(True)
    touched.objects = {f"Appointment/{one.id}/_history/{one.version}": one.about for one in entries}
    touched.patients = dict.fromkeys(name for one in entries for name in one.about)
    return Feed(tuple(entries), _tag([one.said for one in entries], host), touched)


def _keys(versions: Sequence[Version], told: Sequence[Shown], host: str) -> list[tuple[str, int, str, Shown]]:
    """All that the lines of each event hang on."""
    return [(one.id, one.version, host, how) for one, how in zip(versions, told, strict=True)]


def _said(version: Version, told: Shown) -> str:
    return f"{version.id}/{version.version}/{version.at}/{told.content}/{told.alarms}"


def _tag(each_said: Sequence[str], host: str) -> str:
    """RFC 9110 §8.8.1: strong, since what it is made of says every byte."""
    said = [VERSION, host, *each_said]
    return f'"{hashlib.sha256(chr(10).join(said).encode()).hexdigest()[:32]}"'


def _midnight(day: date) -> int:
    """When a day begins in Paris, in µs since 1970."""
    return int(datetime.combine(day, time(), PARIS).astimezone(UTC).timestamp()) * 1_000_000


def _host(base: str) -> str:
    return urlsplit(base).hostname or "localhost"
