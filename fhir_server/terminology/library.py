"""Keeps the store of concepts in step with the resources: R4's own once, the server's whenever they change."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
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
#: Resources looked at at once: a code system may be tens of megabytes.
_PAGE = 50

Loaded = tuple[Artifact, Iterable[Concept]]


class Library:
    """Terminology resources, ready.

    Attributes:
        generation: rises with every change.
    """

    def __init__(self, open: Callable[[], Concepts], store: Store) -> None:
        """Nothing is opened or read yet."""
        self._open = open
        self.generation = 0
        self._store = store
        self._count = -1
        self._since = 0
        self._due = 0.0
        self._lock = asyncio.Lock()

    @cached_property
    def concepts(self) -> Concepts:
        """Where they are; opened when first asked for, since most commands ask nothing of them."""
        return self._open()

    def close(self) -> None:
        """Let go of the file, if it was opened."""
        if "concepts" in self.__dict__:
            self.concepts.close()

    @property
    def ready(self) -> bool:
        """Whether it was in step once."""
        return self._count >= 0

    async def refresh(self, every_seconds: float = 0.0) -> None:
        """Take over what was written since; the answer to what follows holds all that was stored before.

        Args:
            every_seconds: do nothing when it was done so recently.
        """
        if every_seconds and monotonic() < self._due:
            return
        # Every write, a deletion included, is one version more.
        count = await self._store.history_count(_SCOPE)
        self._due = monotonic() + every_seconds
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
            self.generation += 1

    def _standard(self) -> None:
        source = (folder("profiles") / "hl7.fhir.r4.core" / "source.json").read_bytes()
        mark = f"1 {msgspec.json.decode(source)['sha256']}"
        if self.concepts.mark() == mark:
            return
        gone = [source for source in self.concepts.stamps() if source.startswith("core/")]
        self.concepts.load(_core(mark), gone, mark)

    async def _everything(self) -> None:
        known = {source: stamp for source, stamp in self.concepts.stamps().items() if not source.startswith("core/")}
        after: Position | None = None
        while True:
            page = await self._store.find(_SCOPE, after=after, count=_PAGE)
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
            page = await self._store.history(_SCOPE, since=since, after=after, count=_PAGE)
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


class _Id(msgspec.Struct):
    resourceType: str
    id: str
