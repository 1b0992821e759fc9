"""Months as people see them: weeks from Monday, days of the months beside to fill them (ISO 8601)."""

from __future__ import annotations

import re
from calendar import Calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: Names of the days, Monday first, by language.
WEEKDAYS = {
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche".split(),
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
}
#: Years that a calendar has: others are slips of the hand, and before these zones count seconds, which R4's do not.
FIRST, LAST = 1920, 2199
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of the grid: whether it is of the month, whether it is today, how many things there are."""

    day: date
    inside: bool
    today: bool
    count: int


@dataclass(frozen=True, slots=True)
class Month:
    """A month, by its first day."""

    first: date

    @property
    def after(self) -> Month:
        """The month after this one."""
        return Month((self.first + timedelta(days=31)).replace(day=1))

    @property
    def before(self) -> Month:
        """The month before this one."""
        return Month((self.first - timedelta(days=1)).replace(day=1))

    @property
    def said(self) -> str:
        """Year and month: "2026-11"."""
        return f"{self.first:%Y-%m}"

    @property
    def is_shown(self) -> bool:
        """Whether a calendar has it."""
        return FIRST <= self.first.year <= LAST

    def begins(self, zone: ZoneInfo) -> datetime:
        """Its first instant in a zone."""
        return datetime.combine(self.first, time(), zone)


def month(said: str, today: date) -> Month:
    """The month that an address names; the one of today where it names none."""
    found = _MONTH.fullmatch(said)
    named = Month(date(int(found[1]), int(found[2]), 1)) if found and FIRST <= int(found[1]) <= LAST else None
    return named or Month(today.replace(day=1))


def weeks(of: Month, today: date, counts: Mapping[date, int]) -> list[list[Cell]]:
    """The grid of a month; `counts`: day → how many things there are."""
    rows = Calendar().monthdatescalendar(of.first.year, of.first.month)
    return [[_cell(day, of, today, counts) for day in row] for row in rows]


def _cell(day: date, of: Month, today: date, counts: Mapping[date, int]) -> Cell:
    inside = (day.year, day.month) == (of.first.year, of.first.month)
    return Cell(day, inside, day == today, counts.get(day, 0) if inside else 0)
