"""A calendar that somebody brings, read into entries of their own agenda. RFC 5545.

icalendar reads; what it is given is bounded before, and what it lets pass is judged after: it keeps a zone that it does
not know as no zone, and drops a property that it cannot read.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

import icalendar
from icalendar.timezone import tzp

from fhir_server.space.agenda.calendar.bounds import CHANGES, COMPONENTS, DEPTH, LINE, LONGEST_UID, MOST
from fhir_server.space.agenda.calendar.recurrence import Unreadable, instant, local, occurrences
from fhir_server.space.paris import PARIS

#: Years of which something may be.
_YEARS = range(1900, 2200)
_MARK = re.compile(r"^(BEGIN|END):(STANDARD|DAYLIGHT)?", re.MULTILINE | re.IGNORECASE)
_FOLD = re.compile(r"\r?\n[ \t]")
_STATUS: Mapping[str, str] = {"CANCELLED": "cancelled", "TENTATIVE": "pending"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        uid: of the event, with the instant of the occurrence where it recurs.
        start, end: in UTC.
        status: of an Appointment.
        title, notes, place: as they stand there; "" for none.
    """

    uid: str
    start: datetime
    end: datetime
    status: str
    title: str
    notes: str
    place: str


def read(data: bytes) -> list[Entry]:
    """The entries of a calendar, each uid once.

    Raises:
        Unreadable: why it is not taken in.
    """
    latest: dict[tuple[str, str], tuple[int, Any]] = {}
    for number, event in enumerate(_events(_bounded(data)), 1):
        with _told(number):
            _require_readable(event)
            key = (str(event["UID"]), "" if "RECURRENCE-ID" not in event else _stamp(*_when(event, "RECURRENCE-ID")))
        if key not in latest or _sequence(event) >= _sequence(latest[key][1]):
            latest[key] = number, event
    found: dict[str, Entry] = {}
    for (uid, stamp), (number, event) in sorted(latest.items(), key=lambda one: one[0]):
        with _told(number):
            made = list(_entries(uid, stamp, event))
        # An occurrence that is told apart comes after the event that it is one of.
        for entry in made:
            found[entry.uid] = entry
            if len(found) > MOST:
                raise Unreadable(f"A calendar brings {MOST} entries at most, each time that something recurs counted.")
    return list(found.values())


@contextmanager
def _told(number: int) -> Iterator[None]:
    """What is wrong with one event is said of it: the first of the file is number 1."""
    try:
        yield
    except Unreadable as wrong:
        raise Unreadable(f"Event {number}: {wrong}") from None


def _events(text: str) -> list[Any]:
    try:
        with warnings.catch_warnings():
            # A zone is guessed by a longer name of it (§3.2.19): nobody has to be warned.
            warnings.simplefilter("ignore")
            # What a file says of its zones the library keeps by their name, for whatever it reads next: another
            # person's calendar would be read by it, though that says otherwise.
            tzp.use_zoneinfo()
            calendar = icalendar.Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Unreadable("This is no calendar of RFC 5545.") from None
    if calendar.name != "VCALENDAR":
        raise Unreadable("This is no calendar of RFC 5545: it begins with VCALENDAR.")
    events = list(calendar.walk("VEVENT"))
    if not events:
        raise Unreadable("There is no event in the calendar.")
    return events


