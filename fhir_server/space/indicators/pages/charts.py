"""A chart of an indicator as places in an SVG: columns over time, else bars; the table beside it says the same."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.space.indicators.hiding import TOTAL
from fhir_server.space.indicators.tables import COUNT, Table

#: In units of the SVG.
WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _LINE = 576, 260, 96, 12, 32, 44


@dataclass(frozen=True, slots=True)
class Mark:
    """One row: a rectangle, or nothing where it is not shown.

    Attributes:
        key: of the row.
        value: None where it is not shown.
        x, y, width, height: of the rectangle.
    """

    key: str
    value: int | None
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: `columns` stand over time, else bars lie; `ticks` are (y, value) of the lines behind columns."""

    columns: bool
    height: int
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, int], ...] = ()


def drawn(table: Table) -> Chart | None:
    """The chart of a table's rows, over all columns; None where there is nothing to draw."""
    column = TOTAL if table.indicator.summed else COUNT
    values = [(row, table.values[row, column]) for row in table.rows]
    most = max((value or 0 for _, value in values), default=0)
    if not most:
        return None
    return _columns(values, most) if table.indicator.rows in ("month", "period") else _bars(values[:20], most)


def _columns(values: list[tuple[str, int | None]], most: int) -> Chart:
    step = _step(most)
    top = -(-most // step) * step
    room, slot = _HEIGHT - _TOP - _BOTTOM, (WIDTH - _LEFT - 8) / len(values)
    marks = []
    for place, (key, value) in enumerate(values):
        high = round((value or 0) / top * room, 1)
        x = round(_LEFT + place * slot + slot * 0.15, 1)
        marks.append(Mark(key, value, x, round(_TOP + room - high, 1), round(slot * 0.7, 1), high))
    ticks = tuple((round(_TOP + room - one / top * room, 1), one) for one in range(0, top + 1, step))
    return Chart(True, _HEIGHT, tuple(marks), ticks)


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
