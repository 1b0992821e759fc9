"""Meeting resources in the order of one sort key, by the index that holds that order, until a page is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import apsw

from fhir_server.store.embedded.sorting import Key
from fhir_server.store.embedded.sql import TRUE, Sql, Value, conjunction
from fhir_server.store.protocol import Position

#: The number of a resource, then its sort keys.
Row = tuple[int | float | str | None, ...]


class _Lane(NamedTuple):
    """One index read in order: the tables, what its rows must meet, the sort value, and the order."""

    source: str
    met: Sql
    column: str
    order: str


def walk(connection: apsw.Connection, condition: Sql, key: Key, position: Position | None, count: int) -> list[Row]:
    """The first `count` resources of one type after `position` that satisfy `condition`, in the order of `key`.

    Args:
        connection: to read with.
        condition: on row `r`, its type included.
        key: the only sort key.
        position: where the page before ended.
        count: how many rows are wanted.
    """
    rows: list[Row] = []
    for lanes in _stages(key, position):
        wanted = count - len(rows)
        if wanted:
            found = [row for lane in lanes for row in _step(connection, lane, condition, wanted)]
            if len(lanes) > 1:
                found.sort(key=lambda row: (row[1], row[0]), reverse=key.descending)
            rows += found[:wanted]
    return rows


def _step(connection: apsw.Connection, lane: _Lane, condition: Sql, count: int) -> list[Row]:
    text = (
        f"SELECT r.rid, {lane.column} FROM {lane.source} WHERE {lane.met.text} AND r.live=1 AND {condition.text}"
        f" ORDER BY {lane.order} LIMIT ?"
    )
    return connection.execute(text, (*lane.met.values, *condition.values, count)).fetchall()


def _stages(key: Key, position: Position | None) -> Sequence[Sequence[_Lane]]:
    """What is read one after the other: resources with a value, then those without."""
    down = " DESC" if key.descending else ""
    if key.own:
        index = "resource_id" if key.sort.param == "_id" else "resource_newest"
        place = _beyond(key.sql, position[0] if position else None, key.descending)
        if position and key.sort.param == "_id":
            # Resources of other types may have the same id; `seq` is one resource's alone.
            sign = "<" if key.descending else ">"
            place = Sql(f"r.id{sign}=? AND (r.id{sign}? OR r.rid{sign}?)", (position[0], position[0], position[-1]))  # type: ignore[arg-type]
        # One type only, or the index does not hold the order: the caller sees to that.
        return [[_Lane(f"resource r INDEXED BY {index}", place, key.sql, key.sql + down)]]
    table = key.sort.kind
    without = conjunction(
        [
            Sql(f"NOT EXISTS(SELECT 1 FROM {table} k WHERE k.rid=r.rid AND {key.param.text})"),
            _beyond("r.rid", position[-1] if position and position[0] is None else None, key.descending),
        ]
    )
    last = [_Lane("resource r NOT INDEXED", without, "NULL", f"r.rid{down}")]
    if position is not None and position[0] is None:
        return [last]
    return [_valued(key, position), last]


def _valued(key: Key, position: Position | None) -> list[_Lane]:
    """The rows of a parameter joined to their resources: of each resource the one that counts."""
    word = key.sort.kind == "word"
    # Least or greatest; all columns are compared, to tell rows of one value apart.
    if word:
        ranked: tuple[str, ...] = ("value", "qualifier", "grp")
    else:
        ranked = (key.column, "low" if key.descending else "high", "code", "system", "grp")
    mine, theirs = (", ".join(f"{row}.{column}" for column in ranked) for row in ("k", "o"))
    sign, down = (">", " DESC") if key.descending else ("<", "")
    counts = Sql(
        f"NOT EXISTS(SELECT 1 FROM {key.sort.kind} o"
        f" WHERE o.rid=k.rid AND o.param=k.param AND ({theirs}) {sign} ({mine}))"
    )
    lanes = []
    for index, column, further in _INDEXES[key.column]:
        place = TRUE
        if position is not None:
            beyond = "<" if key.descending else ">"
            values: tuple[Value, ...] = (position[0], position[0], position[-1])  # type: ignore[assignment]
            place = Sql(f"k.{column}{beyond}=? AND (k.{column}{beyond}? OR k.rid{beyond}?)", values)
        met = conjunction([key.param, Sql(further) if further else TRUE, place, counts])
        source = f"{key.sort.kind} k INDEXED BY {index} CROSS JOIN resource r ON r.rid=k.rid"
        lanes.append(_Lane(source, met, f"k.{column}", f"k.{column}{down}, k.rid{down}"))
    return lanes


#: For each column that is walked: the indexes that together hold its order, its name there, and which rows they give.
_INDEXES = {
    "value": (("word_value", "value", ""),),
    "low": tuple(("span_low", "low", f"k.form={form}") for form in (0, 1, 2)),
    "high": (
        ("span_low", "low", "k.form=0"),
        ("span_high", "high", "k.low<k.high AND k.form=1"),
        ("span_high", "high", "k.low<k.high AND k.form=2"),
    ),
}


def walked_index(key: Key) -> str:
    """The name of the index by which `key` is walked, for people."""
    if key.own:
        return "resource_id" if key.sort.param == "_id" else "resource_newest"
    return _INDEXES[key.column][0][0]


def _beyond(column: str, value: object, descending: bool) -> Sql:
    if value is None:
        return TRUE
    return Sql(f"{column}{'<' if descending else '>'}?", (value,))  # type: ignore[arg-type]
