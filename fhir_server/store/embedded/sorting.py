"""Sort keys as SQL: the value by which a resource is ordered, and what comes after a place in that order.

A resource without a value comes last in either direction (R4 leaves it open,
https://hl7.org/fhir/R4/search.html#sort); ties are broken by the resource's own number, in the direction of the first
key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.embedded.conditions import Compiler
from fhir_server.store.embedded.sql import FALSE, Sql, Value, conjunction, disjunction
from fhir_server.store.protocol import Position, Sort


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key of one set of types.

    Attributes:
        sql: the value, of the resource in row `r`.
        descending: greatest first.
        sort: what was asked for.
        column: for a parameter, which column of its rows is compared.
        param: for a parameter, the condition on `param` of a row `k`; FALSE when no resource has a value.
    """

    sql: str
    descending: bool
    sort: Sort
    column: str = ""
    param: Sql = FALSE

    @property
    def own(self) -> bool:
        """Whether every resource has it: its id or its instant."""
        return self.sort.kind == "own"


def keys(sort: Sequence[Sort], types: Sequence[str], compiler: Compiler) -> tuple[Key, ...]:
    """`sort` for resources of `types`."""
    last = len(sort) - 1
    return tuple(_key(one, place == last, types, compiler) for place, one in enumerate(sort))


def after(position: Position | None, these: Sequence[Key], columns: Sequence[str], rid: str) -> Sql | None:
    """What comes after `position`, given the columns that hold the keys; None for everything.

    Raises:
        InvalidParameter: the position is not one of this sort.
    """
    if position is None:
        return None
    place = checked(position, these)
    alternatives: list[Sql] = []
    equal: list[Sql] = []
    for key, column, value in zip(these, columns, place, strict=False):
        if value is not None:
            beyond = f"({column}{'<' if key.descending else '>'}? OR {column} IS NULL)"
            alternatives.append(conjunction([*equal, Sql(beyond, (value,))]))
            equal.append(Sql(f"{column}=?", (value,)))
        else:
            equal.append(Sql(f"{column} IS NULL"))
    tie = Sql(f"{rid}{'<' if these[0].descending else '>'}?", (place[-1] or 0,))
    return disjunction([*alternatives, conjunction([*equal, tie])])


def order(these: Sequence[Key], columns: Sequence[str], rid: str) -> str:
    """The ORDER BY of `these`."""
    parts = [
        f"{column}{' DESC' if key.descending else ''}{'' if key.own else ' NULLS LAST'}"
        for key, column in zip(these, columns, strict=True)
    ]
    return ", ".join([*parts, rid + (" DESC" if these[0].descending else "")])


def checked(position: Position, these: Sequence[Key]) -> Position:
    """`position`, if it could be one of this sort: a key's value each, then the number of a resource."""
    numbers = [value for value in position if isinstance(value, int | float)]
    if len(position) != len(these) + 1 or not isinstance(position[-1], int) or isinstance(position[-1], bool):
        raise InvalidParameter("The page asked for is not one of this search.", "http.cursor")
    if any(abs(number) > 2**63 - 1 for number in numbers if isinstance(number, int)):
        raise InvalidParameter("The page asked for is not one of this search.", "http.cursor")
    return position


def precedes(these: Sequence[Key], row: Position) -> tuple[object, ...]:
    """A value by which Python sorts rows of several searches as SQLite sorted each."""
    parts: list[object] = []
    for key, value in zip(these, row, strict=False):
        missing = value is None
        parts += [missing, 0 if missing else _Reversed(value) if key.descending else value]
    return (*parts, -(row[-1] or 0) if these[0].descending else row[-1])  # type: ignore[operator]


class _Reversed:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Value | None) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.value == other.value

    def __lt__(self, other: _Reversed) -> bool:
        return self.value > other.value  # type: ignore[operator]

    __hash__ = None  # type: ignore[assignment]


def _key(sort: Sort, last: bool, types: Sequence[str], compiler: Compiler) -> Key:
    if sort.kind == "own":
        # Two versions of one millisecond are told apart by `seq`, unless a further key is to do it.
        instant = "r.seq" if last else "r.at"
        return Key("r.id" if sort.param == "_id" else instant, sort.descending, sort)
    column = "value" if sort.kind == "word" else "high" if sort.descending else "low"
    param = compiler.param(sort.param, types, "k.param")
    table = sort.kind
    chosen = "max" if sort.descending else "min"
    value = f"(SELECT {chosen}(k.{column}) FROM {table} k WHERE k.rid=r.rid AND {param.text})"
    return Key(value if param != FALSE else "NULL", sort.descending, sort, column, param)
