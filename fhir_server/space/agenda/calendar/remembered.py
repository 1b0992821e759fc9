"""Calendars as a worker last put them together: each holds until something of its patient's agenda is written.

A calendar is made of the appointments that a filter finds, in which the caller's rule and the days stand, and of what
one patient chose to be reminded of; so it goes with the versions and records about that patient, whoever writes them,
and with nobody else's. Programs look every hour and mostly find what they have.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from fhir_server.access.touched import Touched
from fhir_server.changes.whom import About, Whom
from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.calendar.envelope import calendar
from fhir_server.store.filters import Filter
from fhir_server.store.matching import has_links

#: Calendars that a worker remembers, and events that are in them together.
MOST, EVENTS = 5_000, 20_000
#: Appointments that may have been written since for the others to be taken as they were.
FEW = 50


class Place(NamedTuple):
    """What tells a calendar from others, whatever is written.

    Attributes:
        patient: id of whose it is.
        where: the appointments that are in it, those that the caller may not see among them.
        allowed: the same as the caller may see them.
        shown: what is told of each.
        host: in the names of events.
    """

    patient: str
    where: Filter
    allowed: Filter
    shown: Shown
    host: str


class Entry(NamedTuple):
    """One version of an appointment in a calendar.

    Attributes:
        id, version, at: of the version.
        said: all that its lines are made of.
        lines: of RFC 5545.
        about: the patients whom it is about: "Patient/1".
    """

    id: str
    version: int
    at: int
    said: str
    lines: bytes
    about: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar.

    Attributes:
        entries: by id, so that it is the same however they were found.
        tag: its entity-tag, as headers have it.
        touched: what is given with it, for the traces of whoever is given it.
    """

    entries: tuple[Entry, ...]
    tag: str
    touched: Touched

    @property
    def at(self) -> int | None:
        """When something of it was last written, in ms since 1970 UTC; None where it is empty."""
        return max((one.at for one in self.entries), default=None)

    @property
    def body(self) -> bytes:
        """All of it, in lines of RFC 5545."""
        return calendar(one.lines for one in self.entries)


@dataclass(frozen=True, slots=True)
class Outdated:
    """A calendar as it was before some appointments (ids) were written, or reminders of them chosen."""

    feed: Feed
    ids: frozenset[str]


#: What is remembered: a calendar, an entity-tag alone, or what was so before.
Known = str | Feed | Outdated


@dataclass(eq=False, slots=True)
class Making:
    """A calendar that is being made; `overtaken` once something about its patient was written meanwhile."""

    patient: str
    overtaken: bool = False


class Remembered:
    """The calendars of one worker."""

    def __init__(self, whom: Whom, most: int = MOST, events: int = EVENTS) -> None:
        """`whom` says whose appointments and reminders were written."""
        self._whom = whom
        self._most, self._most_events = most, events
        self._known: OrderedDict[Place, Known] = OrderedDict()
        self._of: dict[str, set[Place]] = {}
        self._making: set[Making] = set()
        self._events = 0

    async def get(self, place: Place) -> Known | None:
        """The calendar, its entity-tag alone, or how it was before; None where nothing is known.

        Raises:
            FhirError: the store cannot be read, so that nothing that is remembered counts.
        """
        await self._whom.taken(self._forget)
        found = self._known.get(place)
        if found is not None:
            self._known.move_to_end(place)
        return found

    @contextmanager
    def making(self, place: Place) -> Iterator[Making]:
        """While the block reads what a calendar is made of."""
        made = Making(place.patient)
        self._making.add(made)
        try:
            yield made
        finally:
            self._making.discard(made)

    async def keep(self, place: Place, found: str | Feed, making: Making) -> None:
        """Remember a calendar, or its entity-tag alone, that was read inside `making`.

        What others than the patient's own writes may change is not remembered.
        """
        await self._whom.taken(self._forget)
        if making.overtaken or has_links(place.allowed):
            return
        self._drop(place)
        self._known[place] = found
        self._of.setdefault(place.patient, set()).add(place)
        self._events += _size(found)
        while len(self._known) > self._most or self._events > self._most_events:
            self._drop(next(iter(self._known)))

    def _forget(self, written: About) -> None:
        for made in self._making:
            made.overtaken = made.overtaken or written is None or made.patient in written
        for patient in list(self._of) if written is None else written:
            for place in list(self._of.get(patient, ())):
                self._outdate(place, None if written is None else written[patient])

    def _outdate(self, place: Place, ids: frozenset[str] | None) -> None:
        known = self._known[place]
        if isinstance(known, Outdated) and ids is not None:
            ids = known.ids | ids
        feed = known.feed if isinstance(known, Outdated) else known
        if isinstance(feed, Feed) and ids is not None and len(ids) <= FEW:
            self._known[place] = Outdated(feed, ids)
        else:
            self._drop(place)

    def _drop(self, place: Place) -> None:
        found = self._known.pop(place, None)
        if found is None:
            return
        self._events -= _size(found)
        places = self._of[place.patient]
        places.discard(place)
        if not places:
            del self._of[place.patient]


def _size(found: Known) -> int:
    feed = found.feed if isinstance(found, Outdated) else found
    return len(feed.entries) if isinstance(feed, Feed) else 0
