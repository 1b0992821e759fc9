"""Keeps the store of concepts in step with the resources: what comes with the server once, the rest when it changes.

With the server come R4's own code systems, value sets and maps, the national ones and ours (`profiles/`).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import msgspec

from fhir_server.changes.follower import Change, Follower
from fhir_server.changes.outdated import Name, Outdated
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
#: How long whoever wrote waits for it: all but the largest code systems are in force when they are answered.
PATIENCE_SECONDS = 15.0
#: What has more bytes is read where no event loop waits for it.
LARGE = 500_000

Loaded = tuple[Artifact, Iterable[Concept]]


class Library:
    """Terminology resources, ready.

    Attributes:
        generation: rises with every change.
        ahead: brings the store of concepts into step in another process; None where that is done here.
        bare: nothing is stored beside what comes with the server; never once it is ready.
        ready: whether it was in step once.
        wanted: whether somebody has asked what only the store of concepts tells.
    """

    def __init__(self, open: Callable[[], Concepts], store: Store, follower: Follower) -> None:
        """Nothing is opened or read yet; `follower` says what changes."""
        self._open = open
        self.ahead: Callable[[], Awaitable[None]] | None = None
        self.generation = 0
        self._store = store
        self.bare = False
        self.ready = False
        self._outdated = Outdated()
        self.wanted = False
        self._subscription = follower.subscribe(self._hear, types=KINDS, then=self._follow)
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

    def _hear(self, changes: Sequence[Change] | None) -> None:
        self._outdated.hear(changes)
        self.stored()

    async def _follow(self) -> None:
        """Take over what was written, once somebody has asked; what takes longer than `PATIENCE_SECONDS` goes on."""
        if self.wanted or self.ready:
            # One that is under way may have looked before this write.
            await self._taken_over(self._begun(), PATIENCE_SECONDS)

    def _begun(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self.refresh())
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if task.cancelled() or task.exception() is not None:
            # Whoever waited may have gone on without it: it is tried again at the next look.
            self._subscription.stale = True

    async def _taken_over(self, task: asyncio.Task[None], patience_seconds: float) -> None:
        done, _ = await asyncio.wait({task}, timeout=patience_seconds)
        for one in done:
            one.result()

    async def refresh(self) -> None:
        """Take over what was written since, as far as it was heard of."""
        if self.ready and not self._outdated:
            return
        async with self._lock:
            if self.ready and not self._outdated:
                return
            taken = self._outdated.take()
            try:
                if not self.ready:
                    await asyncio.to_thread(self._standard)
                await (self._everything() if taken is None else self._recent(taken))
            except BaseException:
                self._outdated.back(taken)
                raise
            self.ready = True
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
            if new:
                await self._take(new, [])
            if page.next is None:
                break
            after = page.next
        if known:
            await self._take([], list(known))

    async def _recent(self, names: set[Name]) -> None:
        stamps = self.concepts.stamps()
        new: list[Version] = []
        gone: list[str] = []
        for name in sorted(names):
            version = await self._store.read(*name)
            if version is None:
                continue
            if not version.deleted and stamps.get(_source(version)) != _stamp(version):
                new.append(version)
            elif version.deleted and _source(version) in stamps:
                gone.append(_source(version))
            if sum([len(one.body) for one in new]) > _PAGE_BYTES:
                await self._take(new, [])
                new = []
        if new or gone:
            await self._take(new, gone)

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
