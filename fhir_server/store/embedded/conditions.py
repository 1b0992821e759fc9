"""A filter as an SQL condition on one resource: what is asked of each candidate.

Every value of a client travels as a bound parameter; only numbers of our own stand in the text. `store/matching.py`
says what each condition must mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, degrees, floor
from typing import NamedTuple

import apsw

from fhir_server.fhir.outcome import TooCostly
from fhir_server.store.embedded.names import Names, is_writing
from fhir_server.store.embedded.one_span import Spans, joined
from fhir_server.store.embedded.one_span import condition as one_span
from fhir_server.store.embedded.outstanding import DEFERRED
from fhir_server.store.embedded.sql import FALSE, TRUE, Sql, among, conjunction, disjunction, negation, one_of, starting
from fhir_server.store.filters import (
    And,
    Filter,
    Id,
    Linked,
    LinkedFrom,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    String,
    Text,
    Together,
    Token,
    Uri,
)
from fhir_server.store.matching import EARTH, OWN

#: SQLite refuses expressions nested deeper than 1,000; a chain nests several levels for each of its links.
_DEEPEST = 40
#: Conditions that are kept, and their length at most, values included.
_MOST_NEGATED, _LONGEST = 1_000, 4_000


@dataclass(frozen=True, slots=True)
class Frame:
    """Of which resource a condition speaks.

    Attributes:
        types: its type is one of these.
        row: the alias of its `resource` row.
        group: SQL for the group that rows must have (inside a composite); "" for any.
        depth: how many links lead here.
    """

    types: tuple[str, ...]
    row: str = "r"
    group: str = ""
    depth: int = 0

    def linked(self, type: str) -> Frame:
        """The frame of a resource of `type` at the other end of a link."""
        if self.depth >= _DEEPEST:
            raise TooCostly(f"The query follows more than {_DEEPEST} links in a row.")
        return Frame((type,), f"r{self.depth + 1}", "", self.depth + 1)


class Compiler:
    """Turns filters into SQL for one connection's file."""

    def __init__(self, connection: apsw.Connection, names: Names) -> None:
        """`names` is asked for the numbers of types, parameters and systems."""
        self._connection = connection
        self._names = names
        self._negated: dict[tuple[int, Frame], tuple[Not, Sql]] = {}
        # How often a name had no number: what is made of such a name changes once it has one.
        self._unknown = 0

    def type(self, type: str) -> int | None:
        """The number of a resource type; None when nothing of it was ever stored."""
        return self._number(type)

    def types(self, types: Iterable[str], column: str) -> Sql:
        """That `column` is the number of one of `types`."""
        return one_of(column, (self.type(type) for type in types))

    def indexed(self, types: Iterable[str], row: str) -> Sql:
        """That the `resource` of a row is of one of `types`, and its index rows are written: they say what it is."""
        types = tuple(types)
        kind = self.types(types, f"{row}.type")
        if DEFERRED not in types:
            return kind
        return conjunction([kind, Sql(f"{row}.rid NOT IN (SELECT rid FROM unindexed)")])

    def param(self, param: str, types: Iterable[str], column: str) -> Sql:
        """That `column` is the number of `param` in one of `types`; FALSE when no row has ever had it."""
        return one_of(column, [self._number(type, param) for type in types])

    def condition(self, where: Filter | Tokens | Targets | Spans, frame: Frame) -> Sql:
        """`where`, of the resource that `frame` names.

        Raises:
            TooCostly: more links, or more values, than SQLite takes.
        """
        match where:
            case And():
                # Inside a composite the rows of one group are judged.
                parts = where.parts if frame.group else joined(where.parts)
                return conjunction([self.condition(part, frame) for part in parts])
            case Spans():
                return one_span(where, frame.row, self.param(where.param, frame.types, "w.param"), self.span)
            case Or():
                return disjunction([self.condition(part, frame) for part in gathered(where.parts)])
            case Not():
                return self._not(where, frame)
            case Together() | Linked() | LinkedFrom():
                return self._joined(where, frame)
            case _:
                return self._leaf(where, frame)

    def _not(self, where: Not, frame: Frame) -> Sql:
        # What rules withhold, mostly: the same for each of a caller's searches.
        # By the object: to look up what it is equal to, all of it would be gone through.
        kept = self._negated.get((id(where), frame))
        if kept is not None:
            return kept[1]
        unknown = self._unknown
        made = negation(self.condition(where.part, frame))
        # Numbers that are not committed yet may be undone.
        if unknown == self._unknown and _is_short(made) and not is_writing(self._connection):
            if len(self._negated) >= _MOST_NEGATED:
                self._negated.clear()
            # With the filter: while it is here no other has its number.
            self._negated[id(where), frame] = (where, made)
        return made

    def _number(self, type: str, code: str = "") -> int | None:
        number = self._names.find(self._connection, type, code)
        self._unknown += number is None
        return number

    def word(self, where: Filter | Tokens | Targets, row: str = "w") -> Sql:
        """What a leaf demands of the value and qualifier of a row of `word`."""
        match where:
            case Token():
                code = Sql(f"{row}.value=?", (where.code,)) if where.code is not None else TRUE
                return conjunction([code, self._qualifier(where.system, row)])
            case Tokens():
                return conjunction([among(f"{row}.value", where.codes), self._qualifier(where.system, row)])
            case Refers():
                return conjunction([Sql(f"{row}.value=?", (where.target,)), self._qualifier(where.version, row)])
            case Targets():
                return conjunction([among(f"{row}.value", where.targets), self._qualifier(where.version, row)])
            case Uri():
                below = starting(f"{row}.value", where.value + "/") if where.how == "below" else FALSE
                return disjunction([Sql(f"{row}.value=?", (where.value,)), below])
            case String():
                return self._string(where, row)
        raise TypeError(where)

    def _string(self, where: String, row: str) -> Sql:
        match where.how:
            case "starts":
                return starting(f"{row}.value", where.value)
            case "contains":
                return Sql(f"instr({row}.value, ?) > 0", (where.value,))
            case "ends":
                # A suffix longer than the value is compared with all of it, and differs.
                return Sql(f"(?='' OR substr({row}.value, -length(?))=?)", (where.value, where.value, where.value))
            case "exact":
                return self._qualifier(where.value, row)

    def span(self, where: Range, row: str = "w") -> Sql:
        """What a range demands of a row of `span`."""
        bounds = (
            (where.low_from, "low>=?"),
            (where.low_to, "low<=?"),
            (where.high_from, "high>=?"),
            (where.high_to, "high<=?"),
        )
        parts = [Sql(f"{row}.{text}", (bound,)) for bound, text in bounds if bound is not None]
        if where.code is not None:
            parts.append(Sql(f"{row}.code=?", (where.code,)))
        parts.append(self._qualifier(where.system, row, "system"))
        return conjunction(parts)

    def near(self, where: Near, types: Sequence[str], row: str) -> Sql:
        """What `near` demands of a latitude's row of `span`, whose own parameter has been demanded already."""
        reach = degrees(where.radius_metres / EARTH) * 1.000001 + 1e-9
        east = self.param(where.param + "$2", types, "e.param")
        chord = (
            f"pow(sin((radians({row}.low)-radians(?))/2),2)"
            f"+cos(radians(?))*cos(radians({row}.low))*pow(sin((radians(e.low)-radians(?))/2),2)"
        )
        return Sql(
            f"{row}.low BETWEEN ? AND ? AND EXISTS(SELECT 1 FROM span e WHERE e.rid={row}.rid AND {east.text}"
            f" AND e.grp={row}.grp AND {2 * EARTH!r}*asin(sqrt(min(1.0,{chord})))<=?)",
            (where.latitude - reach, where.latitude + reach, where.latitude, where.latitude, where.longitude,
             where.radius_metres),
        )  # fmt: skip

    def text(self, where: Text) -> str | None:
        """The full-text query of a `Text`; None when it cannot match."""
        if any(not word or any(sign <= " " or sign == "\x7f" for sign in word) for word in where.words):
            return None
        quoted = ('"' + word.replace('"', '""') + '"' for word in where.words)
        return f"{where.where} : ({' AND '.join(quoted)})"

    def target(self, link: LinkedFrom, frame: Frame, column: str) -> Sql:
        """That `column` is a reference to the resource of `frame`."""
        if len(frame.types) == 1:
            return Sql(f"{column}=?||{frame.row}.id", (frame.types[0] + "/",))
        return Sql(f"{column}=(SELECT n.type FROM name n WHERE n.id={frame.row}.type)||'/'||{frame.row}.id")

    def _qualifier(self, value: str | None, row: str, column: str = "qualifier") -> Sql:
        if value is None:
            return TRUE
        number = self._names.find_qualifier(self._connection, value)
        self._unknown += number is None
        return FALSE if number is None else Sql(f"{row}.{column}=?", (number,))

    def _word(self, where: Filter | Tokens | Targets, frame: Frame) -> Sql:
        param: str = where.param  # type: ignore[union-attr]
        return _exists("word", frame, [self.param(param, frame.types, "w.param"), self.word(where)])

    def _span(self, where: Range, frame: Frame) -> Sql:
        return _exists("span", frame, [self.param(where.param, frame.types, "w.param"), self.span(where)])

    def _missing(self, where: Missing, frame: Frame) -> Sql:
        if where.param in OWN:
            return FALSE
        param = self.param(where.param, frame.types, "w.param")
        return negation(disjunction([_exists("word", frame, [param]), _exists("span", frame, [param])]))

    def _leaf(self, where: Filter | Tokens | Targets, frame: Frame) -> Sql:
        match where:
            case Id():
                return among(f"{frame.row}.id", where.ids)
            case Range(param="_lastUpdated"):
                return _instants(where, f"{frame.row}.at")
            case Range():
                return self._span(where, frame)
            case Missing():
                return self._missing(where, frame)
            case Near():
                return self._near(where, frame)
            case Text():
                return self._text(where, frame)
            case _:
                return self._word(where, frame)

    def _joined(self, where: Together | Linked | LinkedFrom, frame: Frame) -> Sql:
        match where:
            case Together():
                return self._together(where, frame)
            case Linked():
                return self._linked(where, replace(frame, group=""))
            case LinkedFrom():
                return self._linked_from(where, replace(frame, group=""))

    def _near(self, where: Near, frame: Frame) -> Sql:
        if self.param(where.param + "$2", frame.types, "e.param") == FALSE:
            return FALSE
        param = self.param(where.param, frame.types, "w.param")
        return _exists("span", frame, [param, self.near(where, frame.types, "w")])

    def _text(self, where: Text, frame: Frame) -> Sql:
        if not where.words:
            return TRUE
        query = self.text(where)
        if query is None or frame.group:
            return FALSE
        return Sql(f"EXISTS(SELECT 1 FROM text WHERE text MATCH ? AND text.rowid={frame.row}.rid)", (query,))

    def _together(self, where: Together, frame: Frame) -> Sql:
        if frame.group:
            # One group is judged already: what stands together in it is judged in that one.
            return conjunction([self.condition(part, frame) for part in where.parts])
        group = f"g{frame.depth}"
        inner = conjunction([self.condition(part, replace(frame, group=f"{group}.grp")) for part in where.parts])
        if inner == FALSE:
            return FALSE
        return Sql(
            f"EXISTS(SELECT 1 FROM (SELECT grp FROM word WHERE rid={frame.row}.rid"
            f" UNION SELECT grp FROM span WHERE rid={frame.row}.rid) {group} WHERE {inner.text})",
            inner.values,
        )

    def _linked(self, where: Linked, frame: Frame) -> Sql:
        other = frame.linked(where.type)
        param = self.param(where.param, frame.types, "w.param")
        kind = self.indexed((where.type,), other.row)
        inner = self.condition(where.where, other)
        if FALSE in (param, kind, inner):
            return FALSE
        prefix = where.type + "/"
        word = starting("w.value", prefix)
        return Sql(
            f"EXISTS(SELECT 1 FROM word w CROSS JOIN resource {other.row} WHERE w.rid={frame.row}.rid AND {param.text}"
            f" AND {word.text} AND {kind.text} AND {other.row}.id=substr(w.value,{len(prefix) + 1})"
            f" AND {other.row}.live=1 AND {inner.text})",
            (*word.values, *inner.values),
        )

    def _linked_from(self, where: LinkedFrom, frame: Frame) -> Sql:
        other = frame.linked(where.type)
        param = self.param(where.param, (where.type,), "w.param")
        target = self.target(where, frame, "w.value")
        inner = self.condition(where.where, other)
        if FALSE in (param, inner):
            return FALSE
        return Sql(
            f"EXISTS(SELECT 1 FROM word w INDEXED BY word_value CROSS JOIN resource {other.row}"
            f" WHERE {param.text} AND {target.text} AND {other.row}.rid=w.rid AND {other.row}.live=1 AND {inner.text})",
            (*target.values, *inner.values),
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """Many `Token` of one parameter and system, as one look-up."""

    param: str
    codes: tuple[str, ...]
    system: str | None


@dataclass(frozen=True, slots=True)
class Targets:
    """Many `Refers` of one parameter and version, as one look-up."""

    param: str
    targets: tuple[str, ...]
    version: str | None


def gathered(parts: Sequence[Filter]) -> list[Filter | Tokens | Targets]:
    """The parts of an `Or` with those that differ only in a value made one: thousands of codes are one look-up."""
    if len(parts) < 3:
        return list(parts)
    codes: dict[tuple[str, str | None], list[str]] = {}
    targets: dict[tuple[str, str | None], list[str]] = {}
    rest: list[Filter | Tokens | Targets] = []
    for part in parts:
        if isinstance(part, Token) and part.code is not None:
            codes.setdefault((part.param, part.system), []).append(part.code)
        elif isinstance(part, Refers):
            targets.setdefault((part.param, part.version), []).append(part.target)
        else:
            rest.append(part)
    rest += [Tokens(param, tuple(values), system) for (param, system), values in codes.items()]
    rest += [Targets(param, tuple(values), version) for (param, version), values in targets.items()]
    return rest


def milliseconds(where: Range) -> tuple[int | None, int | None]:
    """The instants (ms, both inclusive) that a range of `_lastUpdated` (µs) lets through; None where it is open."""
    lows = [bound for bound in (where.low_from, where.high_from) if bound is not None]
    highs = [bound for bound in (where.low_to, where.high_to) if bound is not None]
    return (ceil(_thousandth(max(lows))) if lows else None), (floor(_thousandth(min(highs))) if highs else None)


def _instants(where: Range, column: str) -> Sql:
    if where.code or where.system:
        return FALSE
    low, high = milliseconds(where)
    parts = [Sql(f"{column}>=?", (low,))] if low is not None else []
    return conjunction(parts + ([Sql(f"{column}<=?", (high,))] if high is not None else []))


class _Thousandth(NamedTuple):
    """A whole number of µs in ms, rounded either way without passing through a float."""

    µs: int

    def __ceil__(self) -> int:
        return -(-self.µs // 1000)

    def __floor__(self) -> int:
        return self.µs // 1000


def _thousandth(bound: float) -> _Thousandth | float:
    return _Thousandth(bound) if isinstance(bound, int) else bound / 1000


def _exists(table: str, frame: Frame, parts: list[Sql]) -> Sql:
    inner = conjunction([*parts, Sql(f"w.grp={frame.group}")] if frame.group else parts)
    if inner == FALSE:
        return FALSE
    return Sql(f"EXISTS(SELECT 1 FROM {table} w WHERE w.rid={frame.row}.rid AND {inner.text})", inner.values)


def _is_short(made: Sql) -> bool:
    return len(made.text) + sum(len(str(value)) for value in made.values) < _LONGEST
