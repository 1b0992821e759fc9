"""The pump of loading: parts go to worker processes in order, what they prepare is written in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fhir_server.fhir.json import parse, stamped
from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Commit, Method
from fhir_server.loading.preparation import Prepared, Preparer, Refusal, Row, begin, prepare, refusal
from fhir_server.loading.sources import Part
from fhir_server.search.activation.declared import is_restated
from fhir_server.store.matching import matches
from fhir_server.store.protocol import Put, Stale, Version

if TYPE_CHECKING:
    from fhir_server.app import House

#: Parts being written at the same time: enough for the engine to commit one while the next is on its way.
WRITING = 3
#: How often a write is tried again while the store is busy, and the pause between, in seconds.
PATIENCE, PAUSE = 120, 0.25


class Runs(Protocol):
    """Runs a whole Bundle the server's own way; gives how many entries were done."""

    async def __call__(self, body: bytes) -> int:
        """Raises FhirError when it is refused."""


#: The writing of a part.
Task = asyncio.Task["Outcome"]


@dataclass(slots=True)
class Outcome:
    """What became of a part.

    Attributes:
        part: which.
        written: resources that were written.
        unchanged: those that were there already as they should be.
        restated: search parameters among both that say again what the standard's own do.
        refused: those that were not taken.
    """

    part: Part
    written: int = 0
    unchanged: int = 0
    restated: int = 0
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
    report: Callable[[Outcome], Awaitable[None]]


class Preparing(Protocol):
    """Gives a future of what becomes of a part."""

    def __call__(self, part: Part, key: str, defined: bool = False) -> asyncio.Future[Prepared]:
        """As `Preparer.prepare`."""


@asynccontextmanager
async def preparing(house: House, processes: int) -> AsyncIterator[Preparing]:
    """A way to prepare parts: in `processes` worker processes (0: one a core), or in this one for 1."""
    count = processes or os.cpu_count() or 1
    if count == 1:
        preparer = Preparer(house)
        yield lambda part, key, defined=False: asyncio.ensure_future(preparer.prepare(part, key, defined))
        return
    pool = ProcessPoolExecutor(count, get_context("spawn"), begin, (house.settings, house.declared))
    # A Ctrl-C is the parent's to handle, from a worker's very first moment: they are started with it blocked.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.submit(os.getpid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield lambda part, key, defined=False: asyncio.wrap_future(pool.submit(prepare, part, key, defined))
    finally:
        pool.shutdown(cancel_futures=True)


