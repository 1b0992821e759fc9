"""Which resources could satisfy a filter, as a sub-select that an index answers: where selective searches start.

A set of candidates holds every resource that satisfies the filter it was made of; it may hold others, which the
filter's condition then refuses. How many there are is counted up to a cap, so that choosing costs microseconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import degrees, inf, prod
from operator import attrgetter

import apsw

from fhir_server.store.embedded.conditions import Compiler, Frame, Targets, Tokens, gathered, milliseconds
from fhir_server.store.embedded.schema import SHORT
from fhir_server.store.embedded.sql import FALSE, Sql, among, conjunction, starting
from fhir_server.store.filters import (
    And,
    Filter,
    Id,
    Linked,
    LinkedFrom,
    Near,
    Or,
    Range,
    Refers,
    String,
    Text,
    Together,
    Token,
    Uri,
)
from fhir_server.store.matching import EARTH

#: Up to this many candidates are simply all looked at.
FEW = 1_000
#: Counting stops here when none was few.
MANY = 20_000
#: How long the number of a type's resources is remembered, and where counting them stops.
_TOTALS_SECONDS = 60.0
MOST_COUNTED = 500_000
_count = attrgetter("count")
#: In what order kinds of filters are counted: the usually selective first, since a few candidates end the search.
_RANK: dict[type, int] = {Id: 0, Refers: 1, Token: 2, String: 3, LinkedFrom: 5, Linked: 5}


@dataclass(frozen=True, slots=True)
class Window:
    """Several ranges of one parameter, which one span meets, unless the resource has more than one."""

    one: Range

    @property
    def param(self) -> str:
        """The parameter they are of."""
        return self.one.param


#: A filter, or what several parts of one are looked up as.
Part = Filter | Tokens | Targets | Window


@dataclass(frozen=True, slots=True)
class Candidates:
    """A set of candidates.

    Attributes:
        sql: selects their `rid`, some perhaps twice.
        exact: whether all of them satisfy the filter, which then need not be asked again.
        how: the index used, for people.
        source: the filter it was made of.
        count: how many there are, or how far they were counted when there are more; 0 when not counted.
        share: about which part of all resources satisfies the whole filter; only known when candidates are not few.
    """

    sql: Sql
    exact: bool
    how: str
    source: Part
    count: int = 0
    share: float = 0.0


class Chooser:
    """Finds the smallest set of candidates for a filter."""

    def __init__(self, connection: apsw.Connection, compiler: Compiler) -> None:
        """`compiler` is for the file of `connection`."""
        self._connection = connection
        self._compiler = compiler
        self._totals: dict[tuple[str, ...], tuple[int, float]] = {}

    def smallest(self, where: Filter, frame: Frame) -> Candidates | None:
        """The smallest set of candidates, counted; None when no index narrows `where`."""
        return self.sized(frame, self.few(where, frame))

    def few(self, where: Filter, frame: Frame) -> tuple[Candidates, ...]:
        """The one set of candidates that is few; or all sets there are, of which none is, not counted further."""
        parts: tuple[Part, ...] = where.parts if isinstance(where, And) else (where,)
        ranked = sorted((*parts, *_windows(parts)), key=lambda part: _RANK.get(type(part), 4))
        sets = [found for part in ranked if (found := self.candidates(part, frame)) is not None]
        best: Candidates | None = None
        for found in sets:
            count = self._count(found, FEW if best is None else best.count or 0)
            if best is None or count < best.count:
                best = replace(found, count=count)
            if count <= FEW // 40:
                return (best,)
        if best is None or best.count < FEW:
            return (best,) if best is not None else ()
        return tuple(replace(found, count=FEW) for found in sets)

    def sized(self, frame: Frame, sets: tuple[Candidates, ...], most: int = MANY) -> Candidates | None:
        """The smallest of `sets`, which `few` gave, counted up to `most`; with the filter's share, if it is not few."""
        if not sets or are_few(sets):
            return sets[0] if sets else None
        counted = [replace(found, count=self._count(found, most)) for found in sets]
        total = max(1, self.total(frame))
        # As if the parts had nothing to do with each other; what a window joins counts once.
        joined = {one.source.param for one in sets if isinstance(one.source, Window)}
        alone = [one for one in counted if not (isinstance(one.source, Range) and one.source.param in joined)]
        share = prod(min(1.0, one.count / total) for one in alone)
        return replace(min(counted, key=_count), share=share)

    def rarest(self, sets: tuple[Candidates, ...], most: int = MOST_COUNTED) -> Candidates | None:
        """The smallest of `sets`, which `few` gave: counted further and further until one ends, or to `most`."""
        if len(sets) < 2 or are_few(sets):
            return sets[0] if sets else None
        cap = FEW
        while True:
            cap = min(4 * cap, most)
            best = min((replace(found, count=self._count(found, cap)) for found in sets), key=_count)
            if best.count < cap or cap == most:
                return best

    def total(self, frame: Frame) -> int:
        """About how many current resources there are of the types of `frame`."""
        known = self._totals.get(frame.types)
        if known is not None and time.monotonic() - known[1] < _TOTALS_SECONDS:
            return known[0]
        kind = self._compiler.types(frame.types, "r.type")
        text = f"SELECT count(*) FROM (SELECT 1 FROM resource r WHERE {kind.text} AND r.live=1 LIMIT ?)"
        total: int = self._connection.execute(text, (MOST_COUNTED,)).get
        self._totals[frame.types] = (total, time.monotonic())
        return total

    def candidates(self, where: Part, frame: Frame) -> Candidates | None:
        """A set of candidates for `where`, not counted; None when no index narrows it."""
        match where:
            case And() | Together():
                return self._narrowest(where, frame)
            case Or():
                return self._union(where, frame)
            case Window():
                return self._window(where, frame)
            case Linked():
                return self._linked(where, frame)
            case LinkedFrom():
                return self._linked_from(where, frame)
            case _:
                return self._leaf(where, frame)

    def _leaf(self, where: Part, frame: Frame) -> Candidates | None:
        match where:
            case Id():
                kind = self._compiler.types(frame.types, "x.type")
                sql = conjunction([kind, among("x.id", where.ids)])
                return _set(f"SELECT x.rid FROM resource x WHERE {sql.text}", sql.values, True, "resource_id", where)
            case Range(param="_lastUpdated"):
                return self._instants(where, frame)
            case Range():
                return self._spans(where, frame)
            case Near():
                return self._near(where, frame)
            case Text():
                return self._text(where)
            case Token() | Tokens() | String() | Refers() | Targets() | Uri():
                return self._words(where, frame)
            case _:
                return None

    def bounds(self, where: Range) -> tuple[int, int]:
        """The versions (seq, both inclusive) made in a range of `_lastUpdated`: instants rise with `seq`."""
        low, high = milliseconds(where)
        return (
            self.first(low) if low is not None else 0,
            self.first(high + 1) - 1 if high is not None else 2**62,
        )

    def first(self, at: int) -> int:
        """The `seq` of the first version made at `at` (ms) or later; one past the last when there is none."""
        low, high = 1, (self._connection.execute("SELECT max(seq) FROM version").get or 0) + 1
        while low < high:
            middle = (low + high) // 2
            found = self._connection.execute("SELECT at FROM version WHERE seq>=? ORDER BY seq LIMIT 1", (middle,)).get
            if found is not None and found < at:
                low = middle + 1
            else:
                high = middle
        return low

    def _count(self, found: Candidates, cap: int) -> int:
        if isinstance(found.source, Id):
            # There are no more than are named, which tells enough without a look.
            return min(len(found.source.ids), cap)
        text = f"SELECT count(*) FROM ({found.sql.text} LIMIT ?)"
        count: int = self._connection.execute(text, (*found.sql.values, cap)).get
        return count

    def _words(self, where: Filter | Tokens | Targets, frame: Frame) -> Candidates:
        param = self._compiler.param(where.param, frame.types, "w.param")  # type: ignore[union-attr]
        sql = conjunction([param, self._compiler.word(where)])
        text = f"SELECT w.rid FROM word w INDEXED BY word_value WHERE {sql.text}"
        how = f"word_value ({where.param})"  # type: ignore[union-attr]
        return _set(text if sql != FALSE else _NONE, sql.values, True, how, where)

    def _spans(self, where: Range, frame: Frame) -> Candidates:
        param = self._compiler.param(where.param, frame.types, "w.param")
        demanded = conjunction([param, self._compiler.span(where)])
        if demanded == FALSE:
            return _set(_NONE, (), True, "span_low", where)
        how = f"span_low, span_high ({where.param})"
        return _set(*_union([_arm(demanded, *arm) for arm in _arms(where)]), True, how, where)

    def _instants(self, where: Range, frame: Frame) -> Candidates:
        low, high = self.bounds(where)
        kind = self._compiler.types(frame.types, "x.type")
        text = f"SELECT x.rid FROM resource x WHERE {kind.text} AND x.live IN (0,1) AND x.seq BETWEEN ? AND ?"
        return _set(text, (low, high), True, "resource_newest", where)

    def _near(self, where: Near, frame: Frame) -> Candidates:
        reach = degrees(where.radius_metres / EARTH) * 1.000001 + 1e-9
        param = self._compiler.param(where.param, frame.types, "w.param")
        values = (where.latitude - reach, where.latitude + reach)
        text = (
            f"SELECT w.rid FROM span w INDEXED BY span_low"
            f" WHERE {param.text} AND w.form IN (0,1,2) AND w.low BETWEEN ? AND ?"
        )
        return _set(text, values, False, "span_low", where) if param != FALSE else _set(_NONE, (), True, "", where)

    def _text(self, where: Text) -> Candidates | None:
        query = self._compiler.text(where)
        if not where.words:
            return None
        text = "SELECT text.rowid AS rid FROM text WHERE text MATCH ?"
        return _set(text, (query,), False, "text", where) if query else _set(_NONE, (), True, "text", where)

    def _narrowest(self, where: And | Together, frame: Frame) -> Candidates | None:
        if not where.parts:
            return None
        best = self.smallest(And(where.parts), frame)
        # The parts of a composite must be met in one group, which no single set of candidates says.
        # Where one of them has never had a row there is nothing to be met.
        alone = isinstance(where, And) and where.parts == (best and best.source,)
        alone = alone or (best is not None and best.sql.text == _NONE)
        return best and Candidates(best.sql, best.exact and alone, best.how, where)

    def _window(self, where: Window, frame: Frame) -> Candidates | None:
        one = self._spans(where.one, frame)
        param = self._compiler.param(where.one.param, frame.types, "w.param")
        if param == FALSE:
            return one
        several = f"SELECT w.rid FROM span w INDEXED BY span_many WHERE {param.text} AND w.many"
        return _set(f"{one.sql.text} UNION ALL {several}", one.sql.values, False, one.how, where)

    def _union(self, where: Or, frame: Frame) -> Candidates | None:
        found = [self.candidates(part, frame) for part in gathered(where.parts)]
        sets = [one for one in found if one is not None]
        # SQLite joins 500 selects at most.
        if len(sets) < len(found) or len(sets) > 200:
            return None
        text, values = _union([one.sql for one in sets])
        return _set(text, values, all(one.exact for one in sets), " or ".join({one.how: 0 for one in sets}), where)

    def _linked(self, where: Linked, frame: Frame) -> Candidates | None:
        other = frame.linked(where.type)
        targets = self.matching(where.where, other)
        param = self._compiler.param(where.param, frame.types, "w.param")
        if targets is None or param == FALSE:
            return None if targets is None else _set(_NONE, (), True, "word_value", where)
        text = (
            f"SELECT w.rid FROM ({targets.sql.text}) t CROSS JOIN word w INDEXED BY word_value"
            f" WHERE {param.text} AND w.value=?||t.id"
        )
        values = (*targets.sql.values, where.type + "/")
        return _set(text, values, True, f"{where.type} by {targets.how}, then word_value", where)

    def _linked_from(self, where: LinkedFrom, frame: Frame) -> Candidates | None:
        sources = self.matching(where.where, frame.linked(where.type))
        param = self._compiler.param(where.param, (where.type,), "w.param")
        if sources is None or param == FALSE:
            return None if sources is None else _set(_NONE, (), True, "word_value", where)
        arms = []
        for type in frame.types:
            kind = self._compiler.types((type,), "x.type")
            prefix = starting("w.value", type + "/")
            text = (
                f"SELECT x.rid FROM ({sources.sql.text}) t CROSS JOIN word w CROSS JOIN resource x WHERE w.rid=t.rid"
                f" AND {param.text} AND {prefix.text} AND {kind.text} AND x.id=substr(w.value,{len(type) + 2})"
            )
            arms.append(Sql(text, (*sources.sql.values, *prefix.values)))
        return _set(*_union(arms), True, f"{where.type} by {sources.how}, then resource_id", where)

    def matching(self, where: Filter, frame: Frame) -> Candidates | None:
        """The current resources (`rid`, `id`) that satisfy `where`, if an index narrows it."""
        best = self.smallest(where, frame)
        if best is None or best.count >= MANY:
            return None
        row = frame.row
        demanded = [
            self._compiler.indexed(frame.types, row),
            Sql(f"{row}.live=1"),
            self._compiler.condition(remaining(where, best), frame),
        ]
        sql = conjunction(demanded)
        if sql == FALSE:
            return _set("SELECT 1 AS rid, '' AS id WHERE 0", (), True, best.how, where)
        text = (
            f"SELECT {row}.rid, {row}.id FROM (SELECT DISTINCT * FROM ({best.sql.text})) c{row}"
            f" CROSS JOIN resource {row} ON {row}.rid=c{row}.rid WHERE {sql.text}"
        )
        return _set(text, (*best.sql.values, *sql.values), True, best.how, where)


