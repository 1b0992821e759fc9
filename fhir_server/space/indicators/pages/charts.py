"""A chart of an indicator as places in an SVG: columns over time, else bars; the table beside it says the same."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.space.indicators.hiding import TOTAL
from fhir_server.space.indicators.tables import COUNT, Table

#: In units of the SVG.
WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _LINE = 576, 260, 96, 12, 32, 44


#: A column has so many parts at most: each has a colour unlike those beside it, and its number in the legend, since
#: colour alone tells nothing (WCAG 1.4.1, 1.4.11).
MOST_PARTS = 10


@dataclass(frozen=True, slots=True)
class Mark:
    """One row: a rectangle, or nothing where it is not shown.

    Attributes:
        key: of the row.
        part: of the column, where columns stand on each other.
        value: None where it is not shown.
        x, y, width, height: of the rectangle.
    """

    key: str
    value: int | None
    x: float
    y: float
    width: float
    height: float
    part: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: `columns` stand over time, else bars lie; `ticks` are (y, value) of the lines behind columns.

    `feet` are (key, x) of the columns. `parts` are those of which each column is made, from below: what they are called
    stands in the legend.
    """

    columns: bool
    height: int
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, int], ...] = ()
    parts: tuple[str, ...] = ()
    feet: tuple[tuple[str, float], ...] = ()


def drawn(table: Table) -> Chart | None:
    """The chart of a table's rows, over all columns; None where there is nothing to draw."""
    column = TOTAL if table.indicator.summed else COUNT
    values = [(row, table.values[row, column]) for row in table.rows]
    most = max((value or 0 for _, value in values), default=0)
    if not most:
        return None
    if table.indicator.rows not in ("month", "period") or len(values) == 1:
        return _bars(values[:20], most)
    parts = table.columns if 1 < len(table.columns) <= MOST_PARTS else ()
    return _columns(table, values, most, parts)


def _columns(table: Table, values: list[tuple[str, int | None]], most: int, parts: tuple[str, ...]) -> Chart:
    step = _step(most)
    top = -(-most // step) * step
    room, slot = _HEIGHT - _TOP - _BOTTOM, (WIDTH - _LEFT - 8) / len(values)
    marks = []
    for place, (key, value) in enumerate(values):
        x, below = round(_LEFT + place * slot + slot * 0.15, 1), 0
        stack = [(part, table.values[key, part]) for part in parts] if parts else [("", value)]
        for part, many in stack:
            high = round((many or 0) / top * room, 1)
            y = round(_TOP + room - below / top * room - high, 1)
            if high or not parts:
                marks.append(Mark(key, many, x, y, round(slot * 0.7, 1), high, part))
            below += many or 0
    ticks = tuple((round(_TOP + room - one / top * room, 1), one) for one in range(0, top + 1, step))
    feet = tuple((key, round(_LEFT + (place + 0.5) * slot, 1)) for place, (key, _) in enumerate(values))
    return Chart(True, _HEIGHT, tuple(marks), ticks, parts, feet)


def _step(most: int) -> int:
    """A round step of which at most five reach the greatest."""
    size = 1
    while True:
        for one in (1, 2, 5):
            if one * size * 5 >= most:
                return one * size
        size *= 10


def _bars(values: list[tuple[str, int | None]], most: int) -> Chart:
    marks = [
        Mark(key, value, 0, place * _LINE + 20, round((value or 0) / most * (WIDTH - 120), 1), 16)
        for place, (key, value) in enumerate(values)
    ]
    return Chart(False, len(values) * _LINE, tuple(marks))
