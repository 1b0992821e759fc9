"""The published figures beside what the simulated nation reports of itself: `seed/nation-figures.csv`.

Each is asked on its day of the indicator that answers everybody, small cells hidden as they are to everybody, and what
it said is kept. A figure of the first half of a month is asked when the month before is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal

import msgspec

from fhir_server.app import House
from fhir_server.population.tables import rows
from fhir_server.simulation.counting import Counting
from fhir_server.simulation.course import month_number
from fhir_server.simulation.journal import Journal
from fhir_server.space.indicators.definitions import BY_CODE
from fhir_server.space.indicators.hiding import TOTAL
from fhir_server.space.indicators.tables import COUNT, Table
from fhir_server.space.indicators.telling import as_of
from fhir_server.store.protocol import Records

#: in: within its tolerance; hidden: too few to be told at this scale; ahead: its day has not come.
Verdict = Literal["in", "out", "hidden", "ahead"]
_HALF = 15


@dataclass(frozen=True, slots=True)
class Figure:
    """A published figure, and which indicator says the same.

    Attributes:
        code: what it is called here.
        day: of which it was said.
        indicator: by which it is answered.
        windows: how many tables of it are added, each a year before the other.
        rows, columns: of the table, by "+"; "*" all of them, "last" the last; "" where there is one.
        of: the same of what it is a share; "" where it is a number.
        figure: as published: persons, spaces, documents; or percent.
        tolerance: how far it may be off, in percent of the figure.
        source: who published it.
        contradiction: what else was published, or what does not fit; "" for nothing.
    """

    code: str
    day: date
    indicator: str
    windows: int
    rows: str
    columns: str
    of: str
    figure: float
    tolerance: float
    source: str
    contradiction: str

    @property
    def month(self) -> int:
        """After which month it is asked, in months since the year 0."""
        return month_number(f"{self.day:%Y-%m}") - (self.day.day <= _HALF)


class Answer(msgspec.Struct, frozen=True):
    """What an indicator said, unscaled: how many, and of how many; None where a cell was too small to be told."""

    count: int | None
    among: int | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure beside the simulation, scaled; `simulated` is None where nothing is said."""

    figure: Figure
    simulated: float | None
    verdict: Verdict

    @property
    def off(self) -> float | None:
        """By how many percent of the figure the simulation is off."""
        return None if self.simulated is None else 100 * (self.simulated / self.figure.figure - 1)


def figures() -> tuple[Figure, ...]:
    """Every figure, in the order of the file."""
    return tuple(map(_read, rows("nation-figures")))


def _read(row: Mapping[str, str]) -> Figure:
    return Figure(
        code=row["code"],
        day=date.fromisoformat(row["day"]),
        indicator=row["indicator"],
        windows=int(row["windows"]),
        rows=row["rows"],
        columns=row["columns"],
        of=row["of"],
        figure=float(row["figure"]),
        tolerance=float(row["tolerance"]),
        source=row["source"],
        contradiction=row["contradiction"],
    )


async def asked(house: House, journal: Journal, counting: Counting, month: int) -> None:
    """Ask what is to be asked when a month is over, and keep the answers."""
    due = [one for one in figures() if one.month == month]
    if not due:
        return
    await counting.done()
    for one in due:
        answer = await _answer(house.engine.records, one)
        await journal.keep_answer(one.code, msgspec.json.encode(answer))


async def compared(journal: Journal, scale: float) -> list[Compared]:
    """Every figure beside what was answered on its day."""
    found = []
    for one in figures():
        kept = await journal.answer(one.code)
        answer = None if kept is None else msgspec.json.decode(kept, type=Answer)
        found.append(_compared(one, answer, scale))
    return found


def _compared(figure: Figure, answer: Answer | None, scale: float) -> Compared:
    if answer is None:
        return Compared(figure, None, "ahead")
    if answer.count is None or (figure.of and not answer.among):
        return Compared(figure, None, "hidden")
    simulated = 100 * answer.count / answer.among if figure.of and answer.among else answer.count * scale
    # Of so few, one more or less is no error of the course: as a count would vary by itself.
    chance = 200 / answer.count**0.5 if answer.count else 0.0
    within = abs(simulated / figure.figure - 1) * 100 <= max(figure.tolerance, min(chance, 2 * figure.tolerance))
    return Compared(figure, simulated, "in" if within else "out")


async def _answer(records: Records, figure: Figure) -> Answer:
    count = among = 0
    for back in range(figure.windows):
        day = figure.day.replace(year=figure.day.year - back)
        at = datetime.combine(day, time(12), UTC)
        found = await as_of(records, BY_CODE[figure.indicator], at)
        one, other = _of(found, figure)
        if one is None or other is None:
            return Answer(None, None)
        count, among = count + one, among + other
    return Answer(count, among if figure.of else None)


def _of(found: Table, figure: Figure) -> tuple[int | None, int | None]:
    if not figure.of:
        return _sum(found, figure.rows, figure.columns), 0
    # A share is one of columns where columns are named, and else one of rows.
    return _sum(found, figure.rows, figure.columns), (
        _sum(found, figure.rows, figure.of) if figure.columns else _sum(found, figure.of, "")
    )


def _sum(found: Table, rows: str, columns: str) -> int | None:
    total = 0
    for row in _named(rows, found.rows, found.lines):
        for column in _named(columns or "*", found.columns, found.heads):
            # What is not in the table at all has not happened.
            value = found.values.get((row, column), 0)
            if value is None:
                return None
            total += value
    return total


def _named(asked: str, names: tuple[str, ...], shown: tuple[str, ...]) -> tuple[str, ...]:
    if asked == "last":
        return names[-1:]
    if asked == "*":
        return (TOTAL,) if TOTAL in shown else names or (COUNT,)
    return tuple(asked.split("+"))