def are_few(sets: tuple[Candidates, ...]) -> bool:
    """Whether `Chooser.few` found a set of few candidates."""
    return bool(sets) and sets[0].count < FEW


def remaining(where: Filter, found: Candidates) -> Filter:
    """What must still be asked of `found`, which are candidates for `where` or for one of its parts."""
    if not found.exact:
        return where
    if where == found.source:
        return And(())
    if isinstance(where, And):
        return And(tuple(part for part in where.parts if part != found.source))
    return where


def _windows(parts: Iterable[Part]) -> list[Part]:
    ranges: dict[str, list[Range]] = {}
    for part in parts:
        if isinstance(part, Range) and part.code is None and part.system is None:
            ranges.setdefault(part.param, []).append(part)
    windows: list[Part] = []
    for param, several in ranges.items():
        if len(several) > 1:
            merged = Range(
                param,
                max((r.low_from for r in several if r.low_from is not None), default=None),
                min((r.low_to for r in several if r.low_to is not None), default=None),
                max((r.high_from for r in several if r.high_from is not None), default=None),
                min((r.high_to for r in several if r.high_to is not None), default=None),
            )
            windows.append(merged if param == "_lastUpdated" else Window(merged))
    return windows


_NONE = "SELECT 0 AS rid WHERE 0"