class Loader:
    """Writes parts as a caller's writes are made, in order, and reports each when it is durable."""

    def __init__(self, context: Context, preparing: Preparing, run: Runs, ahead: int = 6) -> None:
        """`ahead` parts are prepared before they are needed."""
        self._context = context
        self._repository = context.repository
        self._preparing = preparing
        self._run = run
        self._ahead = ahead

    async def load(self, jobs: AsyncIterator[Job], stopped: Callable[[], bool]) -> None:
        """Do `jobs`, reporting each in order; stops between two when `stopped()`.

        Raises:
            Unavailable, InsufficientStorage: the store took no more; what was reported is there.
        """
        prepared: deque[tuple[Job, asyncio.Future[Prepared]]] = deque()
        writing: deque[tuple[Job, asyncio.Task[Outcome]]] = deque()
        try:
            while not stopped():
                await self._fill(prepared, jobs)
                if not prepared:
                    break
                job, future = prepared.popleft()
                ready = await future
                if ready.left:
                    await _reported(writing, 0)
                    await job.report(await self._in_two(job, ready))
                    self._prepare_again(prepared)
                else:
                    earlier = [task for _, task in writing]
                    writing.append((job, asyncio.create_task(self._write(job.part, ready, earlier))))
                    await _reported(writing, WRITING - 1)
            await _reported(writing, 0)
        finally:
            for _, future in prepared:
                future.cancel()
            await asyncio.gather(*(task for _, task in writing), return_exceptions=True)

    async def _fill(self, prepared: deque[tuple[Job, asyncio.Future[Prepared]]], jobs: AsyncIterator[Job]) -> None:
        while len(prepared) < self._ahead and (job := await anext(jobs, None)) is not None:
            prepared.append((job, self._preparing(job.part, job.key)))

    def _prepare_again(self, prepared: deque[tuple[Job, asyncio.Future[Prepared]]]) -> None:
        """What was prepared ahead was judged without definitions that came since."""
        for _ in range(len(prepared)):
            job, future = prepared.popleft()
            future.cancel()
            prepared.append((job, self._preparing(job.part, job.key)))

    async def _in_two(self, job: Job, definitions: Prepared) -> Outcome:
        """A part with definitions: these are written, and in force, before the rest of it is judged."""
        outcome = await self._write(job.part, definitions)
        rest = await self._write(job.part, await self._preparing(job.part, job.key, defined=True))
        outcome.written += rest.written
        outcome.unchanged += rest.unchanged
        outcome.restated += rest.restated
        outcome.refused += rest.refused
        return outcome

    async def _write(self, part: Part, prepared: Prepared, earlier: Sequence[Task] = ()) -> Outcome:
        """Write a part, while the parts before it may still be `earlier` tasks."""
        outcome = Outcome(part, refused=list(prepared.refused))
        for rows in prepared.groups:
            await self._group(rows, outcome, earlier)
        for place, body in prepared.wholes:
            try:
                try:
                    outcome.written += await self._run(body)
                except FhirError:
                    if not await _over_now(earlier):
                        raise
                    outcome.written += await self._run(body)
                outcome.restated += sum(_restated(one) for one in _resources_of(body))
            except FhirError as error:
                outcome.refused.append(refusal(place, error))
        return outcome

    async def _group(self, rows: list[Row], outcome: Outcome, earlier: Sequence[Task]) -> None:
        rows, added = await self._with_steps([(row, None) for row in rows], outcome, earlier)
        if not rows:
            return
        outcome.restated += sum(_restated(parse(row.body)) for row in rows if row.type == "SearchParameter")
        puts = [row.put() for row in rows]
        try:
            if len(puts) == 1 or not _meet(puts, added):
                await self._transact(puts, added)
                outcome.written += len(rows)
                return
            batches = [[row] for row in rows]
        except Stale:
            # Something with one of these ids is there already: look at each.
            batches = _without_repeats(rows)
        await self._over(batches, outcome, earlier)

    async def _with_steps(
        self, asked: Sequence[tuple[Row, Version | None]], outcome: Outcome, earlier: Sequence[Task]
    ) -> tuple[list[Row], Commit]:
        """The rows that no step of a write refuses, and what steps add to them; as versions after what is beside each.

        Rows of types that no step names are not even read. What is refused may name what `earlier` still writes: then
        it is asked again once that is done.
        """
        while True:
            present = frozenset(f"{row.type}/{row.id}" for row, _ in asked)
            kept: list[tuple[Row, Version | None]] = []
            refused: list[Refusal] = []
            added = Commit()
            for row, before in asked:
                try:
                    await self._ask(row, before, Among(present), added)
                    kept.append((row, before))
                except FhirError as error:
                    issue = error.issues[0]
                    words = f"{issue.expression}: {issue.diagnostics}" if issue.expression else issue.diagnostics
                    refused.append(Refusal(row.place, words))
            if refused and await _over_now(earlier):
                continue
            outcome.refused += refused
            if len(kept) == len(asked):
                return [row for row, _ in kept], added
            # What referred to one that was refused now refers to nothing either.
            asked = kept

    async def _ask(self, row: Row, before: Version | None, among: Among, added: Commit) -> None:
        pipeline, context = self._context.pipeline, self._context
        if not pipeline.asks(context, row.type):
            return
        method: Method = row.method if before is None else "PUT"
        change = Change(row.type, row.id, parse(row.body), before, method, row.body)
        await pipeline.judge(context, change)
        made = await pipeline.completed(context, [change], among)
        added.extra += made.extra
        added.guards += made.guards

    async def _over(self, batches: Sequence[list[Row]], outcome: Outcome, earlier: Sequence[Task]) -> None:
        for batch in batches:
            while True:
                there = {(row.type, row.id): await self._repository.current(row.type, row.id) for row in batch}
                changing = [(row, there[row.type, row.id]) for row in batch]
                changing = [(row, before) for row, before in changing if _following(row, before) is not None]
                same = len(batch) - len(changing)
                refused: list[Refusal] = []
                told = Outcome(outcome.part, refused=refused)
                kept, added = await self._with_steps(changing, told, earlier)
                puts = [put for row in kept if (put := _following(row, there[row.type, row.id])) is not None]
                try:
                    if puts:
                        await self._transact(puts, added)
                    break
                except Stale:
                    continue
            outcome.written += len(puts)
            outcome.unchanged += same
            outcome.refused += refused

    async def _transact(self, puts: Sequence[Put], added: Commit) -> None:
        for attempt in range(PATIENCE + 1):
            try:
                await self._context.pipeline.commit(self._context, Commit([*puts], added.extra, added.guards))
                return
            except Unavailable:
                if attempt == PATIENCE:
                    raise
                await asyncio.sleep(PAUSE)


async def _over_now(earlier: Sequence[Task]) -> bool:
    """Wait until `earlier` are done; whether any of them was not."""
    under_way = [task for task in earlier if not task.done()]
    if under_way:
        await asyncio.wait(under_way)
    return bool(under_way)


async def _reported(writing: deque[tuple[Job, asyncio.Task[Outcome]]], most: int) -> None:
    """Wait until at most so many parts are being written, and report those that were."""
    while len(writing) > most:
        job, task = writing.popleft()
        await job.report(await task)


def _restated(tree: dict[str, Any]) -> bool:
    return tree.get("resourceType") == "SearchParameter" and is_restated(tree)


def _resources_of(body: bytes) -> Iterator[dict[str, Any]]:
    """The resources of a transaction that was taken; none of a batch, of which some may not have been."""
    bundle = parse(body) if b'"SearchParameter"' in body else {}
    for entry in bundle.get("entry", ()) if bundle.get("type") == "transaction" else ():
        if isinstance(resource := entry.get("resource"), dict):
            yield resource


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


def _meet(puts: Sequence[Put], added: Commit) -> bool:
    """Whether one of `puts` is what a step wants none of for another, or two have steps change the same resource."""
    names = [*((one.type, one.id) for one in (*puts, *added.extra))]
    if added.extra and len(set(names)) < len(names):
        return True
    return any(
        put.type == guard.type
        and put.id not in guard.ids
        and matches(guard.where, put.index, put.id, linked=lambda _: True)
        for guard in added.guards
        for put in puts
    )


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
