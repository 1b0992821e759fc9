"""Going through all that a scope holds, deletions too, in the order in which resources were first written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.embedded.batch import METHODS
from fhir_server.store.embedded.conditions import Frame
from fhir_server.store.embedded.search import PLAIN, Search
from fhir_server.store.embedded.sql import FALSE, Sql, conjunction
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Page, Position, Scope, Version, Want

#: Bytes of the resources met in one step.
_MOST_BYTES = 64_000_000


def traverse(search: Search, scope: Scope, after: Position | None, count: int, want: Want) -> Page:
    """Arguments and result as `Store.walk`."""
    start = _start(after)
    if len(scope) == 1 and EVERYTHING in scope.values():
        return _straight(search, next(iter(scope)), start, count, want)
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


def _straight(search: Search, type: str, start: int, count: int, want: Want) -> Page:
    """A page of all that there is of a type: read in one go, without looking each up by its number."""
    with search.clock.snapshot():
        number = search.compiler.type(type)
        if number is None:
            return Page(())
        rows: list[Any] = []
        left = _MOST_BYTES
        for row in search.connection.execute(PLAIN[want], (number, start, count + 1)):
            if len(rows) == count or (rows and left <= 0):
                return Page(_made(type, rows), (rows[-1][0],))
            left -= len(row[-1])
            rows.append(row)
    return Page(_made(type, rows))


def _made(type: str, rows: list[Any]) -> tuple[Version, ...]:
    return tuple(
        [
            Version(type, id, vid, at, METHODS[method], blob[:size], blob[size:])
            for _, id, vid, at, method, size, blob in rows
        ]
    )


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
