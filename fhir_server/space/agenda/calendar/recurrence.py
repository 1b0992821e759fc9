"""When an event of a calendar recurs, held to what one import may bring. RFC 5545 §3.3.10, §3.8.5.

The rule is dateutil's to expand; here stand its bounds. What never ends is refused before it is begun, what comes
several times a day too, and nothing is looked for further than five years ahead. dateutil itself looks at `until` where
it has found something: for an impossible date (30 February) it would look in vain until the year 9999.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from types import FunctionType
from typing import Any

from dateutil import rrule as rrule_module
from dateutil.rrule import rrulestr

from fhir_server.space.agenda.calendar.bounds import MOST

#: How far ahead of the first an occurrence may be.
FARTHEST = timedelta(days=5 * 366)
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
#: Parts of a rule that make it several times a day.
_HOURS = ("BYHOUR", "BYMINUTE", "BYSECOND")


class Unreadable(ValueError):
    """What is wrong with a calendar, in words that repeat nothing of it."""


def occurrences(event: Mapping[str, Any], start: datetime, zone: tzinfo) -> list[datetime]:
    """When an event recurs by its RRULE, RDATE and EXDATE, by the local clock and in order; its start at least.

    Args:
        event: a VEVENT, parsed.
        start: its DTSTART by the local clock, without a zone.
        zone: of that clock.

    Raises:
        Unreadable: it never ends, or is more than `MOST`, or no rule.
    """
    found = {start}
    for one in _ruled(event.get("RRULE"), start, zone):
        found.add(one)
        if len(found) > MOST:
            raise Unreadable(f"An event recurs more than {MOST} times.")
    found |= set(_listed(event.get("RDATE"), zone))
    found -= set(_listed(event.get("EXDATE"), zone))
    return sorted(found)


def local(value: date, zone: tzinfo) -> datetime:
    """A date or an instant by the local clock, without a zone."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - RFC 5545 §3.3.5: the local clock's
    return value if value.tzinfo is None else value.astimezone(zone).replace(tzinfo=None)


def _ruled(rule: Any, start: datetime, zone: tzinfo) -> Iterator[datetime]:
    if rule is None:
        return
    if not isinstance(rule, Mapping):
        raise Unreadable("An event has several RRULE.")
    count, until = _ends(rule, start, zone)
    text = ";".join(part for part in _said(rule).split(";") if not part.startswith(("COUNT=", "UNTIL=")))
    try:
        found = list(islice(_no_later(rrulestr(text, dtstart=start).replace(until=until), until.year), MOST + 1))
    except (ValueError, TypeError, IndexError, OverflowError):
        # Whatever is wrong with a rule, dateutil says as one of these.
        raise Unreadable("An RRULE is none of RFC 5545.") from None
    # RFC 5545 §3.8.5.3: the start counts as the first, whether or not the rule has it.
    yield from [*([] if found[:1] == [start] else [start]), *found][:count]


class _Years:
    """What the rule sees of `datetime`, whose last year is another."""

    date, datetime = date, datetime

    def __init__(self, last: int) -> None:
        self.MAXYEAR = last


def _no_later(found: Any, year: int) -> Iterator[datetime]:
    """What a rule of dateutil's gives, which looks at no year after `year`."""
    known = {**vars(rrule_module), "datetime": _Years(year)}
    looking: Iterator[datetime] = FunctionType(type(found)._iter.__code__, known)(found)
    return looking


def _ends(rule: Mapping[str, Any], start: datetime, zone: tzinfo) -> tuple[int | None, datetime]:
    """How many there are, None where that is not said, and until when they are looked for."""
    if {str(one) for one in rule.get("FREQ", ())} - _FREQUENCIES or any(name in rule for name in _HOURS):
        raise Unreadable("An event recurs daily, weekly, monthly or yearly.")
    if any(one < 1 for one in rule.get("INTERVAL", ())):
        # Of 0 dateutil would look for the same day for ever.
        raise Unreadable("The INTERVAL of an RRULE is 1 at least.")
    count, last = next(iter(rule.get("COUNT", ())), None), next(iter(rule.get("UNTIL", ())), None)
    if count is None and last is None:
        raise Unreadable("An RRULE never ends: it has neither COUNT nor UNTIL.")
    if count is not None and not 0 < count <= MOST:
        raise Unreadable(f"An event recurs {MOST} times at most.")
    until = start + FARTHEST if last is None else _until(last, zone)
    if until > start + FARTHEST:
        raise Unreadable("An RRULE goes on for more than five years.")
    return count, until


def _until(value: date, zone: tzinfo) -> datetime:
    """RFC 5545 §3.3.10: a date is inclusive to its end."""
    if isinstance(value, datetime):
        return local(value, zone)
    return local(value, zone) + timedelta(days=1, microseconds=-1)


def _said(rule: Any) -> str:
    text: bytes = rule.to_ical()
    return text.decode()


def _listed(value: Any, zone: tzinfo) -> Iterator[datetime]:
    for some in value if isinstance(value, list) else [] if value is None else [value]:
        for one in some.dts:
            if not isinstance(one.dt, date):
                raise Unreadable("An RDATE is a date or an instant.")
            yield local(one.dt, zone)


def instant(naive: datetime, zone: tzinfo) -> datetime:
    """What the local clock shows, in UTC; RFC 5545 §3.3.5: of an hour that is left out, by the offset before it."""
    return naive.replace(tzinfo=zone).astimezone(UTC)
