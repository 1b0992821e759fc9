"""The smallest resources and writes that a storage test needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal

from fhir_server.fhir.json import stamped
from fhir_server.store.engine import Engine
from fhir_server.store.filters import Filter, Index, Span, Word
from fhir_server.store.protocol import NEWEST, Put, Scope, Sort, Store, Version, Want
from tests.store.memory.engine import MemoryEngine


def an_index(*rows: Word | Span, narrative: str = "", content: str = "") -> Index:
    return Index(
        tuple(row for row in rows if isinstance(row, Word)),
        tuple(row for row in rows if isinstance(row, Span)),
        narrative,
        content,
    )


def a_put(
    type: str,
    id: str,
    expected: int = 0,
    index: Index | None = None,
    method: Literal["POST", "PUT", "PATCH"] = "PUT",
    note: str = "",
) -> Put:
    body, stamp = stamped(f'{{"resourceType":"{type}","note":"{note}"}}'.encode(), id, expected + 1)
    return Put(type, id, expected, body, stamp, index or an_index(), method)


MASKED = an_index(Word("security", "R"))
OPEN = an_index(Word("security", "N"))


async def stored(engine: Engine, type: str, indexes: Mapping[str, Index]) -> list[Version]:
    return await engine.store.transact([a_put(type, id, 0, index) for id, index in indexes.items()])


async def vread(store: Store, type: str, id: str, version: int) -> Version | None:
    (found,) = await store.vread_many([(type, id, version)])
    return found


async def found(
    engine: Engine, type: str, where: Filter, sort: Iterable[Sort] = NEWEST, count: int = 1000
) -> list[str]:
    page = await engine.store.find({type: where}, tuple(sort), None, count)
    return [version.id for version in page.versions]


async def walked(engine: Engine, scope: Scope, count: int = 2, want: Want = "body") -> list[Version]:
    after, versions = None, []
    while True:
        page = await engine.store.walk(scope, after, count, want)
        versions += page.versions
        if page.next is None:
            return versions
        after = page.next


async def defects(engine: Engine) -> list[str]:
    """What is wrong with what is stored, where the engine can tell."""
    if isinstance(engine, MemoryEngine):
        return list(engine.defects())
    return [defect async for defect in engine.maintenance.check()] if engine.maintenance else []


async def history_of(engine: Engine, *args: object, **kwargs: object) -> list[tuple[str, int]]:
    page = await engine.store.history(*args, **kwargs)  # type: ignore[arg-type]
    return [(version.id, version.version) for version in page.versions]


async def versions_apart(engine: Engine) -> list[int]:
    """Three versions of one resource, at least 2 ms apart; their instants."""
    ats = []
    for n in range(3):
        (version,) = await engine.store.transact([a_put("Patient", "a", n)])
        ats.append(version.at)
        await asyncio.sleep(0.003)
    return ats
