"""The table of an indicator on a day, as it is told: made of all counts and of what was told before (`hiding`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fhir_server.space.accounts.states import STATES
from fhir_server.space.indicators.definitions import INDICATORS
from fhir_server.space.indicators.facts import FACTS, Cell
from fhir_server.space.indicators.hiding import TOTAL, Place, pooled, shared, small, steady, with_sums
from fhir_server.space.indicators.indicator import Indicator, Part
from fhir_server.space.indicators.sectors import SECTORS

#: Full months, and full weeks, of a table.
MONTHS, WEEKS = 12, 12
#: The one column of a table without columns.
COUNT = "count"
#: In which order a table has them, where it is not by number.
_ORDER: dict[str, tuple[str, ...]] = {
    "sector": tuple(SECTORS),
    "by": ("professional", "patient", "close", "other"),
    "way": ("emergency", "refused"),
    "state": (*STATES, "current", "masked", "replaced"),
    "from": ("professional", "patient", "end"),
    "became": ("booked", "asked", "cancelled", "noshow", "other"),
    "status": ("EN_LIGNE", "HORS_LIGNE", "PRESERIE", "SUSPENDUE", "DEREFERENCEE"),
    "majority": ("minor", "adult"),
}
#: State of a Patient without a life → states of lives whose Patient says the same.
_SAID_BY = {
    "open": ("open", "activated"),
    "closed": ("informed", "opposed", "closed", "suspended", "erased", "merged"),
    "deceased": ("deceased",),
}


#: Fact → its cells without its name → how many.
Counts = Mapping[str, Mapping[Cell, int]]


@dataclass(frozen=True, slots=True)
class Table:
    """An indicator on a day.

    Attributes:
        indicator: which.
        first, last: days of the period, both within; both the day itself where there is none.
        rows, columns: keys of them, in order, without totals.
        values: (row, column) → count; None: hidden. `TOTAL` among rows and columns where they add up.
    """

    indicator: Indicator
    first: date
    last: date
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Mapping[Place, int | None]

    @property
    def lines(self) -> tuple[str, ...]:
        """Its rows, and the total where they add up."""
        return (*self.rows, TOTAL) if self.indicator.summed else self.rows

    @property
    def heads(self) -> tuple[str, ...]:
        """Its columns, and the total where there are several that add up."""
        return (*self.columns, TOTAL) if self.indicator.summed and len(self.columns) > 1 else self.columns

    def part(self, names: frozenset[str], rows: Sequence[str] = ()) -> int:
        """The sum of what is told in some of its columns, or rows where it has one column; of these rows alone."""
        picked = set(names) or {*self.rows, *self.columns}
        return sum(
            self.values[row, column] or 0
            for row in (rows or self.rows)
            for column in self.columns
            if row in self.rows and (column in picked or row in picked)
        )


#: Code → the table that is told.
Tables = Mapping[str, Table]


def told(counts: Counts, day: date, before: Tables) -> dict[str, Table]:
    """All tables of a day of Paris, of all counts and of those that were told before; a pure function of them."""
    found: dict[str, Table] = {}
    for kind in ("cells", "open", "shares", "persons"):
        for one in INDICATORS:
            if one.kind == kind:
                found[one.code] = _table(one, counts, day, before.get(one.code), found)
    return {one.code: found[one.code] for one in INDICATORS}


def plain(one: Indicator, counts: Counts, day: date) -> Table:
    """The table of a day with true sums, small cells hidden: of a nation that is invented, and shown to nobody."""
    found = _counts(one, counts, day)
    rows, columns = _rows(one, found, day), _columns(one, found)
    if one.top:
        rows = tuple(sorted(rows, key=lambda row: (-found[row, COUNT], row)))[: one.top]
    values = with_sums(rows, columns, found)
    shown = {place: None if value is None or small(value) else value for place, value in values.items()}
    return Table(one, *_period(one, day), rows, columns, shown)


def _table(one: Indicator, counts: Counts, day: date, before: Table | None, others: Tables) -> Table:
    found = _counts(one, counts, day)
    rows, columns = _rows(one, found, day), _columns(one, found)
    was: Mapping[Place, int | None] = before.values if before is not None else {}
    first, last = _period(one, day)
    if one.kind == "cells":
        cells = {place: steady(found[place], was.get(place)) for place in ((r, c) for r in rows for c in columns)}
        return Table(one, first, last, rows, columns, with_sums(rows, columns, cells))
    if one.kind == "open":
        return Table(one, first, last, rows, columns, with_sums(rows, columns, found))
    if one.kind == "persons":
        values = {(row, COUNT): _persons(one, row, found[row, COUNT], was.get((row, COUNT)), others) for row in rows}
        return Table(one, first, last, rows, columns, values)
    return _shares(one, found, rows, was, others, day)


def _persons(one: Indicator, row: str, count: int, before: int | None, others: Tables) -> int | None:
    found = steady(count, before)
    if found is None or (one.within is not None and found > _most(one.within, row, others)):
        return None
    if one.among is None or not found:
        return found
    rest = others[one.among.code].part(one.among.names) - found
    return None if rest < 0 or small(rest) else found


def _most(within: Part, row: str, others: Tables) -> int:
    """How many there are at most in a row, by what is told."""
    there = others[within.code]
    if row in there.rows:
        return there.part(within.names, [row])
    return there.part(within.names, _months_of(row) if "-W" in row else ())


def _months_of(week: str) -> list[str]:
    monday = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
    return sorted({f"{one:%Y-%m}" for one in (monday, monday + timedelta(days=6))})


def _shares(
    one: Indicator,
    found: Counter[Place],
    rows: tuple[str, ...],
    was: Mapping[Place, int | None],
    others: Tables,
    day: date,
) -> Table:
    assert one.of is not None
    whole = others[one.of.code].part(one.of.names)
    # What is not within the window is a share too: with all the others it would be known.
    every = _ordered(one.rows, {row for row, _ in found} | set(rows))
    parts = shared({row: found[row, COUNT] for row in every}, whole)
    away = pooled(parts, one.closed)
    shown = {
        row: None if row in away or (away and not parts[row]) else steady(parts[row], was.get((row, COUNT)))
        for row in every
    }
    if not _is_fixed(one):
        rows = tuple(row for row in every if shown[row])
    if one.top:
        rows = tuple(sorted(rows, key=lambda row: (-(shown[row] or 0), row)))[: one.top]
    first, last = _period(one, day)
    return Table(one, first, last, rows, (COUNT,), {(row, COUNT): shown[row] for row in rows})


def _counts(indicator: Indicator, counts: Counts, day: date) -> Counter[Place]:
    dims = FACTS[indicator.fact]
    months = frozenset(_months(indicator, day)) if indicator.window in ("months", "before") else None
    months = months if "month" in dims else None
    # The months of shares are rows of a whole that has others.
    months = None if indicator.rows == "month" and indicator.kind == "shares" else months
    found: Counter[Place] = Counter()
    for cell, count in counts.get(indicator.fact, {}).items():
        said = dict(zip(dims, cell, strict=True))
        if months is not None and said["month"] not in months:
            continue
        if any(said[dim] not in allowed for dim, allowed in indicator.only.items()):
            continue
        row = _OF_YEAR[indicator.rows](said["year"], day) if indicator.rows in _OF_YEAR else said[indicator.rows]
        found[row, said[indicator.columns] if indicator.columns else COUNT] += count
    if indicator.code == "states":
        _without_life(counts, found)
    return found


def _without_life(counts: Counts, found: Counter[Place]) -> None:
    """Add the spaces of which nothing is written: of each state that a Patient says, those that have no life."""
    said: Counter[str] = Counter()
    for (state, _), count in counts.get("patients", {}).items():
        said[state] += count
    for state, lives in _SAID_BY.items():
        found[state, COUNT] += max(0, said[state] - sum(found[one, COUNT] for one in lives))


def _is_fixed(indicator: Indicator) -> bool:
    return indicator.rows in ("month", "period") and indicator.window != "ever"


def months_before(day: date) -> tuple[str, ...]:
    """The full months before a day, oldest first."""
    number = day.year * 12 + day.month - 1
    return tuple(f"{one // 12}-{one % 12 + 1:02}" for one in range(number - MONTHS, number))


def _months(indicator: Indicator, day: date) -> tuple[str, ...]:
    return months_before(day.replace(year=day.year - 1, day=1) if indicator.window == "before" else day)


def weeks_before(day: date) -> tuple[str, ...]:
    """The full weeks of ISO 8601 before a day, oldest first."""
    mondays = [day - timedelta(days=day.weekday(), weeks=back) for back in range(WEEKS, 0, -1)]
    return tuple(f"{one.isocalendar().year}-W{one.isocalendar().week:02}" for one in mondays)


def _period(indicator: Indicator, day: date) -> tuple[date, date]:
    if indicator.window == "ever":
        return day, day
    if indicator.window == "weeks":
        monday = day - timedelta(days=day.weekday())
        return monday - timedelta(weeks=WEEKS), monday - timedelta(days=1)
    last = day.replace(day=1) - timedelta(days=1)
    if indicator.window == "before":
        last = day.replace(day=1, year=day.year - 1) - timedelta(days=1)
    return date.fromisoformat(f"{_months(indicator, day)[0]}-01"), last


def _rows(indicator: Indicator, found: Counter[Place], day: date) -> tuple[str, ...]:
    if _is_fixed(indicator):
        return weeks_before(day) if indicator.window == "weeks" else _months(indicator, day)
    return _ordered(indicator.rows, {row for (row, _), count in found.items() if count})


def _columns(indicator: Indicator, found: Counter[Place]) -> tuple[str, ...]:
    return (
        _ordered(indicator.columns, {column for (_, column), count in found.items() if count})
        if indicator.columns
        else (COUNT,)
    )


def _ordered(dim: str, names: set[str]) -> tuple[str, ...]:
    known = _ORDER.get(dim, ())
    return tuple(sorted(names, key=lambda one: (known.index(one) if one in known else len(known), one)))


def _band(year: str, day: date) -> str:
    """The ten years of age that who was born in a year reaches this year: "30-39", "90+"; "" where it is not said."""
    if not year:
        return ""
    age = max(0, min(90, (day.year - int(year)) // 10 * 10))
    return f"{age:02}+" if age == 90 else f"{age:02}-{age + 9:02}"


def _majority(year: str, day: date) -> str:
    """Whether who was born in a year is a minor all of this year; "" where it is not said."""
    return ("minor" if day.year - int(year) <= 17 else "adult") if year else ""


#: What rows are made of the year of birth → how.
_OF_YEAR: Mapping[str, Callable[[str, date], str]] = {"year": _band, "majority": _majority}
