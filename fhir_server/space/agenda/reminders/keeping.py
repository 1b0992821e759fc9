"""The reminders of an appointment: kept by patient, since what software made its patient does not change.

One record says how long before the start a patient is reminded; one more a reminder waits until it is due. Both change
in one commit, so that nothing is lost and nothing left over, whenever the process dies. A row beside the first leads to
all that one patient chose.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from fhir_server.fhir.json import parse
from fhir_server.space.agenda.model import actors, times
from fhir_server.space.service import Surroundings
from fhir_server.store.protocol import Drop, Keep, Records
from fhir_server.store.registry import BUILT, PAGE

#: Kinds of the records: by appointment and patient, what was chosen; by patient, rows that lead there; by when it is
#: due, what waits.
CHOSEN, OF, DUE = "agenda-reminder", "agenda-reminder-of", "agenda-reminder-due"
#: Reminders of one appointment, and how long before it the first may be.
MOST, FARTHEST_MINUTES = 10, 366 * 24 * 60
#: Statuses of an Appointment that is still to come: of others nobody is reminded.
COMING = frozenset({"proposed", "pending", "booked"})
_MINUTE = 60_000_000
#: What was chosen is forgotten so long after the appointment: it may be moved to later.
_KEPT_SECONDS = 400 * 86_400
#: What comes first at an instant, and last: keys are by milliseconds.
_LATEST = "\U0010ffff"


class Chosen(msgspec.Struct, frozen=True):
    """What one patient chose for one appointment.

    Attributes:
        minutes: before the start, each once, in order.
        start: for which it was planned, µs since 1970; None while the appointment is not to come.
        due: keys of what waits.
    """

    minutes: tuple[int, ...] = ()
    start: int | None = None
    due: tuple[str, ...] = ()


class Waiting(msgspec.Struct, frozen=True):
    """A reminder that waits: of which appointment, for whom (ids), how long before which start (µs since 1970)."""

    appointment: str
    patient: str
    minutes: int
    start: int

    @property
    def key(self) -> str:
        """By when it is due, so that a look reads what is due and no more."""
        due = max(self.start // 1000 - self.minutes * 60_000, 0)
        return f"{due:015d}\n{self.appointment}\n{self.patient}\n{self.minutes}"


class Reminders:
    """The reminders of one opened server."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._rows_are_found = False

    @property
    def records(self) -> Records:
        """Where they are kept."""
        return self._around.records

    async def chosen(self, appointment: str, patient: str) -> tuple[int, ...]:
        """How many minutes before an appointment (id) a patient (id) is reminded of it."""
        return _read(await self.records.get(CHOSEN, _key(appointment, patient))).minutes

    async def chosen_by(self, patient: str) -> dict[str, tuple[int, ...]]:
        """As `chosen`, of all appointments (ids) of which a patient (id) chose something."""
        await self._find_rows()
        found: dict[str, tuple[int, ...]] = {}
        after = ""
        while True:
            rows = await self.records.list_by(CHOSEN, OF, f"{patient}\n", after, PAGE)
            found |= {key.partition("\n")[0]: minutes for key, value in rows if (minutes := _read(value).minutes)}
            if len(rows) < PAGE:
                return found
            after = rows[-1][0]

    async def _find_rows(self) -> None:
        """Write the rows of what an earlier server kept, once; done again it does no harm."""
        if self._rows_are_found or await self.records.get(BUILT, OF) is not None:
            self._rows_are_found = True
            return
        after, now = "", datetime.now(UTC)
        while some := await self.records.list(CHOSEN, after=after, count=PAGE):
            await self.records.apply([_row(key, _lasts(_read(value).start, now)) for key, value in some])
            after = some[-1][0]
        await self.records.put(BUILT, OF, b"")

    async def choose(self, appointment: str, patient: str, minutes: Collection[int], now: datetime) -> None:
        """Keep how many minutes before an appointment (id) a patient (id) is reminded; none any more where it is empty.

        What would have been due already is not made up for.
        """
        wanted = tuple(sorted(set(minutes)))
        start = await self.start(appointment, patient)
        while True:
            await self._plan(appointment, patient, start, now, wanted)
            # Moved meanwhile, by somebody who found nothing here to move with it.
            after = await self.start(appointment, patient)
            if after == start:
                return
            start = after

    async def follow(self, appointment: str, patient: str, now: datetime) -> None:
        """Have the reminders of an appointment that may have changed follow it."""
        if await self.records.get(CHOSEN, _key(appointment, patient)) is not None:
            await self._plan(appointment, patient, await self.start(appointment, patient), now)

    async def start(self, appointment: str, patient: str) -> int | None:
        """When an appointment (id) of a patient's (id) starts, µs since 1970; None where it is not to come."""
        repository = self._around.repository()
        version = await repository.current("Appointment", appointment)
        if version is None or version.deleted:
            return None
        tree = parse(version.body)
        return times(tree).start if is_to_come(tree, patient, repository.base) else None

    async def due(self, now: datetime, count: int) -> list[tuple[str, Waiting]]:
        """(key, what waits) of what is due, the earliest first."""
        last = f"{int(now.timestamp() * 1000):015d}\n{_LATEST}"
        rows = await self.records.list(DUE, count=count)
        return [(key, msgspec.json.decode(value, type=Waiting)) for key, value in rows if key <= last]

    async def done(self, key: str) -> None:
        """A reminder that waited is told, or is of no use any more."""
        await self.records.apply([Drop(DUE, key)])

    async def _plan(
        self, appointment: str, patient: str, start: int | None, now: datetime, wanted: tuple[int, ...] | None = None
    ) -> None:
        """Keep what is wanted (None: what was), and have what is to come of it wait."""
        key = _key(appointment, patient)
        while True:
            before = await self.records.get(CHOSEN, key)
            was = _read(before)
            if before is None and not wanted:
                return
            minutes = was.minutes if wanted is None else wanted
            if (minutes, start) == (was.minutes, was.start):
                return
            waiting = _waiting(appointment, patient, minutes, start, now)
            gone = [Drop(DUE, one) for one in was.due if one not in waiting]
            kept = [Keep(DUE, one, msgspec.json.encode(what)) for one, what in waiting.items()]
            value = msgspec.json.encode(Chosen(minutes, start, tuple(waiting)))
            lasts = _lasts(start, now) if minutes else 0.0
            chosen = Keep(CHOSEN, key, value, lasts, before is None, before)
            if await self.records.apply([chosen, _row(key, lasts), *gone, *kept]):
                return


