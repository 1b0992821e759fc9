"""Everything counted from scratch, while the server serves: a new generation of counts, put in force in one commit.

The feed's place is taken first, then all that is current is walked, then what was committed meanwhile is weighed: of
each resource its last version counts, whatever the walk met. The counts and the place in the feed change together, so
that whoever follows goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

import msgspec

from fhir_server.audit.reading import WITNESSED_HERE
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FEED
from fhir_server.space.indicators.counting import (
    CELL,
    FEED_NAME,
    MARK,
    STATE,
    Following,
    Generation,
    Moved,
    cell_key,
    digest_key,
    generation,
)
from fhir_server.space.indicators.facts import FORMAT, TYPES, counted
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import EVERYTHING, Filter
from fhir_server.store.leases import Lease
from fhir_server.store.protocol import Drop, Keep, Position, Sort

#: The job, and the lease that a recount takes too.
JOB = "indicators"
#: How old the newest count may be.
EVERY = timedelta(seconds=60)
_PAGE, _BATCH = 500, 2_000
_BY_ID = (Sort("_id", "own"),)
#: Of traces, which never change, those are remembered that may have been committed while they were walked, in ms.
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
        if before is None or before.format != FORMAT:
            return await self.recount(now)
        return await self._following.follow(now)

    async def recount(self, now: datetime) -> int:
        """Count everything from scratch; how many resources. Whoever calls holds the lease of the job."""
        before = await generation(self._records)
        after = Generation((before.number if before else 0) + 1, FORMAT, now.timestamp())
        place = (await self._around.changes(None, TYPES)).position
        moved = Moved(await digest_key(self._records))
        # What an earlier recount left that died.
        await self._drop(after.number)
        met: dict[tuple[str, str], int] = {}
        number = 0
        for type in TYPES:
            number += await self._walk(type, moved, met, now)
        place = await self._meanwhile(place, moved, met)
        await self._keep(after.number, moved)
        kept = [
            Keep(STATE, "generation", msgspec.json.encode(after)),
            Keep(FEED, FEED_NAME, msgspec.json.encode(place)),
        ]
        await self._records.apply(kept)
        if before is not None:
            await self._drop(before.number)
        return number

    async def _walk(self, type: str, moved: Moved, met: dict[tuple[str, str], int], now: datetime) -> int:
        where: Filter = WITNESSED_HERE if type == "AuditEvent" else EVERYTHING
        recent = now.timestamp() * 1_000 - _MEANWHILE if type == "AuditEvent" else 0
        after: Position | None = None
        number = 0
        while True:
            # What the store answers at once gives nobody a turn, and there are millions.
            await asyncio.sleep(0)
            page = await self._repository.find({type: where}, _BY_ID, after, _PAGE)
            for version in page.versions:
                moved.add(counted(type, version.body))
                if version.at >= recent:
                    met[type, version.id] = version.version
            number += len(page.versions)
            after = page.next
            if after is None:
                return number

    async def _meanwhile(self, place: Position, moved: Moved, met: dict[tuple[str, str], int]) -> Position:
        last: dict[tuple[str, str], int] = {}
        while True:
            news = await self._around.changes(place, TYPES)
            place = news.position
            if not news.changed:
                break
            last |= {(one.type, one.id): one.version for one in news.changed}
        new = {key: version for key, version in last.items() if version > met.get(key, 0)}
        steps = [((*key, version), 1) for key, version in new.items()]
        steps += [((*key, met[key]), -1) for key in new if key in met]
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


def _rows(number: int, moved: Moved) -> Iterator[Keep]:
    """What is kept of a generation; persons add to their cells as their marks are given, so that these come first."""
    for (cell, digest), count in moved.marks.items():
        if count > 0:
            moved.cells[cell] += 1
            yield Keep(MARK, f"{cell_key(number, cell)}|{digest}", str(count).encode())
    for cell, count in moved.cells.items():
        yield Keep(CELL, cell_key(number, cell), str(count).encode())
