"""Going through all that a scope holds, deletions too, in the order in which resources were first written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.embedded.conditions import Frame
from fhir_server.store.embedded.search import Search
from fhir_server.store.embedded.sql import FALSE, Sql, conjunction
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Page, Position, Scope, Want

#: Bytes of the resources met in one step.
_MOST_BYTES = 64_000_000


def traverse(search: Search, scope: Scope, after: Position | None, count: int, want: Want) -> Page:
    """Arguments and result as `Store.walk`."""
    start = _start(after)
    with search.clock.snapshot():
        rids: list[int] = []
        for sql in _selections(search, scope):
            text = f"SELECT r.rid FROM {sql.text} AND r.rid>? ORDER BY r.rid LIMIT ?"
            found: list[Any] = search.connection.execute(text, (*sql.values, start, count + 1)).fetchall()
            rids += [rid for (rid,) in found]
        rids.sort()
        there = min(len(rids), count)
        if want in ("bare", "body"):
            there = search.fitting(rids[:there], _MOST_BYTES)
        versions = search.versions(rids[:there], want)
    return Page(versions, (rids[there - 1],) if len(rids) > there > 0 else None)


def _selections(search: Search, scope: Scope) -> Iterator[Sql]:
    """FROM and WHERE of the resources `r` of each group of types with one filter."""
    for where, types in search.groups(scope):
        frame = Frame(types)
        if where == EVERYTHING:
            kind = search.compiler.types(types, "r.type")
            yield Sql(f"resource r NOT INDEXED WHERE {kind.text}", kind.values)
            continue
        condition = conjunction([search.compiler.indexed(types, "r"), search.compiler.condition(where, frame)])
        best = search.chooser.smallest(where, frame)
        if condition == FALSE:
            continue
        if best is None:
            yield Sql(f"resource r NOT INDEXED WHERE {condition.text}", condition.values)
        else:
            source = f"(SELECT DISTINCT rid FROM ({best.sql.text})) c CROSS JOIN resource r ON r.rid=c.rid"
            yield Sql(f"{source} WHERE {condition.text}", (*best.sql.values, *condition.values))


def _start(after: Position | None) -> int:
    if after is None:
        return 0
    if len(after) != 1 or not isinstance(after[0], int) or not 0 <= after[0] < 2**62:
        raise InvalidParameter("The page asked for is not one of this walk.", "http.cursor")
    return after[0]
