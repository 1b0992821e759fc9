"""What prevention is due at which age: dated data of `profiles/ens/prevention`, and a person's own dates by it.

Domain file (agenda) §3 and §4. Each file says from when it holds and where it is from; of several that hold, the last.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, Literal

import msgspec

from fhir_server.fhir.definitions import folder

Kind = Literal["examination", "dental", "vaccination", "screening", "check-up"]
#: Steps of what comes again and again that are looked at: more than a life has.
_MOST = 200


class Age(msgspec.Struct, frozen=True):
    """An age, or a length of time: the sum of its parts."""

    years: int = 0
    months: int = 0
    days: int = 0

    def after(self, day: date) -> date:
        """The day that comes so much later; the last of its month where that has none of this number."""
        months = day.month - 1 + self.months + 12 * self.years
        year, month = day.year + months // 12, months % 12 + 1
        return date(year, month, min(day.day, monthrange(year, month)[1])) + timedelta(days=self.days)


class Window(msgspec.Struct, frozen=True, rename={"low": "from", "high": "until"}):
    """From which age on, and up to which, that day not included."""

    low: Age
    high: Age


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """Something that is due at an age.

    Attributes:
        code: names it for all time.
        kind: of it.
        title, reason: in French and in English; the reason is shown wherever it is.
        requirement: "mandatory" or "recommended".
        windows: at which ages, each of them once.
        source: of `Calendar.sources`.
        every: after how long it comes again inside its window; None for once.
        sex: R4 gender of whom it is for; None for everybody.
        born_from: whom it is for were born on that day or later; None for everybody.
        certificate: number of the child's certificate that it ends with; None for none.
    """

    code: str
    kind: Kind
    title: tuple[str, str]
    reason: tuple[str, str]
    requirement: Literal["mandatory", "recommended"]
    windows: tuple[Window, ...]
    source: str
    every: Age | None = None
    sex: Literal["female", "male"] | None = None
    born_from: date | None = None
    certificate: int | None = None


class Calendar(msgspec.Struct, frozen=True, rename="camel"):
    """What holds from a day on, where it is from, and its items."""

    valid_from: date
    sources: Mapping[str, str]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """An item at a time of somebody's life: from `start` on, before `end`. Its code and start name it."""

    item: Item
    start: date
    end: date

    @property
    def key(self) -> str:
        """What names it among somebody's."""
        return f"{self.item.code}|{self.start.isoformat()}"


@cache
def calendars() -> tuple[Calendar, ...]:
    """Every file, the last that holds first."""
    files = sorted((folder("profiles") / "ens" / "prevention").glob("*.json"))
    read = (msgspec.json.decode(file.read_bytes(), type=Calendar) for file in files)
    return tuple(sorted(read, key=lambda one: one.valid_from, reverse=True))


def calendar(on: date) -> Calendar:
    """The calendar that holds on a day; the first of all before."""
    return next((one for one in calendars() if one.valid_from <= on), calendars()[-1])


def of(tree: Mapping[str, Any], on: date) -> Iterator[Due]:
    """All that is due in the life of a Patient, as the calendar of a day has it; nothing of who has died."""
    born = birth(tree)
    if born is None or tree.get("deceasedBoolean") is True or "deceasedDateTime" in tree or born.year > on.year + 1:
        return
    for item in calendar(on).items:
        if _concerns(item, born, tree.get("gender")):
            yield from dues(item, born)


def birth(tree: Mapping[str, Any]) -> date | None:
    """The day of birth of a Patient; the first that it may be, where it is said less closely."""
    said = tree.get("birthDate")
    if not isinstance(said, str):
        return None
    found = date.fromisoformat(f"{said}-01-01"[:10] if len(said) == 4 else f"{said}-01"[:10])
    return found if 1800 <= found.year <= 2199 else None


def dues(item: Item, born: date) -> Iterator[Due]:
    """An item in the life of somebody born on a day, in order."""
    for window in item.windows:
        start, end = window.low.after(born), window.high.after(born)
        if item.every is None:
            yield Due(item, start, end)
            continue
        for step in range(_MOST):
            low, high = (Age(months=item.every.months * n).after(start) for n in (step, step + 1))
            if low >= end:
                break
            yield Due(item, low, min(high, end))


def _concerns(item: Item, born: date, gender: Any) -> bool:
    """Whether it is for them; a sex that is not said, or is another, leaves nothing out."""
    other = {"female": "male", "male": "female"}
    if item.sex is not None and gender == other[item.sex]:
        return False
    return item.born_from is None or born >= item.born_from
