"""Small cells of a table are not shown, nor are those by which a sum would tell them.

A cell of 1 to 10 is hidden (statistical secrecy: fewer than 11 persons or things). In a table with totals each row and
each column is an equation, and what is hidden is a graph: rows and columns are its points, hidden cells its lines. A
hidden cell is told by the others exactly where its line is on no round trip (a bridge): three cells that go round
with it are hidden beside it, the fewest and smallest there are, until there is no bridge. Totals are cells like others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

#: Counts from this on are shown, and none at all is.
SHOWN_FROM = 11
#: Name of the row and of the column of sums.
TOTAL = "total"
#: Row and column.
Place = tuple[str, str]
#: A row (False, name) or a column (True, name).
_Point = tuple[bool, str]


def small(value: int) -> bool:
    """Whether a count is not to be shown."""
    return 0 < value < SHOWN_FROM


def hidden(values: Mapping[Place, int]) -> frozenset[Place]:
    """The cells of a table with its totals, row `TOTAL` and column `TOTAL`, that are not to be shown."""
    found = {place for place, value in values.items() if small(value)}
    rows, columns = sorted({row for row, _ in values}), sorted({column for _, column in values})
    while bridge := next(_bridges(found), None):
        row, column = bridge
        rounds = [
            {(row, other), (another, column), (another, other)} - found
            for another in rows
            for other in columns
            if another != row and other != column
        ]
        found |= min(rounds, key=lambda one: _cost(values, one))
    return frozenset(found)


def _cost(values: Mapping[Place, int], places: Set[Place]) -> tuple[int, int, int, int, list[Place]]:
    """What is hidden first: few cells, no totals, no zeros, the smallest."""
    totals = sum(TOTAL in place for place in places)
    zeros = sum(not values[place] for place in places)
    return len(places), totals, zeros, sum(values[place] for place in places), sorted(places)


def _bridges(found: set[Place]) -> Iterator[Place]:
    """Each line that is on no round trip."""
    for place in sorted(found):
        if (True, place[1]) not in _reached((False, place[0]), found - {place}):
            yield place


def _reached(start: _Point, lines: set[Place]) -> set[_Point]:
    near: dict[_Point, list[_Point]] = {}
    for row, column in lines:
        near.setdefault((False, row), []).append((True, column))
        near.setdefault((True, column), []).append((False, row))
    found, waiting = {start}, [start]
    while waiting:
        new = [one for one in near.get(waiting.pop(), ()) if one not in found]
        found.update(new)
        waiting += new
    return found


def with_totals(rows: Sequence[str], columns: Sequence[str], values: Mapping[Place, int]) -> dict[Place, int]:
    """Every cell of a table, absent ones as 0, and the sums of its rows and columns."""
    found = {(row, column): values.get((row, column), 0) for row in rows for column in columns}
    found |= {(row, TOTAL): sum(found[row, column] for column in columns) for row in rows}
    return found | {(TOTAL, column): sum(found[row, column] for row in rows) for column in (*columns, TOTAL)}
