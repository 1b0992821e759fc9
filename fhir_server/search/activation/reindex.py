"""Writing the index of what is stored anew: in the background when a search parameter was added, or on command.

https://hl7.org/fhir/R4/searchparameter.html. One worker at a time does it, held by a lease in `Records`; how far it is
stands there too, so that another goes on where one died.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Literal

import msgspec

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.activation.watch import FORMAT, FORMAT_KEPT, Watch, complete, fingerprint
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry, bases_of
from fhir_server.store.filters import EVERYTHING, Index
from fhir_server.store.leases import Lease
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Position, Records, Store, Version

#: Resources indexed in one write of the store.
BATCH = 320
#: Resources indexed between two turns of the event loop: some milliseconds.
SLICE = 32
#: Longest that a slice should take, and the bytes of resources after which it is over.
SLICE_SECONDS, SLICE_BYTES = 0.3, 256_000
#: What a worker that indexes anew has the lease of.
LEASED = "reindex"
#: How often progress is written down.
NOTE_SECONDS = 1.0
#: Longer than any worker takes to index what it writes by a parameter that another has added.
SETTLE_SECONDS = 2.0

#: The indexes of stored versions by the parameters now in force, same order.
Anew = Callable[[Sequence[Version]], Awaitable[list[Index]]]

_JOB = ("reindex", "job")


class Progress(msgspec.Struct, frozen=True):
    """How far re-indexing is.

    Attributes:
        state: "running", or "complete".
        types: the resource types it goes through.
        parameters: canonical URL → fingerprint of the search parameters that it completes.
        done: resources indexed.
        total: resources there were when it began.
        started: ms since 1970 UTC.
        ended: likewise; None while it runs.
        position: where to go on.
    """

    state: Literal["running", "complete"]
    types: tuple[str, ...]
    parameters: dict[str, str]
    total: int
    started: int
    done: int = 0
    ended: int | None = None
    position: tuple[int | float | str | None, ...] | None = None


class Indexing:
    """Re-indexing as one worker takes part in it."""

    __slots__ = ("_anew", "_base", "_format_is_known", "_noted", "_records", "_settle", "_store", "_watch")

    def __init__(
        self,
        store: Store,
        records: Records,
        watch: Watch,
        base_url: str = "",
        settle_seconds: float = SETTLE_SECONDS,
        anew: Callable[[], Anew | None] = lambda: None,
    ) -> None:
        """What takes part.

        Args:
            store: whose resources are indexed.
            records: where the lease and the progress are.
            watch: knows the search parameters in force.
            base_url: as for `extract`.
            settle_seconds: are waited before a parameter's indexing begins.
            anew: gives what makes indexes in another process, while there is one.
        """
        self._anew = anew
        self._store = store
        self._records = records
        self._watch = watch
        self._base = base_url
        self._settle = settle_seconds
        self._noted = 0.0
        self._format_is_known = False

    async def attend(self, every_seconds: float = 1.0) -> None:
        """Index what is pending when no other worker does; until it is cancelled.

        What an earlier server indexed otherwise is indexed anew first.
        """
        while True:
            # A store that is busy, full or read-only is asked again at the next round.
            with suppress(FhirError):
                await self.bring_up_to_date()
            await asyncio.sleep(every_seconds)

    async def bring_up_to_date(self) -> bool:
        """Index anew what an earlier server indexed otherwise, else what search parameters that were added wait for.

        False when there is nothing to do, or another worker is at it.
        """
        if not self._format_is_known:
            if await self._records.get(*FORMAT_KEPT) != FORMAT:
                return await self.run(sorted(resource_types()))
            # No server that runs beside this one takes it back.
            self._format_is_known = True
        return bool(self._watch.pending()) and await self.run()

    async def progress(self) -> Progress | None:
        """How far the last re-indexing is, whichever worker does it; None when there never was one."""
        return await progress(self._records)

    async def run(self, types: Sequence[str] | None = None, report: Callable[[Progress], None] | None = None) -> bool:
        """Index anew to the end; False, and nothing done, when another worker is at it.

        Args:
            types: the resource types to go through; None for those that pending search parameters speak of, going on
                where a run that was broken off stopped.
            report: called after each step.
        """

        async def work() -> bool:
            job = await self._begin(types)
            while job.state == "running":
                job = await self._step(job)
                await self._note(job)
                if report:
                    report(job)
                await asyncio.sleep(0)
            return True

        return bool(await Lease(self._records, LEASED).hold(work))

    async def _begin(self, types: Sequence[str] | None) -> Progress:
        before = await self.progress()
        if types is None:
            # Rows that another worker still writes without the new parameter must be before where this begins.
            await asyncio.sleep(self._settle)
            if before and before.state == "running":
                return before
        pending = self._watch.pending()
        chosen = types_of(base for one in pending.values() for base in one.base) if types is None else tuple(types)
        whole = {url: fingerprint(one) for url, one in pending.items() if set(types_of(one.base)) <= set(chosen)}
        total = await self._store.count(dict.fromkeys(chosen, EVERYTHING)) if chosen else 0
        return Progress("running", chosen, whole, total, int(time() * 1000))

    async def _step(self, job: Progress) -> Progress:
        after: Position | None = job.position
        page = await self._store.walk(dict.fromkeys(job.types, EVERYTHING), after, BATCH, "bare")
        await reindexed(self._store, page.versions, self._indexed)
        live = sum(not version.deleted for version in page.versions)
        job = msgspec.structs.replace(job, done=job.done + live, position=page.next)
        if page.next is not None:
            return job
        for url, known_as in job.parameters.items():
            await complete(self._records, url, known_as)
        if resource_types() <= set(job.types):
            await self._records.put(*FORMAT_KEPT, FORMAT)
        await self._watch.refresh()
        return msgspec.structs.replace(job, state="complete", ended=int(time() * 1000))

    async def _indexed(self, versions: Sequence[Version]) -> list[Index]:
        anew = self._anew()
        if anew is not None:
            return await anew(versions)
        await asyncio.sleep(0)
        return [indexed_anew(version, self._watch.registry, self._base) for version in versions]

    async def _note(self, job: Progress) -> None:
        now = monotonic()
        if job.state == "running" and now - self._noted < NOTE_SECONDS:
            return
        self._noted = now
        await self._records.put(*_JOB, msgspec.msgpack.encode(job))


async def reindexed(store: Store, current: Sequence[Version], anew: Anew) -> None:
    """Write anew the index of each resource whose `current` version is given, and of its versions before it.

    Rules are judged by the past version's own index as well, and must find there what they speak of.
    """
    waiting: list[Version] = []
    ended: Index | None = None
    size, carried = 1, 0
    for latest in current:
        async for version in _versions(store, latest):
            waiting.append(version)
            carried += len(version.body)
            if len(waiting) >= size or carried > SLICE_BYTES:
                begun = monotonic()
                ended = await _written_anew(store, waiting, anew, ended)
                waiting.clear()
                carried = 0
                # Whoever asks for the other process meanwhile waits for a slice at most: costly ones are shorter.
                size = max(1, size // 4) if monotonic() - begun > SLICE_SECONDS else min(SLICE, size * 2)
    await _written_anew(store, waiting, anew, ended)


async def _written_anew(store: Store, versions: Sequence[Version], anew: Anew, ended: Index | None) -> Index | None:
    """Write the indexes of `versions`; a deletion has that of the version it ended. The last one, for the next."""
    made = iter(await anew([version for version in versions if not version.deleted]))
    entries: list[tuple[Version, Index]] = []
    for version in versions:
        ended = ended if version.deleted else next(made)
        if ended is not None:
            entries.append((version, ended))
    await store.reindex(entries)
    return ended


async def _versions(store: Store, latest: Version) -> AsyncIterator[Version]:
    """The versions of a resource, the first one first."""
    past = [(latest.type, latest.id, number) for number in range(1, latest.version)]
    while past:
        found = await store.vread_many(past[:SLICE], "bare", SLICE_BYTES)
        past = past[len(found) :]
        for version in filter(None, found):
            yield version
    yield latest


async def progress(records: Records) -> Progress | None:
    """How far the last re-indexing is; None when there never was one."""
    value = await records.get(*_JOB)
    return msgspec.msgpack.decode(value, type=Progress) if value else None


def indexed_anew(version: Version, registry: Registry, base_url: str = "") -> Index:
    """The index of a stored version by the parameters now in force.

    Rows that are no part of the resource, such as who wrote a Binary, are carried over.
    """
    index = extract(version.type, parse(version.body, max_depth=1000), registry, base_url, written=True)
    carried = tuple(w for w in unpack(version.own).words if w.param in NOT_OF_RESOURCE)
    return msgspec.structs.replace(index, words=(*index.words, *carried)) if carried else index


def types_of(bases: Iterable[str]) -> tuple[str, ...]:
    """The resource types that are, or inherit from, one of `bases`, by name."""
    wanted = set(bases)
    return tuple(t for t in sorted(resource_types()) if t in wanted or not wanted.isdisjoint(bases_of(t)))


#: Rows that no resource says: who wrote a Binary (`access.binaries`), and that the server itself made an AuditEvent
#: (`audit.recording`).
NOT_OF_RESOURCE = frozenset({"_writer", "_witnessed"})