def opened(around: Surroundings) -> Reminders:
    """The reminders of that server."""
    return Reminders(around)


def about(key: str) -> tuple[str, str]:
    """The patient and the appointment (ids) of a record of the kind `CHOSEN`, by its key."""
    appointment, _, patient = key.rpartition("\n")
    return patient, appointment


def is_to_come(tree: Mapping[str, Any], patient: str, base: str) -> bool:
    """Whether a patient (id) may be reminded of an Appointment."""
    return tree.get("status") in COMING and f"Patient/{patient}" in set(actors(tree, base))


def _waiting(
    appointment: str, patient: str, minutes: Collection[int], start: int | None, now: datetime
) -> dict[str, Waiting]:
    """What waits from now on, by its key."""
    if start is None:
        return {}
    at = int(now.timestamp() * 1_000_000)
    some = (Waiting(appointment, patient, one, start) for one in minutes if start - one * _MINUTE >= at)
    return {one.key: one for one in some}


def _lasts(start: int | None, now: datetime) -> float:
    """For how many seconds what was chosen is remembered."""
    left = 0.0 if start is None else start / 1_000_000 - now.astimezone(UTC).timestamp()
    return max(left, 0.0) + _KEPT_SECONDS


def _key(appointment: str, patient: str) -> str:
    return f"{appointment}\n{patient}"


def _row(key: str, lasts: float) -> Keep:
    """What leads from a patient to what they chose, under a key of the kind `CHOSEN`."""
    return Keep(OF, f"{about(key)[0]}\n{key}", b"", lasts)


def _read(value: bytes | None) -> Chosen:
    return Chosen() if value is None else msgspec.json.decode(value, type=Chosen)
