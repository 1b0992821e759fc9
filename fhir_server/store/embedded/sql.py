"""Pieces of SQL with the values of their question marks, and how they are joined.

Every value of a client travels as a bound parameter; only numbers and names of our own stand in the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from fhir_server.fhir.outcome import TooCostly

Value = str | int | float


class Sql(NamedTuple):
    """A piece of SQL and the values of its question marks, in order."""

    text: str
    values: tuple[Value, ...] = ()


TRUE = Sql("1")
FALSE = Sql("0")
#: SQLite allows 32,766 bound values.
_MOST_VALUES = 32_000


def conjunction(parts: Sequence[Sql]) -> Sql:
    """The condition that all of `parts` hold; TRUE of none."""
    if FALSE in parts:
        return FALSE
    return _balanced([part for part in parts if part != TRUE], " AND ", TRUE)


def disjunction(parts: Sequence[Sql]) -> Sql:
    """The condition that any of `parts` holds; FALSE of none."""
    if TRUE in parts:
        return TRUE
    return _balanced([part for part in parts if part != FALSE], " OR ", FALSE)


def negation(part: Sql) -> Sql:
    """The condition that `part` does not hold; where it is NULL, NULL."""
    if part in (TRUE, FALSE):
        return FALSE if part == TRUE else TRUE
    return Sql(f"NOT ({part.text})", part.values)


def among(column: str, values: Sequence[str]) -> Sql:
    """That `column` is one of `values`, however many."""
    if not values:
        return FALSE
    if len(values) == 1:
        return Sql(f"{column}=?", (values[0],))
    return Sql(f"{column} IN (SELECT value FROM json_each(?))", (msgspec.json.encode(values).decode(),))


def starting(column: str, prefix: str) -> Sql:
    """That `column` starts with `prefix`, as a range of the index; no sign of it is special."""
    if not prefix:
        return TRUE
    beyond = _after(prefix)
    if beyond is None:
        return Sql(f"{column}>=?", (prefix,))
    return Sql(f"({column}>=? AND {column}<?)", (prefix, beyond))


def one_of(column: str, numbers: Iterable[int | None]) -> Sql:
    """That `column` is one of `numbers`; None are left out."""
    known = [str(number) for number in numbers if number is not None]
    if not known:
        return FALSE
    return Sql(f"{column}={known[0]}") if len(known) == 1 else Sql(f"{column} IN ({','.join(known)})")


def _after(prefix: str) -> str | None:
    """The least string greater than every string that starts with `prefix`; None when there is none."""
    for place in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[place]) + 1
        if code <= 0x10FFFF:
            # Surrogates are not characters: the next one after U+D7FF is U+E000.
            return prefix[:place] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return None


def _balanced(parts: Sequence[Sql], joint: str, empty: Sql) -> Sql:
    if len(parts) < 2:
        return parts[0] if parts else empty
    values: list[Value] = []
    for part in parts:
        values += part.values
    if len(values) > _MOST_VALUES:
        raise TooCostly("The query has more values than the store can compare at once.")
    return Sql(_nested([part.text for part in parts], joint), tuple(values))


def _nested(texts: Sequence[str], joint: str) -> str:
    # A long chain of OR is as deep as it is long; halves keep it within SQLite's depth.
    if len(texts) <= 16:
        return "(" + joint.join(texts) + ")"
    half = len(texts) // 2
    return "(" + _nested(texts[:half], joint) + joint + _nested(texts[half:], joint) + ")"
