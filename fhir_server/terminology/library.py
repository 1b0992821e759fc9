"""Keeps the store of concepts in step with the resources: what comes with the server once, the rest when it changes.

With the server come R4's own code systems, value sets and maps, the national ones and ours (`profiles/`).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain
from time import monotonic
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder
from fhir_server.fhir.json import parse
from fhir_server.store.concepts import Artifact, Concept, Concepts
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Position, Scope, Store, Version
from fhir_server.terminology.resources import KINDS, artifact, concepts

_SCOPE: Scope = {kind: EVERYTHING for kind in KINDS}
_FILES = ("code-systems", "value-sets", "concept-maps")
#: Folders of `profiles/` beside R4's own, a resource a file.
_SHIPPED = ("national", "ens", "iso")
#: How the source of what comes with the server begins.
_OURS = ("core/", "shipped/")
#: Resources looked at at once, and bytes of them: a code system may be tens of megabytes.
_PAGE, _PAGE_BYTES = 50, 32_000_000
#: What has more bytes is read where no event loop waits for it.
LARGE = 500_000

Loaded = tuple[Artifact, Iterable[Concept]]


class Library:
    """Terminology resources, ready.

    Attributes:
        generation: rises with every change.
        ahead: brings the store of concepts into step in another process; None where that is done here.
        bare: when it was last looked at, nothing was stored beside what comes with the server; never once it is ready.
    """

    def __init__(self, open: Callable[[], Concepts], store: Store) -> None:
        """Nothing is opened or read yet."""
        self._open = open
        self.ahead: Callable[[], Awaitable[None]] | None = None
        self.generation = 0
        self._store = store
        self.bare = False
        self._count = -1
        self._since = 0
        self._due = 0.0
        self._lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()

    @cached_property
    def concepts(self) -> Concepts:
        """Where they are; opened when first asked for, since most commands ask nothing of them."""
        return self._open()

    def close(self) -> None:
        """Let go of the file, if it was opened."""
        for task in self._under_way:
            task.cancel()
        if "concepts" in self.__dict__:
            self.concepts.close()

    @property
    def ready(self) -> bool:
        """Whether it was in step once."""
        return self._count >= 0

    async def is_bare(self) -> bool:
        """Whether nothing is stored beside what comes with the server, so that its files say all; costs one count."""
        bare = not self.ready and await self._store.history_count(_SCOPE) == 0
        if not bare:
            self.stored()
        self.bare = bare
        return bare

    def stored(self) -> None:
        """Something was stored: what comes with the server does not say all any more."""
        self.generation += self.bare
        self.bare = False

    async def look(self, every_seconds: float) -> None:
        """Look whether it is still bare, unless that was done so recently."""
        if monotonic() >= self._due:
            self._due = monotonic() + every_seconds
            await self.is_bare()

    async def follow(self, every_seconds: float, patience_seconds: float) -> None:
        """Take over what was written, unless that was done so recently; a large code system is taken over meanwhile.

        Args:
            every_seconds: how long what is known may be out of date.
            patience_seconds: how long to wait; what takes longer goes on, and what was known before is in force.
        """
        if monotonic() < self._due:
            return
        self._due = monotonic() + every_seconds
        await self._taken_over(next(iter(self._under_way)) if self._under_way else self._begun(), patience_seconds)

    async def written(self, patience_seconds: float) -> None:
        """Take over what was written just now; what takes longer than `patience_seconds` goes on meanwhile."""
        # One that is under way may have looked before this write.
        await self._taken_over(self._begun(), patience_seconds)

    def _begun(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self.refresh())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _taken_over(self, task: asyncio.Task[None], patience_seconds: float) -> None:
        done, _ = await asyncio.wait({task}, timeout=patience_seconds)
        for one in done:
            one.result()

    async def refresh(self) -> None:
        """Take over what was written since; the answer to what follows holds all that was stored before."""
        # Every write, a deletion included, is one version more.
        count = await self._store.history_count(_SCOPE)
        if count == self._count:
            return
        async with self._lock:
            if count == self._count:
                return
            if not self.ready:
                await asyncio.to_thread(self._standard)
                await self._everything()
            else:
                await self._recent()
            self._count = count
            self.bare = False
            self.generation += 1

    def _standard(self) -> None:
        source = (folder("profiles") / "hl7.fhir.r4.core" / "source.json").read_bytes()
        core = f"1 {msgspec.json.decode(source)['sha256']}"
        shipped = list(_shipped())
        mark = f"{core} {hashlib.sha256(b''.join(shipped)).hexdigest()}"
        before = self.concepts.mark()
        if before == mark:
            return
        # R4's own take seconds: a new release of the server has them already.
        anew: tuple[str, ...] = ("shipped/",) if before.startswith(f"{core} ") else _OURS
        gone = [source for source in self.concepts.stamps() if source.startswith(anew)]
        loaded = _ours(shipped, mark) if anew != _OURS else chain(_core(core), _ours(shipped, mark))
        self.concepts.load(loaded, gone, mark)

    async def _everything(self) -> None:
        known = {source: stamp for source, stamp in self.concepts.stamps().items() if not source.startswith(_OURS)}
        after: Position | None = None
        while True:
            page = await self._store.find(_SCOPE, after=after, count=_PAGE, most_bytes=_PAGE_BYTES)
            new = [v for v in page.versions if known.pop(_source(v), "") != _stamp(v)]
            self._since = max([self._since, *(v.at for v in page.versions)])
            if new:
                await self._take(new, [])
            if page.next is None:
                break
            after = page.next
        if known:
            await self._take([], list(known))

    async def _recent(self) -> None:
        after: Position | None = None
        seen: set[str] = set()
        stamps, since = self.concepts.stamps(), self._since
        while True:
            page = await self._store.history(_SCOPE, since=since, after=after, count=_PAGE, most_bytes=_PAGE_BYTES)
            latest = list({_source(v): v for v in reversed(page.versions) if _source(v) not in seen}.values())
            seen.update(_source(v) for v in latest)
            self._since = max([self._since, *(v.at for v in page.versions)])
            new = [v for v in latest if not v.deleted and stamps.get(_source(v)) != _stamp(v)]
            gone = [_source(v) for v in latest if v.deleted and _source(v) in stamps]
            if new or gone:
                await self._take(new, gone)
            if page.next is None:
                return
            after = page.next

    async def _take(self, versions: list[Version], gone: list[str]) -> None:
        if self.ahead is not None and sum([len(version.body) for version in versions]) > LARGE:
            await self.ahead()
            stamps = self.concepts.stamps()
            versions = [v for v in versions if stamps.get(_source(v)) != _stamp(v)]
            gone = [source for source in gone if source in stamps]

        def load() -> None:
            self.concepts.load(_read(versions), gone, self.concepts.mark())

        await asyncio.to_thread(load)


def tree(found: Artifact) -> dict[str, Any]:
    """The resource of an artifact."""
    return parse(found.body)


def _source(version: Version) -> str:
    return f"{version.type}/{version.id}"


def _stamp(version: Version) -> str:
    return f"{version.version}@{version.at}"


def _read(versions: list[Version]) -> Iterator[Loaded]:
    for version in versions:
        found = artifact(_source(version), _stamp(version), version.body)
        yield found, concepts(version.body) if found.kind == "CodeSystem" else ()


def _core(stamp: str) -> Iterator[Loaded]:
    for name in _FILES:
        with gzip.open(folder("profiles") / "hl7.fhir.r4.core" / f"{name}.ndjson.gz") as lines:
            for line in lines:
                id = msgspec.json.decode(line, type=_Id)
                found = artifact(f"core/{id.resourceType}/{id.id}", stamp, line)
                yield found, concepts(line) if found.kind == "CodeSystem" else ()


def _shipped() -> Iterator[bytes]:
    for name in _SHIPPED:
        for kind in KINDS:
            for file in sorted((folder("profiles") / name).glob(f"{kind}-*.json")):
                yield file.read_bytes()


def _ours(bodies: Iterable[bytes], stamp: str) -> Iterator[Loaded]:
    for body in bodies:
        id = msgspec.json.decode(body, type=_Id)
        found = artifact(f"shipped/{id.resourceType}/{id.id}", stamp, body)
        yield found, concepts(body) if found.kind == "CodeSystem" else ()


class _Id(msgspec.Struct):
    resourceType: str
    id: str
