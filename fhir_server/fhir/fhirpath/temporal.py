"""Dates, dates with times and times of day of any precision: reading, comparing, adding durations.

http://hl7.org/fhirpath/N1/#date-2 and following. A part that was not written is unknown, so two values that agree as
far as both go compare as "unknown" (None).
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime as Clock
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import ClassVar

Part = int | Decimal


@dataclass(frozen=True, slots=True)
class Temporal:
    """A date or time known to some precision.

    Attributes:
        parts: year, month, day, hour, minute (ints), second (Decimal with the digits written), as many as are known;
            of a Time from the hour on.
        zone: minutes east of UTC, None where no offset was written.
    """

    parts: tuple[Part, ...]
    zone: int | None = None

    #: How many parts of a full date stand before the first of `parts`.
    first: ClassVar[int] = 0

    def __str__(self) -> str:
        date = "-".join(_digits(p, 4 if i == 0 else 2) for i, p in enumerate(self.parts[:3]))
        time = ":".join(_digits(p, 2) for p in self.parts[3:])
        return f"{date}T{time}{_zone(self.zone)}" if time else date


@dataclass(frozen=True, slots=True)
class Date(Temporal):
    """A System.Date: one to three parts."""


@dataclass(frozen=True, slots=True)
class DateTime(Temporal):
    """A System.DateTime: one to six parts."""


@dataclass(frozen=True, slots=True)
class Time(Temporal):
    """A System.Time: one to three parts, the hour first."""

    first: ClassVar[int] = 3

    def __str__(self) -> str:
        return ":".join(_digits(p, 2) for p in self.parts)


_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_TIME = r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?"
_DATETIME = re.compile(rf"{_DATE.pattern}(?:T(?:{_TIME})?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_TIME_OF_DAY = re.compile(_TIME, re.ASCII)


@lru_cache(maxsize=8192)
def date(text: str) -> Date | None:
    """The Date that `text` writes, None where there is no such day."""
    match = _DATE.fullmatch(text) if isinstance(text, str) else None
    parts = _numbers(match.groups()) if match else ()
    return Date(parts) if parts and _exists(parts) else None


@lru_cache(maxsize=8192)
def datetime(text: str) -> DateTime | None:
    """The DateTime that `text` writes (a date alone is one of lower precision), None where there is none."""
    match = _DATETIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    *numbers, offset = match.groups()
    parts = _numbers(tuple(numbers))
    zone = _offset(offset)
    if not _exists(parts) or (zone is not None and abs(zone) > 14 * 60):
        return None
    if len(parts) > 3 and None in numbers[:3]:
        return None
    return DateTime(parts, zone)


@lru_cache(maxsize=8192)
def time(text: str) -> Time | None:
    """The Time that `text` (without the T) writes, None where there is none."""
    match = _TIME_OF_DAY.fullmatch(text) if isinstance(text, str) else None
    parts = _numbers(("2000", "01", "01", *match.groups()))[3:] if match else ()
    return Time(parts) if parts and _clock(parts) else None


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None where the precision or a missing offset leaves it open.

    Raises:
        TypeError: a time of day and a date.
    """
    if left.first != right.first:
        raise TypeError
    if left.zone == right.zone or len(left.parts) < 4 or len(right.parts) < 4:
        return _by_parts(left.parts, right.parts)
    if left.zone is None or right.zone is None:
        return _uncertain(left, right)
    return _by_parts(universal(left), universal(right))


#: Unit of a duration → which part it changes (index into a full date) and how many of that part it is.
UNITS: dict[str, tuple[int, int | Decimal]] = {
    "year": (0, 1),
    "month": (1, 1),
    "week": (2, 7),
    "day": (2, 1),
    "hour": (3, 1),
    "minute": (4, 1),
    "second": (5, 1),
    "millisecond": (5, Decimal("0.001")),
}
#: How many seconds an hour, a minute and a second are.
_SECONDS = {3: 3600, 4: 60, 5: 1}
#: How many of a part make one of the part before it, where a value is less precise than the duration added to it.
_COARSER = {1: 12, 2: 30, 3: 24, 4: 60, 5: 60}


