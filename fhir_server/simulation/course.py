"""The course of the years as published figures have it: `seed/nation.csv`, in thousands, straight between its rows.

A stock says how many there are at the end of a month, a flow how many there were within it, a share what part of the
flow of documents a sector has, in percent. In small the whole is kept: what is rounded off in a month comes in the
next, so that years add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from itertools import pairwise

from fhir_server.population.tables import rows

#: Series that say how many there are; all others how many there were in the month.
STOCKS = frozenset({"told", "activated", "closed"})
#: Sector → the series of its documents, and the one by whose percentage it has part in it; "" for all.
SECTORS: Mapping[str, tuple[str, str]] = {
    **{
        one: ("fed", f"share-{one}")
        for one in ("biology", "hospital", "community", "radiology", "pharmacy", "care-home")
    },
    "insurance": ("insurance", ""),
    "patient": ("patient", ""),
    "app": ("app", ""),
}
#: Days of a month on which time is let act: notices go out, spaces open, people come.
TICKS = (7, 14, 21, 28)


def month_number(text: str) -> int:
    """Months since the year 0 of "2021-07".

    Raises:
        ValueError: it is no month.
    """
    day = date.fromisoformat(f"{text}-01")
    return day.year * 12 + day.month - 1


def month_text(number: int) -> str:
    """ "2021-07" of months since the year 0."""
    return f"{number // 12:04}-{number % 12 + 1:02}"


def first_day(number: int) -> date:
    """The first day of a month."""
    return date(number // 12, number % 12 + 1, 1)


def days_of(number: int) -> int:
    """How many days a month has."""
    return (first_day(number + 1) - first_day(number)).days


def moment(number: int, tick: int) -> datetime:
    """When time is let act for the `tick`th time, from 0, in a month."""
    return datetime.combine(first_day(number).replace(day=TICKS[tick]), time(9), UTC)


def beginning() -> int:
    """The month in which the series begin to rise."""
    return min(month for one in STOCKS for month, _ in _knots(one)) + 1


def stock(series: str, month: int, part: float = 1.0) -> float:
    """How many there are in the nation, in thousands, when so much of a month is over."""
    return _at(series, month - 1 + part)


def flow(series: str, month: int) -> float:
    """How many there are of it in the nation in a month, in thousands."""
    return _at(series, month)


def of_sector(sector: str, month: int) -> float:
    """Documents of a sector in a month, in thousands."""
    series, share = SECTORS[sector]
    return flow(series, month) * (flow(share, month) / 100 if share else 1.0)


class Small:
    """The nation divided by a scale, in whole people and things."""

    def __init__(self, scale: float, first: int) -> None:
        """`first` is the month in which it begins: what was before is there from it on."""
        self._scale = scale
        self._first = first

    def there(self, series: str, month: int, part: float = 1.0) -> int:
        """How many there are of a stock when so much of a month is over."""
        return max(0, int(1000 * stock(series, month, part) / self._scale + 0.5))

    def new(self, series: str, month: int) -> int:
        """How many of a flow fall into a month."""
        return self._until(series, month) - self._until(series, month - 1)

    def documents(self, sector: str, month: int) -> int:
        """How many documents of a sector fall into a month."""
        return self._sector_until(sector, month) - self._sector_until(sector, month - 1)

    def _until(self, series: str, month: int) -> int:
        return int(1000 * sum(flow(series, one) for one in range(self._first, month + 1)) / self._scale + 0.5)

    def _sector_until(self, sector: str, month: int) -> int:
        return int(1000 * sum(of_sector(sector, one) for one in range(self._first, month + 1)) / self._scale + 0.5)


@cache
def _knots(series: str) -> tuple[tuple[int, float], ...]:
    found = [row for row in rows("nation") if row["series"] == series]
    return tuple((month_number(row["month"]), float(row["thousands"])) for row in found)


@cache
def _at(series: str, month: float) -> float:
    knots = _knots(series)
    if month <= knots[0][0]:
        return knots[0][1] if series in STOCKS or series.startswith("share-") or month == knots[0][0] else 0.0
    for (before, low), (after, high) in pairwise(knots):
        if month <= after:
            return low + (high - low) * (month - before) / (after - before)
    (before, low), (after, high) = knots[-2:]
    # Beyond the last figure what is there goes on to grow as it did, and what happens goes on as it was.
    return high + (high - low) * (month - after) / (after - before) if series in STOCKS else high
