"""When something recurs: a rule of RFC 5545 as far as opening hours need it, and the local times it means.

https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10. Days, weeks and months, with INTERVAL, COUNT, UNTIL, BYDAY,
BYMONTHDAY, BYMONTH, BYHOUR, BYMINUTE and WKST; every other part is refused by name, since leaving one out would open an
agenda at other times than its keeper said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY")
_BY_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
#: Repetitions that are counted at most, and intervals between them.
_MOST, _WIDEST = 10_000, 1_000


class BadRule(ValueError):
    """A rule that cannot be used; says why, without what else stands in the resource."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """A rule.

    Attributes:
        frequency: "DAILY", "WEEKLY", "MONTHLY".
        interval: every so many of these.
        count: so often in all; None for no number.
        until: the last local time, itself included; None for no end.
        days: (which one of the month, counted from its end where negative, 0 for each; weekday from 0, Monday).
        month_days: days of the month, from its end where negative.
        months, hours, minutes: those alone; where none is said, any month, and the hour and minute of the start.
        week_start: weekday that weeks begin on.
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
        clock = self._clock(start)
        end = last if self.until is None else min(last, self.until.date())
        while day <= end:
            if self._has(day, start.date()):
                for at in (datetime.combine(day, one) for one in clock):
                    if at < start or (self.until is not None and at > self.until):
                        continue
                    seen += 1
                    if self.count is not None and seen > self.count:
                        return
                    if day >= first:
                        yield at
            day += timedelta(days=1)

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
        months = (day.year - start.year) * 12 + day.month - start.month
        if months % self.interval:
            return False
        if not self.days and not self.month_days:
            return day.day == start.day
        return self._of_month(day) and (not self.days or self._weekday(day))

    def _week(self, day: date) -> date:
        return day - timedelta(days=(day.weekday() - self.week_start) % 7)

    def _weekday(self, day: date) -> bool:
        before, after = (day.day - 1) // 7 + 1, -((_length(day) - day.day) // 7 + 1)
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
    )
    return made


#: Parts of numbers: from, to, whether there are several.
_READ = {
    "INTERVAL": (1, _WIDEST, False),
    "COUNT": (1, _MOST, False),
    "BYMONTHDAY": (-31, 31, True),
    "BYMONTH": (1, 12, True),
    "BYHOUR": (0, 23, True),
    "BYMINUTE": (0, 59, True),
}


def _numbers(name: str, text: str) -> tuple[int, ...]:
    low, high, several = _READ[name]
    said = text.split(",")
    if len(said) > (100 if several else 1) or not all(re.fullmatch(r"[+-]?\d{1,5}", one, re.ASCII) for one in said):
        raise BadRule(f"{name} is {'numbers with commas between' if several else 'a number'}.")
    found = tuple(int(one) for one in said)
    if not all(low <= one <= high for one in found) or (name == "BYMONTHDAY" and 0 in found):
        raise BadRule(f"{name} is from {low} to {high}.")
    return found


def _weekdays(text: str, frequency: str) -> tuple[tuple[int, int], ...]:
    found = []
    for one in text.split(",") if text else ():
        match = _BY_DAY.fullmatch(one)
        if match is None or (match[1] and frequency != "MONTHLY"):
            raise BadRule("BYDAY is MO, TU, WE, TH, FR, SA, SU; with a number before it, of a month alone.")
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
