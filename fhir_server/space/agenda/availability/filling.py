"""The free slots that a Schedule's availability means, for the coming weeks, made and taken away as it changes.

A job reads the Schedules that changed, and all that have availability once a day, since another day comes into reach.
A slot's id is made of its schedule and its start, so that what is done twice is done once. What an appointment fills,
or somebody else made, is left alone. https://interop.esante.gouv.fr/ig/fhir/gap (flows 2 and 3)
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from fhir_server.access.citing import has
from fhir_server.access.repository import Repository
from fhir_server.fhir.dates import interval
from fhir_server.fhir.json import parse, serialize
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.agenda.availability.offering import made_of, offered, slot
from fhir_server.space.agenda.availability.reading import AVAILABILITY, Period, said, slot_minutes
from fhir_server.space.agenda.model import FREE, times
from fhir_server.space.paris import PARIS
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import EVERYTHING, Range, Refers, both
from fhir_server.store.protocol import Stale, Version, Write

#: How far ahead slots are made, how many of one Schedule, and how many in one commit.
AHEAD, MOST, TOGETHER = timedelta(days=92), 5_000, 200
_PAGE = 200
#: What stands in the JSON of every Schedule that says something of its availability.
_MARK = AVAILABILITY.encode()


def jobs(around: Surroundings) -> Sequence[Job]:
    """What makes and takes away slots as time passes."""
    filling = Filling(around)
    return (
        Job("availability", timedelta(seconds=10), filling.of_changed),
        Job("availability-ahead", timedelta(hours=24), filling.of_all),
    )


class Filling:
    """The slots of one opened store."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._reader = FeedReader(around.records, around.changes, "availability", ("Schedule",))

    async def of_changed(self, now: datetime) -> int:
        """Make the slots of Schedules that changed since the last time; how many slots were made or taken away."""

        async def take(changed: Sequence[Changed]) -> Taken:
            own, done = self._around.repository(), 0
            for id in dict.fromkeys(one.id for one in changed):
                done += await self._fill(own, id, await own.current("Schedule", id), now)
            return Taken(done)

        return await self._reader.read(take)

    async def of_all(self, now: datetime) -> int:
        """Make the slots of days that have come into reach; how many were made or taken away."""
        own, done, after = self._around.repository(), 0, None
        while True:
            page = await own.find({"Schedule": EVERYTHING}, after=after, count=_PAGE)
            for version in page.versions:
                if has(_MARK, version.body):
                    done += await self._fill(own, version.id, version, now)
            after = page.next
            if after is None:
                return done

    async def _fill(self, own: Repository, id: str, version: Version | None, now: datetime) -> int:
        gone = version is None or version.deleted
        tree = {} if gone or version is None else parse(version.body)
        wanted = {} if tree.get("active") is False else await wanted_of(tree, now)
        common, digest = offered(tree)
        since = int(now.timestamp() * 1_000_000)
        mine = both(Refers("schedule", f"Schedule/{id}"), Range("start", low_from=since))
        there = await own.find({"Slot": mine}, count=MOST)
        stale: dict[str, Version] = {}
        taken: list[tuple[int, int]] = []
        for version_there in there.versions:
            found = parse(version_there.body)
            when = times(found)
            if when.start is None or when.end is None:
                continue
            as_wanted = wanted.get(when.start) == when.end and made_of(found) == digest
            if made_of(found) is not None and found.get("status") == FREE and not as_wanted:
                stale[version_there.id] = version_there
            else:
                taken.append((when.start, when.end))
        writes: list[Write] = []
        for start, end in _not_taken(wanted, taken):
            slot_id = identified(id, start)
            before = stale.pop(slot_id, None) or await own.current("Slot", slot_id)
            if before is not None and not before.deleted and not _begins(before, start):
                # Somebody has moved it: it is theirs.
                continue
            made = slot(common, id, slot_id, start, end)
            writes.append(await own.put("Slot", slot_id, made, serialize(made), before))
        writes += [await own.delete(one) for one in stale.values()]
        return await self._written(own, writes)

    async def _written(self, own: Repository, writes: Sequence[Write]) -> int:
        done = 0
        for at in range(0, len(writes), TOGETHER):
            some = writes[at : at + TOGETHER]
            try:
                await own.transact(some)
            except Stale:
                # One of them was booked or written meanwhile: the others one by one, and that as it is now.
                for one in some:
                    with suppress(Stale):
                        await own.transact([one])
            done += len(some)
            await asyncio.sleep(0)
        return done


