"""Recurrence as another program has it, and whatever else is brought: RFC 5545 §3.3.10, §3.8.5."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.space.agenda.calendar.reading import read
from fhir_server.space.agenda.calendar.recurrence import Unreadable
from tests.space.agenda.calendar.test_import import calendar, event

PARIS = ZoneInfo("Europe/Paris")
DAYS = st.lists(st.sampled_from("MO TU WE TH FR SA SU".split()), min_size=1, max_size=3, unique=True)
RULES = st.one_of(
    st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 40)),
    st.builds(lambda n, days: f"FREQ=WEEKLY;INTERVAL={n};BYDAY={','.join(days)}", st.integers(1, 5), DAYS),
    st.builds("FREQ=MONTHLY;INTERVAL={};BYMONTHDAY={}".format, st.integers(1, 4), st.integers(-3, 31).filter(bool)),
    st.builds("FREQ=MONTHLY;BYDAY={}{}".format, st.sampled_from([-1, 1, 2, 3]), st.sampled_from("MO WE FR".split())),
)


@settings(max_examples=40, deadline=None)
@given(RULES, st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.integers(3, 23), st.integers(0, 190))
def test_recurrences_are_those_of_another_program(rule: str, day: date, hour: int, days: int) -> None:
    """recurring-ical-events, to the day until which the rule goes; the start apart, which need not be of the rule."""
    first = datetime(day.year, day.month, day.day, hour, 15, tzinfo=PARIS)
    until = f"{(first + timedelta(days=days)).astimezone(UTC):%Y%m%dT%H%M%SZ}"
    data = calendar(event(f"RRULE:{rule};UNTIL={until}", start=f";TZID=Europe/Paris:{first:%Y%m%dT%H%M%S}"))
    ours = {one.start for one in read(data)}
    between = recurring_ical_events.of(icalendar.Calendar.from_ical(data)).between(first, first + timedelta(days=400))
    theirs = {one["DTSTART"].dt.astimezone(UTC) for one in between}
    begins = first.astimezone(UTC)
    assert begins in ours and ours - {begins} == theirs - {begins}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 200))
def test_whatever_is_brought_is_read_or_refused(noise: bytes, at: int) -> None:
    data = calendar(event("RRULE:FREQ=WEEKLY;COUNT=2", "SUMMARY:x", "EXDATE:20270701T070000Z"))
    for one in (noise, data[:at] + noise + data[at:]):
        try:
            found = read(one)
        except Unreadable as wrong:
            assert len(str(wrong)) < 200
        else:
            assert json.dumps([str(entry) for entry in found])


@pytest.mark.parametrize("rule", [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31", "FREQ=WEEKLY;BYMONTH=13;BYDAY=MO",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYDAY=MO;BYSETPOS=200", "FREQ=YEARLY;INTERVAL=400",
])  # fmt: skip
def test_a_day_that_never_comes_is_looked_for_five_years_long(rule: str) -> None:
    """And not until the year 9999: counted by what is called, one day or period after the other."""
    calls = 0

    def count(frame: object, event: str, what: object) -> None:
        nonlocal calls
        calls += event == "call"

    data = calendar(event(f"RRULE:{rule};COUNT=5"))
    sys.setprofile(count)
    try:
        found = read(data)
    finally:
        sys.setprofile(None)
    assert [one.start for one in found] == [datetime(2027, 7, 1, 7, tzinfo=UTC)]
    assert calls < 15_000
