"""When something recurs: a rule of RFC 5545 as far as opening hours need it, and the local times it means.

https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10. Days, weeks, months and years, with INTERVAL, COUNT, UNTIL,
BYDAY, BYMONTHDAY, BYMONTH, BYHOUR, BYMINUTE, BYSETPOS and WKST; every other part is refused by name, since leaving one
out would open an agenda at other times than its keeper said.
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: Frequency → the highest number that may stand before a day of the week; 0 for none.
_FREQUENCIES = {"DAILY": 0, "WEEKLY": 0, "MONTHLY": 5, "YEARLY": 53}
_BY_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
#: Repetitions that are counted at most, and intervals between them.
_MOST, _WIDEST = 10_000, 1_000
#: Times of one day of which BYSETPOS chooses: a year of them is put together.
_TIMES = 24


class BadRule(ValueError):
    """A rule that cannot be used; says why, without what else stands in the resource."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """A rule.

    Attributes:
        frequency: "DAILY", "WEEKLY", "MONTHLY", "YEARLY".
        interval: every so many of these.
        count: so often in all; None for no number.
        until: the last local time, itself included; None for no end.
        days: (which one of the month, or of a year without `months`, counted from its end where negative, 0 for each;
            weekday from 0, Monday).
        month_days: days of the month, from its end where negative.
        months, hours, minutes: those alone; where none is said, any month, and the hour and minute of the start.
        week_start: weekday that weeks begin on.
        positions: of all that a day, week, month or year has by the rest, those alone, from its end where negative.
    """

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    days: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    week_start: int = 0
    positions: tuple[int, ...] = ()

    @property
    def ends(self) -> bool:
        """Whether it ends by itself."""
        return self.count is not None or self.until is not None

    def times(self, start: datetime, first: date, last: date) -> Iterator[datetime]:
        """The local times, without zone, of the days from `first` to `last`, in their order.

        Args:
            start: the local time that it begins at.
            first, last: days; both are inside.
        """
        seen, day = 0, start.date()
        if self.count is None and first > day:
            # What is counted is counted from its beginning on; all else a day says by itself.
            day = first
        end = last if self.until is None else min(last, self.until.date())
        for at in self._chosen(start, day, end):
            if at < start or at.date() > end or (self.until is not None and at > self.until):
                continue
            seen += 1
            if self.count is not None and seen > self.count:
                return
            if at.date() >= first:
                yield at

    def _chosen(self, start: datetime, day: date, end: date) -> Iterator[datetime]:
        """All times of the days from `day` to `end`; by position, those of the whole periods that these are in."""
        if not self.positions:
            yield from self._each(start, day, end)
            return
        for _, some in groupby(self._each(start, self._begin(day), self._until_next(end)), self._period):
            times = list(some)
            places = {one - 1 if one > 0 else len(times) + one for one in self.positions}
            yield from (one for place, one in enumerate(times) if place in places)

    def _each(self, start: datetime, day: date, end: date) -> Iterator[datetime]:
        clock = self._clock(start)
        while day <= end:
            if self._has(day, start.date()):
                yield from (datetime.combine(day, one) for one in clock)
            day += timedelta(days=1)

    def _period(self, at: datetime) -> date:
        return self._begin(at.date())

    def _begin(self, day: date) -> date:
        """The first day of the period of the frequency that a day is in."""
        match self.frequency:
            case "DAILY":
                return day
            case "WEEKLY":
                return self._week(day)
            case "MONTHLY":
                return day.replace(day=1)
            case _:
                return day.replace(month=1, day=1)

    def _until_next(self, day: date) -> date:
        """The last day of the period that a day is in."""
        begin = self._begin(day)
        return self._begin(begin + timedelta(days=_LENGTHS[self.frequency])) - timedelta(days=1)

    def _clock(self, start: datetime) -> list[time]:
        hours, minutes = self.hours or (start.hour,), self.minutes or (start.minute,)
        return [time(hour, minute, start.second) for hour in sorted(set(hours)) for minute in sorted(set(minutes))]

    def _has(self, day: date, start: date) -> bool:
        if self.months and day.month not in self.months:
            return False
        if self.frequency == "DAILY":
            on_time = (day - start).days % self.interval == 0
            return on_time and self._of_month(day) and (not self.days or self._weekday(day))
        if self.frequency == "WEEKLY":
            weeks = (self._week(day) - self._week(start)).days // 7
            return weeks % self.interval == 0 and (
                self._weekday(day) if self.days else day.weekday() == start.weekday()
            )
        if self.frequency == "YEARLY":
            on_time, of_start = (day.year - start.year) % self.interval == 0, self.months or day.month == start.month
        else:
            months = (day.year - start.year) * 12 + day.month - start.month
            on_time, of_start = months % self.interval == 0, True
        if not on_time:
            return False
        if not self.days and not self.month_days:
            return bool(of_start) and day.day == start.day
        return self._of_month(day) and (not self.days or self._weekday(day))

    def _week(self, day: date) -> date:
        return day - timedelta(days=(day.weekday() - self.week_start) % 7)

    def _weekday(self, day: date) -> bool:
        number, length = day.day, _length(day)
        if self.frequency == "YEARLY" and not self.months:
            # RFC 5545 §3.3.10: of the year, unless BYMONTH is there.
            number, length = day.timetuple().tm_yday, 366 if isleap(day.year) else 365
        before, after = (number - 1) // 7 + 1, -((length - number) // 7 + 1)
        return any(wanted == day.weekday() and which in (0, before, after) for which, wanted in self.days)

    def _of_month(self, day: date) -> bool:
        return not self.month_days or day.day in self.month_days or day.day - _length(day) - 1 in self.month_days


def read(text: str, zone: ZoneInfo) -> Recurring:
    """The rule that a text says, `RRULE:` before it or not.

    Args:
        text: such as "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20270630T215959Z".
        zone: of the start, in whose local time UNTIL is compared.

    Raises:
        BadRule: it is no rule, or one that is not understood.
    """
    parts: dict[str, str] = {}
    for part in text.strip().removeprefix("RRULE:").strip().rstrip(";").split(";"):
        name, found, value = part.partition("=")
        if not found or not value or name.upper() in parts:
            raise BadRule("A rule is NAME=value, each name once, with semicolons between.")
        parts[name.upper()] = value.upper()
    frequency = parts.pop("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise BadRule(f"FREQ is one of {', '.join(_FREQUENCIES)} here.")
    if unknown := sorted(parts.keys() - _READ.keys() - {"BYDAY", "UNTIL", "WKST"}):
        raise BadRule(f"Parts of a rule that are not understood here: {', '.join(unknown)[:100]}.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise BadRule("A rule has COUNT or UNTIL, not both.")
    numbers = {name: _numbers(name, parts[name]) for name in _READ if name in parts}
    if frequency == "WEEKLY" and "BYMONTHDAY" in parts:
        raise BadRule("BYMONTHDAY does not go with FREQ=WEEKLY.")
    made = Recurring(
        frequency,
        numbers.get("INTERVAL", (1,))[0],
        numbers["COUNT"][0] if "COUNT" in parts else None,
        _until(parts["UNTIL"], zone) if "UNTIL" in parts else None,
        _weekdays(parts.get("BYDAY", ""), frequency),
        numbers.get("BYMONTHDAY", ()),
        numbers.get("BYMONTH", ()),
        numbers.get("BYHOUR", ()),
        numbers.get("BYMINUTE", ()),
        _weekday_number(parts.get("WKST", "MO")),
        numbers.get("BYSETPOS", ()),
    )
    _require_choice(made, parts)
    return made


def _require_choice(made: Recurring, parts: Mapping[str, str]) -> None:
    """RFC 5545 §3.3.10: BYSETPOS goes with another part that says of which it chooses."""
    if made.positions and not any(name in parts for name in ("BYDAY", "BYMONTHDAY", "BYMONTH", "BYHOUR", "BYMINUTE")):
        raise BadRule("BYSETPOS chooses among what another BY… says.")
    if made.positions and max(len(made.hours), 1) * max(len(made.minutes), 1) > _TIMES:
        raise BadRule(f"BYSETPOS chooses among {_TIMES} times a day at most.")


#: Parts of numbers: from, to, whether there are several.
_READ = {
    "INTERVAL": (1, _WIDEST, False),
    "COUNT": (1, _MOST, False),
    "BYMONTHDAY": (-31, 31, True),
    "BYMONTH": (1, 12, True),
    "BYHOUR": (0, 23, True),
    "BYMINUTE": (0, 59, True),
    "BYSETPOS": (-366, 366, True),
}
#: Frequency → days by which the next period is reached from the first day of any.
_LENGTHS = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}


def _numbers(name: str, text: str) -> tuple[int, ...]:
    low, high, several = _READ[name]
    said = text.split(",")
    if len(said) > (100 if several else 1) or not all(re.fullmatch(r"[+-]?\d{1,5}", one, re.ASCII) for one in said):
        raise BadRule(f"{name} is {'numbers with commas between' if several else 'a number'}.")
    found = tuple(int(one) for one in said)
    if not all(low <= one <= high for one in found) or (name in ("BYMONTHDAY", "BYSETPOS") and 0 in found):
        raise BadRule(f"{name} is from {low} to {high}.")
    return found


def _weekdays(text: str, frequency: str) -> tuple[tuple[int, int], ...]:
    found = []
    for one in text.split(",") if text else ():
        match = _BY_DAY.fullmatch(one)
        if match is None or (match[1] and not 0 < abs(int(match[1])) <= _FREQUENCIES[frequency]):
            raise BadRule("BYDAY is MO, TU, WE, TH, FR, SA, SU; with a number before it, of a month or a year alone.")
        found.append((int(match[1] or 0), _DAYS.index(match[2])))
    return tuple(found)


def _weekday_number(text: str) -> int:
    if text not in _DAYS:
        raise BadRule("WKST is MO, TU, WE, TH, FR, SA or SU.")
    return _DAYS.index(text)


def _until(text: str, zone: ZoneInfo) -> datetime:
    match = _UNTIL.fullmatch(text)
    words = "UNTIL is a day or a time, such as 20270630 or 20270630T215959Z."
    if match is None:
        raise BadRule(words)
    try:
        # A day without a time is inside as a whole.
        found = datetime.fromisoformat(f"{match[1]}T{match[2] or '235959'}")
        return found.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if match[3] else found
    except (ValueError, OverflowError):
        raise BadRule(words) from None


def _length(day: date) -> int:
    """Days of a month."""
    following = day.replace(day=28) + timedelta(days=4)
    return (following - timedelta(days=following.day)).day