def _bounded(data: bytes) -> str:
    try:
        text = _FOLD.sub("", data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable("A calendar is written in UTF-8.") from None
    depth, count, changes = 0, 0, 0
    for mark in _MARK.finditer(text):
        begins = mark[1].upper() == "BEGIN"
        depth, count = depth + (1 if begins else -1), count + begins
        changes += begins and mark[2] is not None
        if depth > DEPTH or count > COMPONENTS:
            raise Unreadable(f"A calendar has {COMPONENTS} components at most, {DEPTH} inside one another.")
    if changes > CHANGES:
        raise Unreadable(f"The zones of a calendar change at {CHANGES} times at most, each by a rule or by itself.")
    if any(len(line) > LINE for line in text.splitlines()):
        raise Unreadable(f"A line of a calendar has {LINE} characters at most.")
    return text


def _require_readable(event: Any) -> None:
    if event.errors:
        raise Unreadable("An event has a property that is none of RFC 5545.")
    if not 0 < len(str(event.get("UID", ""))) <= LONGEST_UID or isinstance(event.get("UID"), list):
        raise Unreadable(f"An event has one UID, of {LONGEST_UID} characters at most.")
    if "DTSTART" not in event:
        raise Unreadable("An event has no DTSTART.")
    if "RANGE" in getattr(event.get("RECURRENCE-ID"), "params", {}):
        raise Unreadable("A RECURRENCE-ID speaks of one occurrence (no RANGE).")


def _entries(uid: str, stamp: str, event: Any) -> Iterator[Entry]:
    start, zone = _when(event, "DTSTART")
    lasts = _lasts(event, start, zone)
    recurs = not stamp and any(name in event for name in ("RRULE", "RDATE"))
    for one in occurrences(event, start, zone) if recurs else [start]:
        if one.year not in _YEARS:
            raise Unreadable("An event is of no year of these centuries.")
        begins = instant(one, zone)
        # §3.8.5.3: each lasts exactly as long; days are as long as the clock makes them.
        ends = instant(one + lasts, zone) if _is_day(event) else begins + lasts
        told_apart = stamp or (_stamp(one, zone) if recurs else "")
        yield Entry(
            f"{uid}#{told_apart}" if told_apart else uid,
            begins,
            ends,
            _STATUS.get(_text(event, "STATUS").upper(), "booked"),
            _text(event, "SUMMARY"),
            _text(event, "DESCRIPTION"),
            _text(event, "LOCATION"),
        )


def _when(event: Any, name: str) -> tuple[datetime, tzinfo]:
    """What the local clock shows, and its zone; a time without a zone is of Paris.

    Raises:
        Unreadable: the zone is not known, or it is no time.
    """
    given = event[name]
    value = getattr(given, "dt", None)
    if not isinstance(value, date):
        raise Unreadable(f"A {name} is a date or an instant, and stands once.")
    if value.year not in _YEARS:
        raise Unreadable("An event is of no year of these centuries.")
    if isinstance(value, datetime) and value.tzinfo is None and "TZID" in given.params:
        raise Unreadable(f"The zone of a {name} is not known.")
    zone = value.tzinfo if isinstance(value, datetime) and value.tzinfo is not None else PARIS
    return local(value, zone), zone


def _lasts(event: Any, start: datetime, zone: tzinfo) -> timedelta:
    lasts: Any
    if "DTEND" in event:
        end, ends_in = _when(event, "DTEND")
        lasts = end - start if _is_day(event) else instant(end, ends_in) - instant(start, zone)
    elif "DURATION" in event:
        lasts = getattr(event["DURATION"], "dt", None)
    else:
        # §3.6.1: a date alone is that day; an instant alone has no length.
        lasts = timedelta(days=1) if _is_day(event) else timedelta()
    if not isinstance(lasts, timedelta):
        raise Unreadable("A DURATION is a length of time, and stands once.")
    if lasts < timedelta():
        raise Unreadable("An event ends before it starts.")
    if lasts > timedelta(days=366):
        raise Unreadable("An event lasts a year at most.")
    return lasts


def _is_day(event: Any) -> bool:
    return not isinstance(getattr(event["DTSTART"], "dt", None), datetime)


def _stamp(naive: datetime, zone: tzinfo) -> str:
    return f"{instant(naive, zone):%Y%m%dT%H%M%SZ}"


def _sequence(event: Any) -> int:
    value = event.get("SEQUENCE", 0)
    return int(value) if isinstance(value, int) else 0


def _text(event: Any, name: str) -> str:
    value = event.get(name, "")
    return str(value[0] if isinstance(value, list) else value).strip()
