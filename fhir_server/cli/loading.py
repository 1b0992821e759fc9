"""The pump of loading: parts go to worker processes in order, what they prepare is written in order."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fhir_server.access.repository import Repository
from fhir_server.cli.preparation import Prepared, Preparer, Refusal, Row, begin, prepare
from fhir_server.cli.sources import Part
from fhir_server.fhir.json import stamped
from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.settings import Settings
from fhir_server.store.protocol import Put, Stale, Version

if TYPE_CHECKING:
    from fhir_server.search.parameters import Registry

#: Parts being written at the same time: enough for the engine to commit one while the next is on its way.
WRITING = 3
#: How often a write is tried again while the store is busy, and the pause between, in seconds.
PATIENCE, PAUSE = 120, 0.25


class Runs(Protocol):
    """Runs a whole Bundle the server's own way; gives how many entries were done."""

    async def __call__(self, body: bytes) -> int:
        """Raises FhirError when it is refused."""


@dataclass(slots=True)
class Outcome:
    """What became of a part: resources written, those already there as they should be, and those refused."""

    part: Part
    written: int = 0
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)


class Job(NamedTuple):
    """A part to load.

    Attributes:
        part: what.
        key: makes the ids of resources that have none.
        report: called once what became of the part is durable.
    """

    part: Part
    key: str
    report: Callable[[Outcome], None]


class Preparing(Protocol):
    """Gives a future of what becomes of a part."""

    def __call__(self, part: Part, key: str) -> Future[Prepared]:
        """`key` makes the ids of resources that have none."""


@asynccontextmanager
async def preparing(settings: Settings, registry: Registry, processes: int) -> AsyncIterator[Preparing]:
    """A way to prepare parts: in `processes` worker processes (0: one a core), or at once in this one for 1."""
    count = processes or os.cpu_count() or 1
    if count == 1:
        preparer = Preparer(settings, registry)
        yield lambda part, key: _at_once(preparer, part, key)
        return
    pool = ProcessPoolExecutor(count, get_context("spawn"), begin, (settings, registry))
    try:
        yield lambda part, key: pool.submit(prepare, part, key)
    finally:
        pool.shutdown(cancel_futures=True)


def _at_once(preparer: Preparer, part: Part, key: str) -> Future[Prepared]:
    done: Future[Prepared] = Future()
    try:
        done.set_result(preparer.prepare(part, key))
    except Exception as error:
        done.set_exception(error)
    return done


class Loader:
    """Writes parts through a Repository, in order, and reports each when it is durable.

    Attributes:
        defines: whether a SearchParameter was written, which servers are to be told of.
    """

    def __init__(self, repository: Repository, preparing: Preparing, run: Runs, ahead: int = 6) -> None:
        """`ahead` parts are prepared before they are needed."""
        self._repository = repository
        self._preparing = preparing
        self._run = run
        self._ahead = ahead
        self.defines = False

    async def load(self, jobs: Iterable[Job], stopped: Callable[[], bool]) -> None:
        """Do `jobs`, reporting each in order; stops between two when `stopped()`.

        Raises:
            Unavailable, InsufficientStorage: the store took no more; what was reported is there.
        """
        source = iter(jobs)
        prepared: deque[tuple[Job, Future[Prepared]]] = deque()
        writing: deque[tuple[Job, asyncio.Task[Outcome]]] = deque()
        try:
            while not stopped():
                while len(prepared) < self._ahead and (job := next(source, None)) is not None:
                    prepared.append((job, self._preparing(job.part, job.key)))
                if not prepared:
                    break
                job, future = prepared.popleft()
                ready = await asyncio.wrap_future(future)
                writing.append((job, asyncio.create_task(self._write(job.part, ready))))
                if len(writing) >= WRITING:
                    await _reported(writing)
            while writing:
                await _reported(writing)
        finally:
            await asyncio.gather(*(task for _, task in writing), return_exceptions=True)

    async def _write(self, part: Part, prepared: Prepared) -> Outcome:
        outcome = Outcome(part, refused=list(prepared.refused))
        for rows in prepared.groups:
            await self._group(rows, outcome)
        for place, body in prepared.wholes:
            try:
                outcome.written += await self._run(body)
            except FhirError as error:
                outcome.refused.append(Refusal(place, error.issues[0].diagnostics))
        return outcome

    async def _group(self, rows: list[Row], outcome: Outcome) -> None:
        if not rows:
            return
        self.defines = self.defines or any(row.type == "SearchParameter" for row in rows)
        try:
            await self._transact([row.put() for row in rows])
            outcome.written += len(rows)
        except Stale:
            # Something with one of these ids is there already: look at each.
            await self._over(rows, outcome)

    async def _over(self, rows: list[Row], outcome: Outcome) -> None:
        for batch in _without_repeats(rows):
            while True:
                pairs = [(row, await self._repository.current(row.type, row.id)) for row in batch]
                puts = [put for row, before in pairs if (put := _following(row, before)) is not None]
                try:
                    if puts:
                        await self._transact(puts)
                    break
                except Stale:
                    continue
            outcome.written += len(puts)
            outcome.unchanged += len(batch) - len(puts)

    async def _transact(self, puts: Sequence[Put]) -> None:
        for attempt in range(PATIENCE + 1):
            try:
                await self._repository.transact(puts)
                return
            except Unavailable:
                if attempt == PATIENCE:
                    raise
                await asyncio.sleep(PAUSE)


async def _reported(writing: deque[tuple[Job, asyncio.Task[Outcome]]]) -> None:
    job, task = writing.popleft()
    job.report(await task)


def _without_repeats(rows: list[Row]) -> list[list[Row]]:
    """`rows` in order, cut where an id comes again."""
    batches: list[list[Row]] = [[]]
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.type, row.id) in seen:
            batches.append([])
            seen.clear()
        seen.add((row.type, row.id))
        batches[-1].append(row)
    return batches


def _following(row: Row, before: Version | None) -> Put | None:
    """The write of `row` after `before`; None when it would change nothing."""
    if before is None:
        return row.put()
    if not before.deleted:
        same, stamp = stamped(row.body, row.id, before.version)
        if same[:stamp] == before.body[:stamp] and same[stamp + 24 :] == before.body[stamp + 24 :]:
            return None
    body, stamp = stamped(row.body, row.id, before.version + 1)
    return Put(row.type, row.id, before.version, body, stamp, row.put().index, "PUT")