async def wanted_of(tree: Mapping[str, Any], now: datetime) -> dict[int, int]:
    """When slots begin → when they end, in µs, of what a Schedule says of the coming weeks."""
    low, high = _reach(tree, now)
    free: list[tuple[int, int]] = []
    closed: list[tuple[int, int]] = []
    for period in said(tree).periods:
        (free if period.free else closed).extend(islice(occurrences(period, low, high), MOST))
        await asyncio.sleep(0)
    length = slot_minutes(tree)[0] * 60 * 1_000_000
    found = dict(islice(_cut(sorted(free), length, low, high), MOST))
    return dict(_not_taken(found, closed))


def _cut(free: Iterable[tuple[int, int]], length: int, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Slots one after the other, in each period from its beginning on: an agenda has one at a time."""
    until = low
    for begins, ends in free:
        start = begins + max(0, -((begins - until) // length)) * length
        while start + length <= min(ends, high):
            until = start + length
            yield start, until
            start = until


def occurrences(period: Period, low: int, high: int) -> Iterator[tuple[int, int]]:
    """From when until when a period is, in µs, of what is after `low` and before `high`.

    Its times are those of the clock in its zone: opening hours do not move with summer time. A time that the clock
    leaves out is taken by the offset before it (RFC 5545 §3.3.5).
    """
    lasts = period.end - period.start
    first, last = (datetime.fromtimestamp(one // 1_000_000, period.zone).date() for one in (low, high))
    ruled = (
        [period.start]
        if period.rule is None
        else period.rule.times(period.start, first - lasts - timedelta(days=1), last)
    )
    for start in merge(ruled, period.besides):
        if start in period.without or start.date() in period.without_days:
            # RFC 5545 §3.8.5.1: what is left out is, whichever way it came in.
            continue
        at, until = (_instant(one, period) for one in (start, start + lasts))
        if at < high and until > low and at < until:
            yield at, until


def _instant(local: datetime, period: Period) -> int:
    return int(local.replace(tzinfo=period.zone).timestamp()) * 1_000_000


def _reach(tree: Mapping[str, Any], now: datetime) -> tuple[int, int]:
    """From now until as far ahead as slots are made, within what the Schedule plans."""
    low, high = now.timestamp() * 1_000_000, (now + AHEAD).timestamp() * 1_000_000
    horizon = tree.get("planningHorizon")
    for name, value in (horizon if isinstance(horizon, dict) else {}).items():
        if name in ("start", "end") and isinstance(value, str):
            first, last = interval(value, PARIS)
            low, high = (max(low, first), high) if name == "start" else (low, min(high, last + 1))
    return int(low), int(high)


def _not_taken(wanted: Mapping[int, int], taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of `wanted` overlaps nothing that is taken; by one walk through both, in their order."""
    held = sorted(taken)
    at, until = 0, 0
    for start in sorted(wanted):
        end = wanted[start]
        while at < len(held) and held[at][0] < end:
            until = max(until, held[at][1])
            at += 1
        if until <= start:
            yield start, end


def identified(schedule: str, start: int) -> str:
    """Id of the slot of a schedule that begins then."""
    return hashlib.sha256(f"{schedule} {start}".encode()).hexdigest()[:32]


def _begins(version: Version, start: int) -> bool:
    return times(parse(version.body)).start == start
