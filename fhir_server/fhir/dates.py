"""A date of any precision as the interval of instants it stands for.

https://hl7.org/fhir/R4/datatypes.html#dateTime, https://hl7.org/fhir/R4/search.html#date. Instants are µs since 1970
UTC; both ends of an interval are inside it, so `2013-01-14` ends on the last microsecond of that day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

#: The ends of an open period, as `store.filters` has them: both fit a signed 64-bit integer.
BEGINNING = -(2**62)
END = 2**62

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UTC = ZoneInfo("UTC")
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date.max.toordinal()
#: What a value with n digits of fractional seconds covers, less its last microsecond.
_FRACTION = tuple(10 ** (6 - digits) - 1 for digits in range(7))

_date = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII).fullmatch
# R4 search allows minutes without seconds and a time without a zone; a resource does not, and validation sees to that.
_time = re.compile(
    r"(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d)(?::([0-5]\d|60)(?:\.(\d+))?)?"
    r"(Z|[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00)?",
    re.ASCII,
).fullmatch


def interval(value: str, zone: ZoneInfo) -> tuple[int, int]:
    """The first and the last microsecond that `value` may stand for, in µs since 1970 UTC.

    Args:
        value: a year, month, day, or date and time to the minute, second or any fraction (cut after six digits).
        zone: where a value without a zone was written; days begin and end with its clock, summer time included.

    Raises:
        ValueError: not a date (2023-02-30, month 13, 24:00, year 0000).
    """
    if len(value) <= 10:
        return _days(value, zone)
    found = _time(value)
    if found is None:
        raise ValueError("not a date or dateTime")
    day, minute, second, fraction, offset = found.groups()
    low, high = _day(day) + _clock(minute), MINUTE - 1
    if second is not None:
        low += int(second) * SECOND
        high = SECOND - 1
        if fraction is not None:
            digits = fraction[:6]
            low += int(digits) * 10 ** (6 - len(digits))
            high = _FRACTION[len(digits)]
    low -= _offset(low // SECOND, zone) if offset is None else _ahead(offset)
    return low, low + high


def begins(value: Any, zone: ZoneInfo) -> datetime | None:
    """The first instant that `value` may stand for, on the clock of `zone`; None of what is no date.

    What R4 allows and a datetime has not is the nearest that it has: the second of a leap, the ends of the first year
    and the last.
    """
    found = _limits_of(value, zone)
    return None if found is None else _on_clock(found[0], zone)


def ends(value: Any, zone: ZoneInfo) -> datetime | None:
    """The last instant that `value` may stand for, as `begins`."""
    found = _limits_of(value, zone)
    return None if found is None else _on_clock(found[1], zone)


def _limits_of(value: Any, zone: ZoneInfo) -> tuple[int, int] | None:
    if not isinstance(value, str):
        return None
    try:
        return interval(value, zone)
    except ValueError:
        return None


def _on_clock(at: int, zone: ZoneInfo) -> datetime:
    return (UNSAID + timedelta(microseconds=min(max(at, _EARLIEST), _LATEST))).astimezone(zone)


#: What stands for when something was that does not say so, or nothing that is a date.
UNSAID = datetime(1970, 1, 1, tzinfo=UTC)
#: Of which every zone's clock has a datetime, in µs since 1970.
_EARLIEST = (date(1, 1, 2).toordinal() - _EPOCH) * DAY
_LATEST = (date(9999, 12, 31).toordinal() - _EPOCH) * DAY - 1


def moment(value: str) -> int:
    """The microsecond that an `instant` is, in µs since 1970 UTC: a point in time, however many digits it has.

    https://hl7.org/fhir/R4/search.html#date: "an interval with an effective width of 0".

    Raises:
        ValueError: not a date and time with seconds and a zone.
    """
    found = _time(value)
    if found is None or found[3] is None or found[5] is None:
        raise ValueError("not an instant")
    return interval(value, _UTC)[0]


def period(value: Mapping[str, Any], zone: ZoneInfo) -> tuple[int, int] | None:
    """The interval of a Period: an absent `start` is `BEGINNING`, an absent `end` is `END`; None when both are absent.

    Raises:
        ValueError: an end that is not a date.
    """
    start, end = value.get("start"), value.get("end")
    if not start and not end:
        return None
    return interval(start, zone)[0] if start else BEGINNING, interval(end, zone)[1] if end else END


def timing(value: Mapping[str, Any], zone: ZoneInfo) -> tuple[int, int] | None:
    """The outer limits of a Timing, its events and the period of its bounds together; None when it has neither.

    https://hl7.org/fhir/R4/search.html#date: the details of the schedule are ignored, only the outer limits matter.

    Raises:
        ValueError: an event or bound that is not a date.
    """
    found = list(_limits(value, zone))
    if not found:
        return None
    return min(low for low, _ in found), max(high for _, high in found)


def _limits(value: Mapping[str, Any], zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    for event in value.get("event") or ():
        if event:
            yield interval(event, zone)
    bounds = (value.get("repeat") or {}).get("boundsPeriod")
    if bounds:
        limits = period(bounds, zone)
        if limits:
            yield limits


@lru_cache(maxsize=8192)
def _days(value: str, zone: ZoneInfo) -> tuple[int, int]:
    """The interval of a whole year, month or day. Cached because the same days come back in every resource."""
    found = _date(value)
    if found is None:
        raise ValueError("not a date or dateTime")
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    first = date(year, month, day).toordinal()
    if found[3]:
        last = first
    elif found[2]:
        last = date(year, month, monthrange(year, month)[1]).toordinal()
    else:
        last = date(year, 12, 31).toordinal()
    return _midnight(first, zone), _midnight(last + 1, zone) - 1


def _midnight(ordinal: int, zone: ZoneInfo) -> int:
    local = (ordinal - _EPOCH) * DAY
    return local - _offset(local // SECOND, zone)


@lru_cache(maxsize=8192)
def _day(value: str) -> int:
    """µs from 1970 to the day's first midnight, zones left aside."""
    return (date(int(value[:4]), int(value[5:7]), int(value[8:])).toordinal() - _EPOCH) * DAY


@lru_cache(maxsize=1440)
def _clock(value: str) -> int:
    return int(value[:2]) * HOUR + int(value[3:]) * MINUTE


@lru_cache(maxsize=2048)
def _ahead(offset: str) -> int:
    """How far a clock written `+02:00` is ahead of UTC, in µs."""
    return 0 if offset == "Z" else _clock(offset[1:]) * (-1 if offset[0] == "-" else 1)


def _offset(local_seconds: int, zone: ZoneInfo) -> int:
    """How far the zone's clock is ahead of UTC, in µs, when it shows `local_seconds` since its own 1970.

    A time shown twice in autumn is its first showing; one skipped in spring is counted with the offset before it.
    """
    days, seconds = divmod(local_seconds, 86_400)
    day = date.fromordinal(min(days + _EPOCH, _LAST))
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    ahead = zone.utcoffset(datetime(day.year, day.month, day.day, hour, minute, second))  # noqa: DTZ001
    return round(ahead.total_seconds()) * SECOND if ahead else 0
