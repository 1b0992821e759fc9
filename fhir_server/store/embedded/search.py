"""Finding and counting: from a filter to the numbers of the resources of one page, by the cheaper of two ways.

*Driven*: an index gives candidates, each is judged, what is left is sorted. *Walked*: resources are met in the order
asked for and judged until the page is full. Few candidates are driven. Otherwise a short walk is tried, which fills
the page at once when matches are common; then they are counted, and walked on if the page should be full before as
many have been looked at. A walk that goes on longer than that is given up, and they are driven after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import apsw
import msgspec

from fhir_server.store.embedded.batch import METHODS
from fhir_server.store.embedded.candidates import FEW, MANY, MOST_COUNTED, Candidates, Chooser, are_few, remaining
from fhir_server.store.embedded.conditions import Compiler, Frame
from fhir_server.store.embedded.connections import Clock
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.past import Past
from fhir_server.store.embedded.sorting import Key, after, checked, keys, order, precedes
from fhir_server.store.embedded.sql import FALSE, Sql, conjunction
from fhir_server.store.embedded.walking import Row, walk, walked_index
from fhir_server.store.filters import EVERYTHING, Filter
from fhir_server.store.protocol import NEWEST, Page, Position, Scope, Sort, Version, Want

#: Candidates up to this many are driven without thought of a walk.
_DRIVEN = 500
#: About how many of SQLite's instructions it takes to judge one resource, and the least that a walk is tried for.
_JUDGING = 150
_LEAST = 100_000
#: The page that `explain` speaks of.
DEFAULT_PAGE = 20


class Found(NamedTuple):
    """(rid, key, …) of resources in order; and how many there are in all, when finding them told."""

    rows: list[Row]
    total: int | None


class Search:
    """Runs searches on one connection."""

    def __init__(self, connection: apsw.Connection, names: Names, clock: Clock) -> None:
        """`names` may be shared with other connections to the same file; `clock` is this connection's."""
        self.connection = connection
        self.clock = clock
        self.compiler = Compiler(connection, names)
        self.chooser = Chooser(connection, self.compiler)
        self.past = Past(self)
        self._kinds: dict[int, str] = {}

    def find(
        self,
        scope: Scope,
        sort: Sequence[Sort],
        position: Position | None,
        count: int,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """A page of the current resources in `scope`. Arguments and result as `Store.find`."""
        with self.clock.snapshot():
            return self._page(scope, tuple(sort) or NEWEST, position, count, most_bytes, want)

    def find_each(self, scopes: Sequence[Scope], count: int, want: Want = "body") -> list[Page]:
        """The first page of each of `scopes`. Arguments and result as `Store.find_each`."""
        with self.clock.snapshot():
            return [self._page(scope, NEWEST, None, count, None, want) for scope in scopes]

    def _page(
        self,
        scope: Scope,
        sort: Sequence[Sort],
        position: Position | None,
        count: int,
        most_bytes: int | None,
        want: Want,
    ) -> Page:
        rows, total = self._rows(scope, sort, position, count + 1)
        if most_bytes is not None and want in ("bare", "body"):
            count = self.fitting([row[0] for row in rows[:count]], most_bytes)
        versions = self.versions([row[0] for row in rows[:count]], want)
        # One more than asked for was looked up, only to know whether it is there.
        last = rows[count - 1] if len(rows) > count > 0 else None
        return Page(versions, (*last[1:], last[0]) if last else None, total)

    def count(self, scope: Scope, limit: int | None) -> int:
        """How many resources are in `scope`, at most `limit`."""
        total = 0
        for where, types in self.groups(scope):
            if limit is not None and total >= limit:
                return limit
            total += self._count(where, types, None if limit is None else limit - total)
        return total

    def ids(self, where: Filter, frame: Frame, limit: int) -> frozenset[str]:
        """The ids of the current resources satisfying `where`, `limit` at most."""
        if self.compiler.types(frame.types, "r.type") == FALSE:
            return frozenset()
        best = self.chooser.smallest(where, frame)
        if best is not None and not best.count:
            return frozenset()
        source, demanded = self._judged(where, frame.types, best)
        if demanded == FALSE:
            return frozenset()
        text = f"SELECT r.id FROM {source.text} WHERE {demanded.text} LIMIT ?"
        rows: list[Any] = self.connection.execute(text, (*source.values, *demanded.values, limit)).fetchall()
        return frozenset([id for (id,) in rows])

    def versions(self, rids: Sequence[int | float | str | None], want: Want = "body") -> tuple[Version, ...]:
        """The current versions of the resources with these numbers, same order."""
        if not rids:
            return ()
        found: list[Any] = self.connection.execute(_CURRENT[want], (msgspec.json.encode(rids).decode(),)).fetchall()
        return tuple(
            [
                Version(self.kind(type), id, vid, at, METHODS[method], blob[:size], blob[size:])
                for type, id, vid, at, method, size, blob in found
            ]
        )

    def versions_of(self, keys: Sequence[tuple[str, str]], want: Want) -> list[Version | None]:
        """Arguments and result as `Store.read_many`."""
        numbers = [(self.compiler.type(type), id) for type, id in keys]
        found: list[Any] = self.connection.execute(_NAMED[want], (msgspec.json.encode(numbers).decode(),)).fetchall()
        versions: list[Version | None] = [None] * len(keys)
        for place, vid, at, method, size, blob in found:
            versions[place] = Version(
                keys[place][0], keys[place][1], vid, at, METHODS[method], blob[:size], blob[size:]
            )
        return versions

    def fitting(self, rids: Sequence[int | float | str | None], most_bytes: int) -> int:
        """How many of these resources, at least one if there are any, are together no longer than `most_bytes`."""
        sizes: list[Any] = self.connection.execute(_SIZES, (msgspec.json.encode(rids).decode(),)).fetchall()
        left = most_bytes
        for n, (size,) in enumerate(sizes):
            left -= size
            if left < 0:
                return max(n, 1)
        return len(rids)

    def kind(self, number: int) -> str:
        """The resource type with this number."""
        type = self._kinds.get(number)
        if type is None:
            type = self._kinds[number] = self.connection.execute("SELECT type FROM name WHERE id=?", (number,)).get
        return type

    def explain(self, scope: Scope, sort: Sequence[Sort]) -> list[str]:
        """How `find` would go about it, a line a step."""
        lines: list[str] = []
        for where, types in self.groups(scope):
            label = types[0] if len(types) == 1 else f"{len(types)} types"
            sets = () if where == EVERYTHING else self.chooser.few(where, Frame(types))
            best = self.chooser.sized(Frame(types), sets)
            these = keys(tuple(sort) or NEWEST, types, self.compiler)
            is_walked = self._is_walked(best, these, DEFAULT_PAGE)
            if best is None:
                lines.append(f"{label}: no index narrows the filter")
            else:
                best = self._looked_through(best, sets)
                many = f"{best.count}" if best.count < MANY else f"at least {best.count}"
                lines.append(f"{label}: {many} candidates by index {best.how}")
            if is_walked:
                index = walked_index(these[0])
                lines.append(f"{label}: walks index {index}, judging each resource, until the page is full")
            else:
                which = "all resources are" if best is None else "each candidate is"
                lines.append(f"{label}: {which} judged; what is left is sorted")
            lines += [f"{label}: {step}" for step in self._steps(where, types, best)]
        return lines or ["nothing is stored of the types asked for"]

    def groups(self, scope: Scope) -> list[tuple[Filter, tuple[str, ...]]]:
        """The types in store of each distinct filter."""
        groups: dict[Filter, list[str]] = {}
        for type, where in scope.items():
            if self.compiler.type(type) is not None:
                groups.setdefault(where, []).append(type)
        return [(where, tuple(types)) for where, types in groups.items()]

    def _rows(self, scope: Scope, sort: Sequence[Sort], position: Position | None, count: int) -> Found:
        """The first `count` resources after `position`."""
        groups = self.groups(scope)
        if len(groups) == 1:
            where, types = groups[0]
            return self._group(where, types, sort, position, count)
        parts = [self._group(where, types, sort, position, count) for where, types in groups]
        return _merged(parts, keys(sort, (), self.compiler), count)

    def _group(
        self, where: Filter, types: tuple[str, ...], sort: Sequence[Sort], position: Position | None, count: int
    ) -> Found:
        these = keys(sort, types, self.compiler)
        if position is not None:
            checked(position, these)
        sets = () if where == EVERYTHING else self.chooser.few(where, Frame(types))
        if sets and not sets[0].count:
            return Found([], 0 if position is None else None)
        if not _is_walkable(these) or are_few(sets):
            best = self.chooser.rarest(sets)
            return self._driven(where, types, best, these, position, count)
        if len(types) == 1:
            return self._walked(where, types, sets, these, position, count)
        # Each type has a part of the index to itself.
        parts = [self._group(where, (type,), sort, position, count) for type in types]
        return _merged(parts, these, count)

    def _is_walked(self, best: Candidates | None, these: Sequence[Key], count: int) -> bool:
        if not _is_walkable(these):
            return False
        if best is None or best.count >= MANY:
            return True
        return best.count > _DRIVEN and count < best.count * best.share

    def _walked(
        self,
        where: Filter,
        types: tuple[str, ...],
        sets: tuple[Candidates, ...],
        these: Sequence[Key],
        position: Position | None,
        count: int,
    ) -> Found:
        kind = self.compiler.indexed(types, "r")
        condition = conjunction([kind, self.compiler.condition(where, Frame(types))])
        if condition == FALSE:
            return Found([], 0)

        def attempt() -> list[Row]:
            return walk(self.connection, condition, these[0], position, count)

        if not sets:
            return Found(attempt(), None)
        rows = self.clock.attempt(attempt, _LEAST)
        if rows is None:
            best = self.chooser.sized(Frame(types), sets)
            if best is not None and self._is_walked(best, these, count) and best.count * _JUDGING > _LEAST:
                rows = self.clock.attempt(attempt, best.count * _JUDGING)
            if rows is None:
                best = best and self._looked_through(best, sets)
                return self._driven(where, types, best, these, position, count)
        return Found(rows, None)

    def _looked_through(self, best: Candidates, sets: tuple[Candidates, ...]) -> Candidates:
        """The smallest of `sets`: where `best` of them was counted no further than the others, the one that is."""
        return best if best.count < MANY else self.chooser.rarest(sets) or best

    def _driven(
        self,
        where: Filter,
        types: tuple[str, ...],
        best: Candidates | None,
        these: Sequence[Key],
        position: Position | None,
        count: int,
    ) -> Found:
        source, demanded = self._judged(where, types, best)
        if demanded == FALSE:
            return Found([], 0)
        names = [f"k{n}" for n in range(len(these))]
        beyond = after(position, these, names, "rid")
        columns = ", ".join(f"{key.sql} AS {name}" for key, name in zip(these, names, strict=True))
        # All of them are looked at: how many there are costs nothing more.
        text = f"SELECT r.rid AS rid, {columns}, count(*) OVER () AS n FROM {source.text} WHERE {demanded.text}"
        values = (*source.values, *demanded.values)
        if beyond is not None:
            text = f"WITH m AS MATERIALIZED ({text}) SELECT * FROM m WHERE {beyond.text}"
            values = (*values, *beyond.values)
        text += f" ORDER BY {order(these, names, 'rid')} LIMIT ?"
        rows: list[Row] = self.connection.execute(text, (*values, count)).fetchall()
        total = rows[0][-1] if rows else 0 if position is None else None
        return Found([row[:-1] for row in rows], total)  # type: ignore[arg-type]

    def _judged(self, where: Filter, types: tuple[str, ...], best: Candidates | None) -> tuple[Sql, Sql]:
        """The tables that candidates are read from, and what is demanded of row `r`."""
        live = [self.compiler.indexed(types, "r"), Sql("r.live=1")]
        if best is None:
            demanded = conjunction([*live, self.compiler.condition(where, Frame(types))])
            return Sql("resource r"), demanded
        rest = self.compiler.condition(remaining(where, best), Frame(types))
        source = f"(SELECT DISTINCT rid FROM ({best.sql.text})) c CROSS JOIN resource r ON r.rid=c.rid"
        return Sql(source, best.sql.values), conjunction([*live, rest])

    def _count(self, where: Filter, types: tuple[str, ...], limit: int | None) -> int:
        sets = () if where == EVERYTHING else self.chooser.few(where, Frame(types))
        if limit is None or len(sets) < 2 or are_few(sets):
            return self._counted(where, types, self.chooser.rarest(sets), limit)
        # None is few. Where the limit is met soon, it is in any of them: which is the rarest need not be known.
        most = 2 * max(limit, FEW)
        while True:
            best = self.chooser.rarest(sets, most)
            if best is None or best.count < most or most >= MOST_COUNTED:
                return self._counted(where, types, best, limit)
            total = self.clock.attempt(partial(self._counted, where, types, best, limit), most * _JUDGING)
            if total is not None:
                return total
            most = min(4 * most, MOST_COUNTED)

    def _counted(self, where: Filter, types: tuple[str, ...], best: Candidates | None, limit: int | None) -> int:
        """How many satisfy `where`, of the candidates `best` and at most `limit`."""
        source, demanded = self._judged(where, types, best)
        if demanded == FALSE:
            return 0
        most = "" if limit is None else f"LIMIT {limit:d}"
        text = f"SELECT count(*) FROM (SELECT 1 FROM {source.text} WHERE {demanded.text} {most})"
        total: int = self.connection.execute(text, (*source.values, *demanded.values)).get
        return total

    def _steps(self, where: Filter, types: tuple[str, ...], best: Candidates | None) -> list[str]:
        source, demanded = self._judged(where, types, best)
        if demanded == FALSE:
            return ["nothing can match"]
        text = f"EXPLAIN QUERY PLAN SELECT r.rid FROM {source.text} WHERE {demanded.text}"
        rows = self.connection.execute(text, (*source.values, *demanded.values)).fetchall()
        return [str(row[3]) for row in rows]


_SIZES = "SELECT r.size FROM json_each(?) j CROSS JOIN resource r ON r.rid = j.value"
#: What is read of a version: how long its body is, and the bytes of body and packed index. Without the body these
#: leave its bytes in the file; a head does not even look there.
_BYTES = " CROSS JOIN content c ON c.seq = r.seq"
_WANTED: dict[Want, tuple[str, str]] = {
    "body": ("r.size, c.bytes", _BYTES),
    "bare": ("r.size, c.bytes", _BYTES),
    "index": ("0, substr(c.bytes, r.size + 1)", _BYTES),
    "head": ("0, x''", ""),
}
_CURRENT = {
    want: f"SELECT r.type, r.id, r.vid, r.at, r.method, {what}"
    f" FROM json_each(?) j CROSS JOIN resource r ON r.rid = j.value{joined}"
    for want, (what, joined) in _WANTED.items()
}
#: All of one type, in the order in which they were first written.
PLAIN = {
    want: f"SELECT r.rid, r.id, r.vid, r.at, r.method, {what} FROM resource r NOT INDEXED{joined}"
    " WHERE r.type=? AND r.rid>? ORDER BY r.rid LIMIT ?"
    for want, (what, joined) in _WANTED.items()
}
_NAMED = {
    want: f"SELECT j.key, r.vid, r.at, r.method, {what}"
    f" FROM json_each(?) j CROSS JOIN resource r ON r.type = j.value->>0 AND r.id = j.value->>1{joined}"
    for want, (what, joined) in _WANTED.items()
}


def _is_walkable(these: Sequence[Key]) -> bool:
    return len(these) == 1 and (these[0].own or these[0].param != FALSE)


def _merged(parts: Sequence[Found], these: Sequence[Key], count: int) -> Found:
    rows = [row for part in parts for row in part.rows]
    rows.sort(key=lambda row: precedes(these, (*row[1:], row[0])))
    totals = [part.total for part in parts if part.total is not None]
    return Found(rows[:count], sum(totals) if len(totals) == len(parts) else None)
