"""Rules of RFC 5545 §3.3.10, against a library that knows them all."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from fhir_server.space.agenda.availability.recurring import BadRule, read

PARIS = ZoneInfo("Europe/Paris")
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_START = datetime.fromisoformat("2027-01-01T00:00:00")


def a_rule(chance: random.Random) -> str:
    """A rule of the parts that are understood; the library takes days with and without a number together otherwise."""
    frequency = chance.choice(("DAILY", "WEEKLY", "MONTHLY"))
    numbered = frequency == "MONTHLY" and chance.random() < 0.4
    days = [f"{chance.choice((1, 2, 5, -1, -5)) if numbered else ''}{day}" for day in chance.sample(_DAYS, 3)]
    until = _START + timedelta(minutes=chance.randint(0, 400_000))
    parts = {
        "INTERVAL": (0.5, str(chance.randint(1, 5))),
        "BYDAY": (0.6, ",".join(days)),
        "BYMONTHDAY": (0.0 if frequency == "WEEKLY" else 0.3, "1,15,-1"),
        "BYMONTH": (0.2, ",".join(map(str, chance.sample(range(1, 13), 4)))),
        "BYHOUR": (0.3, "14,8"),
        "BYMINUTE": (0.2, "0,30"),
        "WKST": (0.3, chance.choice(_DAYS)),
    }
    ends = chance.choice(("", f";COUNT={chance.randint(1, 60)}", f";UNTIL={until:%Y%m%dT%H%M%S}"))
    return f"FREQ={frequency}" + "".join(f";{k}={v}" for k, (p, v) in parts.items() if chance.random() < p) + ends


def test_the_times_of_a_rule_are_those_that_the_library_finds() -> None:
    chance, met = random.Random(5545), 0
    for _ in range(400):
        rule, start = a_rule(chance), _START + timedelta(minutes=chance.randint(0, 60_000))
        first = date(2027, 1, 1) + timedelta(days=chance.randint(0, 200))
        last = first + timedelta(days=92)
        low, high = datetime.combine(first, time.min), datetime.combine(last, time.max)
        expected = rrulestr(rule, dtstart=start).between(low, high, inc=True)
        assert list(read(rule, PARIS).times(start, first, last)) == expected, (rule, start, first)
        met += len(expected)
    assert met > 1_000


def test_an_end_in_utc_is_compared_in_local_time_and_a_day_is_inside_as_a_whole() -> None:
    start = datetime.fromisoformat("2027-06-28T09:00:00")
    for until, days in (("20270630T065959Z", 2), ("20270630T070000Z", 3), ("20270630", 3), ("20270629", 2)):
        rule = read(f"FREQ=DAILY;UNTIL={until}", PARIS)
        assert len(list(rule.times(start, date(2027, 6, 1), date(2027, 8, 1)))) == days


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WEEKLY",
        "FREQ=YEARLY",
        "FREQ=SECONDLY",
        "FREQ=WEEKLY;FREQ=DAILY",
        "FREQ=WEEKLY;COUNT=2;UNTIL=20270101",
        "FREQ=WEEKLY;COUNT=0",
        "FREQ=WEEKLY;COUNT=99999",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;BYHOUR=\u0663",
        "FREQ=DAILY;BYSETPOS=1",
        "FREQ=DAILY;BYWEEKNO=1",
        "FREQ=DAILY;X-OWN=1",
        "FREQ=DAILY;UNTIL=20271301",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;WKST=XX",
        "FREQ=DAILY;;COUNT=1",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BadRule):
        read(text, PARIS)
