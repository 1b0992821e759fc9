"""The table of an indicator on a day, made from the counts that are kept; small cells are not in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fhir_server.space.accounts.states import STATES
from fhir_server.space.indicators.counting import cells
from fhir_server.space.indicators.definitions import Indicator
from fhir_server.space.indicators.facts import FACTS
from fhir_server.space.indicators.hiding import TOTAL, Place, hidden, small, with_totals
from fhir_server.space.indicators.sectors import SECTORS
from fhir_server.space.paris import PARIS
from fhir_server.store.protocol import Records

#: Full months, and full weeks, of a table.
MONTHS, WEEKS = 12, 12
#: The one column of a table without columns; the row of all that are not among the greatest.
COUNT, OTHERS = "count", "others"
#: In which order a table has them, where it is not by number.
_ORDER: dict[str, tuple[str, ...]] = {
    "sector": tuple(SECTORS),
    "by": ("professional", "patient", "close", "other"),
    "way": ("emergency", "refused"),
    "state": (*STATES, "current", "masked", "replaced"),
}
#: State of a Patient without a life → states of lives whose Patient says the same.
_SAID_BY = {
    "open": ("open", "activated"),
    "closed": ("informed", "opposed", "closed", "suspended", "erased", "merged"),
    "deceased": ("deceased",),
}


@dataclass(frozen=True, slots=True)
class Table:
    """An indicator on a day.

    Attributes:
        indicator: which.
        first, last: days of the period, both within; both the day itself where there is none.
        rows, columns: keys of them, in order, without totals.
        values: (row, column) → count; None: too few to be shown. `TOTAL` among rows and columns where they add up.
    """

    indicator: Indicator
    first: date
    last: date
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: dict[Place, int | None]

    @property
    def lines(self) -> tuple[str, ...]:
        """Its rows, and the total where they add up."""
        return (*self.rows, TOTAL) if self.indicator.summed else self.rows

    @property
    def heads(self) -> tuple[str, ...]:
        """Its columns, and the total where there are several that add up."""
        return (*self.columns, TOTAL) if self.indicator.summed and len(self.columns) > 1 else self.columns


async def persons(records: Records) -> int:
    """Patients on file: by whom "per inhabitant" divides."""
    return sum((await cells(records, "births")).values())


async def table(records: Records, indicator: Indicator, now: datetime) -> Table:
    """The table as of an instant, by the calendar of Paris."""
    day = now.astimezone(PARIS).date()
    found = await _counts(records, indicator, day)
    rows, columns = _rows(indicator, found, day), _columns(indicator, found)
    first, last = _period(indicator, day)
    if not indicator.summed:
        plain = {(row, COUNT): found[row, COUNT] for row in rows}
        shown = {place: None if small(value) else value for place, value in plain.items()}
        return Table(indicator, first, last, rows, columns, shown)
    values = with_totals(rows, columns, _gathered(found, rows))
    secret = hidden(values)
    shown = {place: None if place in secret else value for place, value in values.items()}
    return Table(indicator, first, last, rows, columns, shown)


async def _counts(records: Records, indicator: Indicator, day: date) -> Counter[Place]:
    dims = FACTS[indicator.fact]
    months = frozenset(months_before(day)) if indicator.window == "months" and "month" in dims else None
    found: Counter[Place] = Counter()
    for cell, count in (await cells(records, indicator.fact)).items():
        said = dict(zip(dims, cell, strict=True))
        if months is not None and said["month"] not in months:
            continue
        if any(said[dim] not in allowed for dim, allowed in indicator.only.items()):
            continue
        row = said[indicator.rows]
        row = _band(row, day) if indicator.rows == "year" else row
        found[row, said[indicator.columns] if indicator.columns else COUNT] += count
    if indicator.code == "states":
        await _without_life(records, found)
    return found


async def _without_life(records: Records, found: Counter[Place]) -> None:
    """Add the spaces of which nothing is written: of each state that a Patient says, those that have no life."""
    said: Counter[str] = Counter()
    for (state, _), count in (await cells(records, "patients")).items():
        said[state] += count
    for state, lives in _SAID_BY.items():
        found[state, COUNT] += max(0, said[state] - sum(found[one, COUNT] for one in lives))


def months_before(day: date) -> tuple[str, ...]:
    """The full months before a day, oldest first."""
    number = day.year * 12 + day.month - 1
    return tuple(f"{one // 12}-{one % 12 + 1:02}" for one in range(number - MONTHS, number))


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
    return date.fromisoformat(f"{months_before(day)[0]}-01"), day.replace(day=1) - timedelta(days=1)


def _rows(indicator: Indicator, found: Counter[Place], day: date) -> tuple[str, ...]:
    if indicator.rows in ("month", "period"):
        return weeks_before(day) if indicator.window == "weeks" else months_before(day)
    names = _ordered(indicator.rows, {row for row, _ in found})
    if not indicator.top:
        return names
    greatest = sorted(names, key=lambda one: (-found[one, COUNT], one))
    return (*greatest[: indicator.top], OTHERS) if len(greatest) > indicator.top else tuple(greatest)


def _columns(indicator: Indicator, found: Counter[Place]) -> tuple[str, ...]:
    return _ordered(indicator.columns, {column for _, column in found}) if indicator.columns else (COUNT,)


def _ordered(dim: str, names: set[str]) -> tuple[str, ...]:
    known = _ORDER.get(dim, ())
    return tuple(sorted(names, key=lambda one: (known.index(one) if one in known else len(known), one)))


def _gathered(found: Counter[Place], rows: Sequence[str]) -> Counter[Place]:
    if OTHERS not in rows:
        return found
    gathered: Counter[Place] = Counter()
    for (row, column), count in found.items():
        gathered[row if row in rows else OTHERS, column] += count
    return gathered


def _band(year: str, day: date) -> str:
    """The ten years of age that who was born in a year reaches this year: "30-39", "90+"; "" where it is not said."""
    if not year:
        return ""
    age = max(0, min(90, (day.year - int(year)) // 10 * 10))
    return f"{age:02}+" if age == 90 else f"{age:02}-{age + 9:02}"