def _arms(where: Range) -> list[tuple[str, str, tuple[int | float, ...]]]:
    """The index, further bounds for it, and their values, for each select that together find a range's rows.

    A row's low is never above its high, so a bound on one end bounds the other; and a short row that reaches an instant
    began not long before it.
    """
    top = min(inf if b is None else b for b in (where.low_to, where.high_to))
    below = () if top == inf else (top,)
    upper = "" if top == inf else " AND w.low<=?"
    if where.low_from is not None or where.high_from is None:
        return [("span_low", " AND w.form IN (0,1,2)" + upper, below)]
    start = where.high_from
    return [
        ("span_low", " AND w.form IN (0,1,2) AND w.low>=?" + upper, (start, *below)),
        ("span_low", " AND w.form=1 AND w.low>=? AND w.low<?", (start - SHORT - 1, start)),
        ("span_high", " AND w.low<w.high AND w.form=2 AND w.low<?", (start,)),
    ]


def _arm(demanded: Sql, index: str, further: str, values: tuple[int | float, ...]) -> Sql:
    text = f"SELECT w.rid FROM span w INDEXED BY {index} WHERE {demanded.text}{further}"
    return Sql(text, (*demanded.values, *values))


def _union(arms: Sequence[Sql]) -> tuple[str, tuple[str | int | float, ...]]:
    if not arms:
        return _NONE, ()
    # A compound of compounds is flattened only inside a sub-select.
    text = " UNION ALL ".join(f"SELECT * FROM ({arm.text})" if "UNION" in arm.text else arm.text for arm in arms)
    return text, tuple(value for arm in arms for value in arm.values)


def _set(text: str, values: Sequence[str | int | float], exact: bool, how: str, source: Part) -> Candidates:
    return Candidates(Sql(text, tuple(values)), exact, how, source)
