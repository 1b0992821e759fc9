"""Versions in the reverse order of their commits, deletions included.

https://hl7.org/fhir/R4/http.html#history. A version is there when the resource as it is now satisfies the filter, and
so did the version itself: what was corrected since must not say what it was. `seq` is that order, and instants rise
with it, so a bound in time is a bound of `seq`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.embedded.batch import METHODS
from fhir_server.store.embedded.candidates import Candidates
from fhir_server.store.embedded.conditions import Frame
from fhir_server.store.embedded.search import Search
from fhir_server.store.embedded.sql import FALSE, Sql, conjunction
from fhir_server.store.filters import EVERYTHING, And, Filter, Id
from fhir_server.store.protocol import Page, Position, Scope, Version

#: Up to this many resources, their versions are gathered and sorted; beyond, versions are walked.
_FEW = 1_000

Interval = tuple[int, int]


class History:
    """Reads versions on the connection of a `Search`."""

    def __init__(self, search: Search) -> None:
        """`search` lends its connection, compiler and chooser."""
        self._search = search

    def page(
        self,
        scope: Scope,
        id: str | None,
        since: int | None,
        at: Interval | None,
        position: Position | None,
        count: int,
        most_bytes: int | None = None,
    ) -> Page:
        """Arguments and result as `Store.history`."""
        before = _before(position)
        execute = self._search.connection.execute
        self._search.past.begin()
        with self._search.clock.snapshot():
            rows: list[Any] = []
            for sql in self._selections(scope, id, since, at, before):
                text = f"SELECT v.seq, v.type, v.rid, v.vid, v.at, v.method, v.size FROM {sql.text}"
                rows += execute(f"{text} ORDER BY v.seq DESC LIMIT ?", (*sql.values, count + 1)).fetchall()
            rows.sort(reverse=True)
            if most_bytes is not None:
                count = _fitting(rows[:count], most_bytes)
            versions = tuple([self._version(row) for row in rows[:count]])
        more = len(rows) > count > 0
        return Page(versions, (rows[count - 1][0],) if more else None)

    def count(self, scope: Scope, id: str | None, since: int | None, at: Interval | None) -> int:
        """Arguments and result as `Store.history_count`."""
        self._search.past.begin()
        execute = self._search.connection.execute
        return sum(
            int(execute(f"SELECT count(*) FROM {sql.text}", sql.values).get)
            for sql in self._selections(scope, id, since, at, None)
        )

    def _selections(
        self, scope: Scope, id: str | None, since: int | None, at: Interval | None, before: int | None
    ) -> list[Sql]:
        """FROM and WHERE of the versions `v` of each group of types with one filter."""
        search = self._search
        groups: dict[Filter, list[str]] = {}
        for type, where in scope.items():
            if search.compiler.type(type) is not None:
                groups.setdefault(where if id is None else _of(id, where), []).append(type)
        bounds = self._bounds(since, at, before)
        return [sql for where, types in groups.items() for sql in self._group(where, tuple(types), bounds)]

    def _group(self, where: Filter, types: tuple[str, ...], bounds: Sql) -> list[Sql]:
        compiler = self._search.compiler
        if where == EVERYTHING:
            # Few types: each has its own index in order. Many: all versions in order, those of other types passed over.
            each = [(type,) for type in types] if len(types) <= 8 else [types]
            lanes = [(some, "version_type" if len(some) == 1 else "") for some in each]
            return [
                Sql(f"version v {_by(index)} WHERE {kind.text} AND {bounds.text}", bounds.values)
                for some, index in lanes
                if (kind := compiler.types(some, "v.type"))
            ]
        condition = compiler.condition(where, Frame(types))
        if condition == FALSE:
            return []
        if not isinstance(where, Id):
            # Last, since a past version's own index is read out of its content. An id does not change.
            condition = conjunction([condition, self._search.past.satisfied(where)])
        best = self._search.chooser.smallest(where, Frame(types))
        kind = compiler.indexed(types, "r")
        if best is not None and best.count <= _FEW:
            return [self._driven(best, kind, condition, bounds)]
        return [
            Sql(
                f"version v NOT INDEXED CROSS JOIN resource r ON r.rid=v.rid"
                f" WHERE {bounds.text} AND {kind.text} AND {condition.text}",
                (*bounds.values, *condition.values),
            )
        ]

    def _driven(self, best: Candidates, kind: Sql, condition: Sql, bounds: Sql) -> Sql:
        return Sql(
            f"(SELECT DISTINCT rid FROM ({best.sql.text})) c CROSS JOIN resource r ON r.rid=c.rid"
            f" CROSS JOIN version v INDEXED BY version_vid ON v.rid=r.rid"
            f" WHERE {kind.text} AND {condition.text} AND {bounds.text}",
            (*best.sql.values, *condition.values, *bounds.values),
        )

    def _bounds(self, since: int | None, at: Interval | None, before: int | None) -> Sql:
        first = self._search.chooser.first
        parts = [Sql("v.seq>=?", (first(since) if since is not None else 0,))]
        if before is not None:
            parts.append(Sql("v.seq<?", (before,)))
        if at is not None:
            parts.append(Sql("v.seq<?", (first(at[1] + 1),)))
            # Current at some time in the interval: not replaced before it, nor at its very start.
            replaced = "SELECT 1 FROM version n WHERE n.rid=v.rid AND n.vid=v.vid+1 AND n.at<=?"
            parts.append(Sql(f"NOT EXISTS({replaced})", (at[0],)))
        return conjunction(parts)

    def _version(self, row: Sequence[int]) -> Version:
        seq, type, rid, vid, at, method, size = row
        execute = self._search.connection.execute
        blob = execute("SELECT bytes FROM content WHERE seq=?", (seq,)).get
        id, current = execute("SELECT id, seq=? FROM resource WHERE rid=?", (seq, rid)).get
        kind = self._search.kind(type)
        return Version(kind, id, vid, at, METHODS[method], blob[:size], blob[size:], bool(current))


def _fitting(rows: Sequence[Any], most_bytes: int) -> int:
    left = most_bytes
    for n, row in enumerate(rows):
        left -= row[-1]
        if left < 0:
            return max(n, 1)
    return len(rows)


def _of(id: str, where: Filter) -> Filter:
    return Id((id,)) if where == EVERYTHING else And((Id((id,)), where))


def _by(index: str) -> str:
    return f"INDEXED BY {index}" if index else "NOT INDEXED"


def _before(position: Position | None) -> int | None:
    if position is None:
        return None
    if len(position) != 1 or not isinstance(position[0], int) or not 0 <= position[0] < 2**62:
        raise InvalidParameter("The page asked for is not one of this history.", "http.cursor")
    return position[0]
