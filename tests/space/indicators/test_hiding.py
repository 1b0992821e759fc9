"""Small cells are hidden, and no sum of what is shown tells them: statistical secrecy, fewer than 11."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.space.indicators.hiding import TOTAL, Place, hidden, small, with_totals

Values = dict[Place, int]


def told(values: Values, secret: frozenset[Place]) -> set[Place]:
    """The hidden cells that the shown ones determine: by elimination over the equations of rows and columns."""
    unknown = sorted(secret)
    equations = []
    for name in {row for row, _ in values}:
        equations.append([Fraction(one[0] == name) for one in unknown])
    for name in {column for _, column in values}:
        equations.append([Fraction(one[1] == name) for one in unknown])
    # A total stands with the other sign; which cells are determined hangs on which stand together, so signs are given.
    for row, line in enumerate(equations):
        axis = 1 if row < len({one for one, _ in values}) else 0
        equations[row] = [-value if one[axis] == TOTAL else value for one, value in zip(unknown, line, strict=True)]
    reduced: list[list[Fraction]] = []
    for line in equations:
        for other in reduced:
            lead = next(n for n, value in enumerate(other) if value)
            if line[lead]:
                line = [a - b * line[lead] for a, b in zip(line, other, strict=True)]
        if any(line):
            lead = next(n for n, value in enumerate(line) if value)
            line = [value / line[lead] for value in line]
            reduced = [
                [a - b * other[lead] for a, b in zip(other, line, strict=True)] if other[lead] else other
                for other in reduced
            ]
            reduced.append(line)
    return {unknown[line.index(Fraction(1))] for line in reduced if sum(map(bool, line)) == 1}


def table(lines: list[list[int]]) -> Values:
    rows, columns = [f"r{n}" for n in range(len(lines))], [f"c{n}" for n in range(len(lines[0]))]
    cells = {(row, column): lines[i][j] for i, row in enumerate(rows) for j, column in enumerate(columns)}
    return with_totals(rows, columns, cells)


COUNTS = st.one_of(st.integers(0, 30), st.integers(0, 3000))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(COUNTS, min_size=n, max_size=n), min_size=1, max_size=6)))
def test_no_hidden_cell_is_told_by_sums(lines: list[list[int]]) -> None:
    values = table(lines)
    secret = hidden(values)
    assert {place for place, value in values.items() if small(value)} <= secret
    assert not told(values, secret)


def test_the_judge_of_this_test_sees_what_a_sum_tells() -> None:
    values = table([[5, 100], [200, 300]])
    assert told(values, frozenset({("r0", "c0")})) == {("r0", "c0")}
    assert told(values, frozenset({("r0", "c0"), ("r0", "c1")})) == {("r0", "c0"), ("r0", "c1")}
    assert not told(values, frozenset({("r0", "c0"), ("r0", "c1"), ("r1", "c0"), ("r1", "c1")}))


@pytest.mark.parametrize(
    ("lines", "secret"),
    [
        ([[100, 200], [300, 400]], set()),
        # None at all tells of nobody.
        ([[0, 200], [300, 400]], set()),
        ([[11], [12]], set()),
        # One column: its total would tell the one, so that the next smallest is hidden beside it.
        ([[5], [20], [30]], {("r0", "c0"), ("r1", "c0")}),
        ([[5], [6], [30]], {("r0", "c0"), ("r1", "c0")}),
        ([[5, 100, 90], [200, 300, 80], [70, 60, 50]], {("r0", "c0"), ("r0", "c2"), ("r2", "c0"), ("r2", "c2")}),
        # A small cell whose column's total is small too goes round with both cells of another column, and no third.
        ([[3, 100, 90], [0, 300, 80]], {("r0", "c0"), ("total", "c0"), ("r0", "c2"), ("total", "c2")}),
    ],
)
def test_as_little_is_hidden_as_will_do(lines: list[list[int]], secret: set[Place]) -> None:
    found = hidden(table(lines))
    if len(lines[0]) == 1:
        # The total of a row of one cell is that cell.
        assert {place for place in found if place[1] != TOTAL} == secret
        assert {(row, "c0") for row, column in found if column == TOTAL} == secret
    else:
        assert found == secret
