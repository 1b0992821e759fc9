"""Everything counted from scratch, while the server serves: a new generation of counts, put in force in one commit.

The feed's place is taken first, then all that is current is walked, then what was committed meanwhile is weighed: of
each resource its last version counts, whatever the walk met. The counts and the place in the feed change together, so
that whoever follows goes on from there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FEED
from fhir_server.space.indicators import measures
from fhir_server.space.indicators.counting import (
    CELL,
    ERASED,
    FEED_NAME,
    MARK,
    STATE,
    Following,
    Generation,
    Moved,
    cell_key,
    digest_key,
    generation,
    mark_key,
    several,
)
from fhir_server.space.indicators.facts import FORMAT, TYPES
from fhir_server.space.indicators.tallying import Tally, countable
from fhir_server.space.indicators.telling import publish
from fhir_server.space.service import Surroundings
from fhir_server.store.leases import Lease
from fhir_server.store.protocol import Drop, Keep, Position, Version

#: The job, and the lease that a recount takes too.
JOB = "indicators"
#: How old the newest count may be.
EVERY = timedelta(seconds=60)
_PAGE, _BATCH = 1_000, 2_000
#: How long what was erased may still be counted.
_ANEW = timedelta(days=7)
#: Pages that wait to be counted while the next is read.
_AHEAD = 3
#: What was committed so long before the walk began, in ms, was committed before its place in the feed was taken.
_MEANWHILE = 300_000


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is counted as time passes."""
    return (Job(JOB, EVERY, Indicators(around).count),)


async def recounted(around: Surroundings, now: datetime) -> int | None:
    """Count everything from scratch, under the lease of the job; how many resources, None where another counts."""

    async def work() -> int:
        return await Indicators(around).recount(now)

    return await Lease(around.records, f"job {JOB}").hold(work)


class Indicators:
    """The counts of one opened store, kept up."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is counted yet."""
        self._around = around
        self._records = around.records
        self._repository = around.repository()
        self._following = Following(around)

    async def count(self, now: datetime) -> int:
        """Go on from where it was; everything where nothing was counted yet, or otherwise. How many versions."""
        before = await generation(self._records)
        if before is None or before.format != FORMAT or await self._erased(before, now):
            return await self.recount(now)
        done = await self._following.follow(now)
        await self._tell(now)
        return done

    async def recount(self, now: datetime) -> int:
        """Count everything from scratch; how many resources. Whoever calls holds the lease of the job."""
        before = await generation(self._records)
        after = Generation((before.number if before else 0) + 1, FORMAT, now.timestamp())
        place = (await self._around.changes(None, TYPES)).position
        moved = Moved()
        # What an earlier recount left that died.
        await self._drop(after.number)
        met = Met(datetime.now(UTC).timestamp() * 1_000 - _MEANWHILE)
        number = 0
        for type in TYPES:
            number += await self._walk(type, moved, met)
        place = await self._meanwhile(place, moved, met)
        await self._keep(after.number, moved)
        kept: list[Keep | Drop] = [
            Keep(STATE, "generation", msgspec.json.encode(after)),
            Keep(FEED, FEED_NAME, msgspec.json.encode(place)),
            Drop(STATE, ERASED),
        ]
        await self._records.apply(kept)
        if before is not None:
            await self._drop(before.number)
        await self._tell(now, anew=True)
        return number

    async def _erased(self, before: Generation, now: datetime) -> bool:
        """Whether what was erased is to be taken out: what it added is known when all that is left is counted."""
        if now.timestamp() - before.at < _ANEW.total_seconds():
            return False
        return await self._records.get(STATE, ERASED) is not None

    async def _tell(self, now: datetime, *, anew: bool = False) -> None:
        if await publish(self._records, now, anew=anew):
            await measures.keep(self._repository)

    async def _walk(self, type: str, moved: Moved, met: Met) -> int:
        """Count all that there is of a type: while one page is counted beside, the next is read."""
        key, after, number = await digest_key(self._records), None, 0
        waiting: deque[asyncio.Task[Tally]] = deque()
        try:
            while True:
                page = await self._repository.together().walk(type, after, _PAGE)
                bodies = [body for version in page.versions if (body := countable(type, version))]
                waiting.append(asyncio.create_task(several(type, bodies, key)))
                met.look(page.versions)
                number += len(bodies)
                after = page.next
                while waiting and (after is None or len(waiting) > _AHEAD):
                    moved.add(await waiting.popleft())
                if after is None:
                    return number
        finally:
            for task in waiting:
                task.cancel()

    async def _meanwhile(self, place: Position, moved: Moved, met: Met) -> Position:
        first: dict[tuple[str, str], int] = {}
        last: dict[tuple[str, str], int] = {}
        while True:
            news = await self._around.changes(place, TYPES)
            place = news.position
            if not news.changed:
                break
            for one in news.changed:
                first.setdefault((one.type, one.id), one.version)
                last[one.type, one.id] = one.version
        steps = []
        for name, version in last.items():
            before = met.version(name, first[name])
            if version > before:
                steps += [((*name, version), 1), *([((*name, before), -1)] if before else [])]
        await self._following.weigh(moved, steps)
        return place

    async def _keep(self, number: int, moved: Moved) -> None:
        rows = _rows(number, moved)
        # Part by part, so that others have a turn: there is a mark for each person and month.
        while part := list(islice(rows, _BATCH)):
            await self._records.apply(part)

    async def _drop(self, number: int) -> None:
        for kind in (CELL, MARK):
            while rows := await self._records.list(kind, f"{number}|", count=_BATCH):
                await self._records.apply([Drop(kind, key) for key, _ in rows])


class Met:
    """Which version the walk met of what was written at about that time; of all else there is no other."""

    def __init__(self, since: float) -> None:
        """Versions are remembered that are of this instant (ms since 1970) or later."""
        self._since = since
        self._versions: dict[tuple[str, str], int] = {}

    def look(self, versions: Iterable[Version]) -> None:
        """The walk has come by these."""
        since = self._since
        self._versions.update({(one.type, one.id): one.version for one in versions if one.at >= since})

    def version(self, name: tuple[str, str], first: int) -> int:
        """The version that was met; 0 for none.

        `first` is the first version that was committed after the walk began. What was met and is not remembered is
        older, and so the one before that; what is of that time was met, or is not there yet.
        """
        return self._versions.get(name, first - 1)


def _rows(number: int, moved: Moved) -> Iterator[Keep]:
    """What is kept of a generation; persons add to their cells as their marks are given, so that these come first."""
    for cell, each in moved.marks.items():
        for digest, count in each.items():
            if count > 0:
                moved.cells[cell] += 1
                yield Keep(MARK, mark_key(number, cell, digest), str(count).encode())
    for cell, count in moved.cells.items():
        if count:
            yield Keep(CELL, cell_key(number, cell), str(count).encode())