def plus(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """`value` moved by `amount` of `unit` (a key of `UNITS`), in its own precision; None beyond the years 1 to 9999.

    http://hl7.org/fhirpath/N1/#datetime-arithmetic: fractions count for seconds only; a day that the target month lacks
    becomes its last.
    """
    at, factor = UNITS[unit]
    count = amount * factor if at == 5 else Decimal(int(amount) * factor)
    last = value.first + len(value.parts) - 1
    while at > last:
        count = Decimal(int(count / (365 if at == 2 and last == 0 else _COARSER[at])))
        at = 0 if at == 2 and last == 0 else at - 1
    try:
        parts = _moved(value, at, count)
    except (OverflowError, ValueError):
        return None
    return type(value)(parts, value.zone)


def _moved(value: Temporal, at: int, count: Decimal) -> tuple[Part, ...]:
    if at < 2 and not value.first:
        return _months(value.parts, int(count) * (12 if at == 0 else 1))
    full: list[Part] = [1, 1, 1, 0, 0, Decimal(0)]
    start = value.first
    full[start : start + len(value.parts)] = value.parts
    if value.first:
        full[0] = 2000  # any day: a time of day turns round at midnight
    seconds = Decimal(full[5])
    microseconds = int(seconds * 1_000_000)
    year, month, day, hour, minute = (int(part) for part in full[:5])
    clock = Clock(year, month, day, hour, minute) + timedelta(microseconds=microseconds)  # noqa: DTZ001 (a wall clock)
    if at == 2:
        clock += timedelta(days=int(count))
    else:
        clock += timedelta(microseconds=int(count * _SECONDS[at] * 1_000_000))
    second = (Decimal(clock.second) + Decimal(clock.microsecond).scaleb(-6)).quantize(_unit_of(seconds, clock))
    moved = (clock.year, clock.month, clock.day, clock.hour, clock.minute, second)
    return moved[start : start + len(value.parts)]


def _unit_of(seconds: Decimal, clock: Clock) -> Decimal:
    digits = -int(seconds.as_tuple().exponent)
    if clock.microsecond:
        digits = max(digits, 3 if clock.microsecond % 1000 == 0 else 6)
    return Decimal(1).scaleb(-min(digits, 6))


def _months(parts: tuple[Part, ...], count: int) -> tuple[Part, ...]:
    months = int(parts[0]) * 12 + (int(parts[1]) - 1 if len(parts) > 1 else 0) + count
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    if len(parts) < 3:
        return (year, month + 1)[: len(parts)]
    return (year, month + 1, min(int(parts[2]), monthrange(year, month + 1)[1]), *parts[3:])


def _by_parts(left: tuple[Part, ...], right: tuple[Part, ...]) -> int | None:
    for a, b in zip(left, right, strict=False):
        if a != b:
            return -1 if a < b else 1
    return 0 if len(left) == len(right) else None


def universal(value: Temporal) -> tuple[Part, ...]:
    """The parts as a clock at UTC would show them; as they are where there is no offset or no hour."""
    if not value.zone or len(value.parts) < 4:
        return value.parts
    year, month, day, hour, *rest = value.parts
    clock = Clock(int(year), int(month), int(day), int(hour), int(rest[0]) if rest else 0)  # noqa: DTZ001
    try:
        clock -= timedelta(minutes=value.zone)
    except OverflowError:
        return value.parts
    return (clock.year, clock.month, clock.day, clock.hour, clock.minute, *rest[1:])[: max(len(value.parts), 5)]


def _uncertain(left: Temporal, right: Temporal) -> int | None:
    # A value without an offset may be up to 14 hours (one day, to be plain) away from where it seems.
    days = [Clock(int(p[0]), int(p[1]), int(p[2])).toordinal() for p in (left.parts, right.parts)]  # noqa: DTZ001
    if abs(days[0] - days[1]) < 3:
        return None
    return -1 if days[0] < days[1] else 1


def _numbers(groups: tuple[str | None, ...]) -> tuple[Part, ...]:
    # Seconds are the last of three (a time) or of six (a date and time); months and days never have a fraction.
    seconds = len(groups) - 1
    known = [text for text in groups if text is not None]
    return tuple(Decimal(text) if index == seconds and index != 2 else int(text) for index, text in enumerate(known))


def _exists(parts: tuple[Part, ...]) -> bool:
    year, month, day = (*(int(p) for p in parts[:3]), *(1, 1, 1)[len(parts[:3]) :])
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]):
        return False
    return _clock(parts[3:])


def _clock(parts: tuple[Part, ...]) -> bool:
    # 60 is a leap second: R4 allows it, and it compares as it is written.
    return all(part < limit for part, limit in zip(parts, (24, 60, 61), strict=False))


def _offset(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def _zone(zone: int | None) -> str:
    if zone is None or zone == 0:
        return "" if zone is None else "Z"
    return f"{'-' if zone < 0 else '+'}{abs(zone) // 60:02d}:{abs(zone) % 60:02d}"


def _digits(part: Part, width: int) -> str:
    whole, point, fraction = str(part).partition(".")
    return whole.rjust(width, "0") + point + fraction
