"""The smallest resources and writes that a storage test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from fhir_server.fhir.json import stamped
from fhir_server.store.filters import Filter, Index, Span, Word
from fhir_server.store.protocol import NEWEST, Engine, Put, Sort, Version


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


async def stored(engine: Engine, type: str, indexes: Mapping[str, Index]) -> list[Version]:
    return await engine.store.transact([a_put(type, id, 0, index) for id, index in indexes.items()])


async def found(
    engine: Engine, type: str, where: Filter, sort: Iterable[Sort] = NEWEST, count: int = 1000
) -> list[str]:
    page = await engine.store.find({type: where}, tuple(sort), None, count)
    return [version.id for version in page.versions]


async def defects(engine: Engine) -> list[str]:
    return [defect async for defect in engine.check()]
