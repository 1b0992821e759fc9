"""What a query becomes, for decision tables."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fhir_server.search.asking.query import Query, parse
from fhir_server.search.kinds.reading import Terminology
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.filters import Filter

BASE = "http://localhost/fhir"
REGISTRY = Registry()
SETTINGS = Settings()


async def query(path: str, *, strict: bool = True, terminology: Terminology | None = None) -> Query:
    """`Type?query` read; no type is every type."""
    place, _, text = path.partition("?")
    pairs = parse_qsl(text, keep_blank_values=True)
    return await parse(
        (place,) if place else (),
        pairs,
        REGISTRY,
        strict=strict,
        settings=SETTINGS,
        base=BASE,
        terminology=terminology,
    )


async def where(path: str, terminology: Terminology | None = None) -> Filter:
    """The filter of a query on one type."""
    read = await query(path, terminology=terminology)
    return read.scope[path.partition("?")[0]]
