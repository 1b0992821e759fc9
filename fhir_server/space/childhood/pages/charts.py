"""A chart of growth: a child's values over WHO's curves, by age, as coordinates for a template to draw.

The same values stand in the table beside it (WCAG 1.1.1); curves are told apart by words at their ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from fhir_server.space.childhood import growth
from fhir_server.space.childhood.measures import GROWTH, Grown
from fhir_server.space.childhood.notebook import Notebook
from fhir_server.space.record.pages.chart import Drawn, Point, drawn

#: Periods that may be chosen → (until which age, in days; words).
PERIODS: dict[str, tuple[int, tuple[str, str]]] = {
    "2-ans": (731, ("0 à 2 ans", "0 to 2 years")),
    "5-ans": (1826, ("0 à 5 ans", "0 to 5 years")),
    "19-ans": (6940, ("0 à 19 ans", "0 to 19 years")),
}
_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of one measure.

    Attributes:
        code, words, unit: of the measure.
        drawn: curves first, in the order of `growth.DRAWN` where there are any, then the child's values.
        curves: how many of the lines are curves.
        ages: what the ticks of the horizontal axis say, same order: (years, months).
        rows: its values, the newest first.
    """

    code: str
    words: tuple[str, str]
    unit: str
    drawn: Drawn
    curves: int
    ages: Sequence[tuple[int, int]]
    rows: Sequence[Grown]


def period(one: Notebook, asked: str) -> str:
    """The period that is shown: as asked, or the first in which the child is."""
    if asked in PERIODS or one.born is None:
        return asked if asked in PERIODS else "2-ans"
    days = (one.today - one.born).days
    return next((name for name, (until, _) in PERIODS.items() if days <= until), "19-ans")


def charts(one: Notebook, name: str, zone: ZoneInfo) -> list[Chart]:
    """A chart of each measure that there is something to draw of in a period."""
    found = []
    for code, (words, unit) in GROWTH.items():
        rows = [row for row in one.grown if row.code == code]
        within = [row for row in rows if row.days <= PERIODS[name][0]]
        curves = growth.curves(code, one.sex, PERIODS[name][0])
        if one.born is None or not (within or curves):
            continue
        begin = datetime.combine(one.born, time(12), zone)
        lines = [[Point(begin + timedelta(days=days), value) for days, value in curve] for curve in curves]
        own = [Point(begin + timedelta(days=row.days), row.value) for row in reversed(within)]
        made = drawn([*lines, own])
        if made is not None:
            ages = [_age((at - begin).days) for _, at in made.across]
            found.append(Chart(code, words, unit, made, len(curves), ages, rows))
    return found


def _age(days: int) -> tuple[int, int]:
    months = round(days / _YEAR * 12)
    return divmod(months, 12)
