"""A line chart as coordinates, for a template to draw: values over time, with ticks at round numbers.

The chart is beside a table with the same values (WCAG 1.1.1); lines differ by their points too, not by colour alone
(WCAG 1.4.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: The drawing's size, and the room of its axes on the left, at the right, on top and below.
WIDTH, HEIGHT = 400, 280
_LEFT, _RIGHT, _TOP, _BELOW = 56, 16, 16, 40
#: About so many ticks stand on an axis.
_ACROSS, _UP = 4, 5
#: From so long on the ticks are days apart, and told as days.
_DAYS = timedelta(days=_ACROSS - 1)
#: What is larger is a mistake of whoever sent it, and would hide all other values; a table tells it.
_LARGEST = 1e15
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One value.

    Attributes:
        at: when; aware.
        value: in the unit of its series.
    """

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart.

    Attributes:
        lines: of each series, same order, the places of its points from the left, as (x, y).
        up: ticks of the vertical axis: (y, what it says).
        across: ticks of the horizontal one, no two of which say the same: (x, when).
        clock: whether they are told with the time of day, since there are not as many days.
    """

    lines: Sequence[Sequence[tuple[float, float]]]
    up: Sequence[tuple[float, str]]
    across: Sequence[tuple[float, datetime]]
    clock: bool


def drawn(series: Sequence[Sequence[Point]]) -> Drawn | None:
    """The chart of some series, each in the order of time; None where there is nothing to draw."""
    series = [[one for one in line if abs(one.value) <= _LARGEST] for line in series]
    points = [point for one in series for point in one]
    if not points:
        return None
    ticks = _ticks(min(one.value for one in points), max(one.value for one in points))
    low, high = ticks[0], ticks[-1]
    first, last = min(one.at for one in points), max(one.at for one in points)
    steps = _steps(first, last)
    if first == last:
        first, last = first - timedelta(days=1), last + timedelta(days=1)

    def x(at: datetime) -> float:
        return round(_LEFT + (at - first) / (last - first) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BELOW), 1)

    return Drawn(
        [[(x(one.at), y(one.value)) for one in line] for line in series],
        [(y(tick), f"{tick:g}") for tick in ticks],
        [(x(step), step) for step in steps],
        timedelta(0) < last - first < _DAYS and len(steps) > 1,
    )


def _steps(first: datetime, last: datetime) -> list[datetime]:
    """Instants at equal distances that are not written alike: a day apart and more, or a minute."""
    apart = (last - first) / (_ACROSS - 1)
    if apart < timedelta(minutes=1):
        return [first, last] if last - first >= timedelta(minutes=1) else [first]
    return [first + apart * step for step in range(_ACROSS)]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances, from one at or under `low` to one at or over `high`; two at least."""
    spread, large = high - low, max(abs(low), abs(high))
    if spread <= max(large, 1.0) / 1_000_000:
        # As good as one value: what tells them apart would be beyond the digits of the axis.
        spread = large / 10 if large > 0.001 else 1.0
    size = 10.0 ** math.floor(math.log10(spread / _UP))
    step = next(one for one in (size * factor for factor in _ROUND) if spread / one <= _UP)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last:
        first, last = first - 1, last + 1
    return [round(number * step, 10) for number in range(first, last + 1)]
