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
    frequency = chance.choice(("DAILY", "WEEKLY", "MONTHLY", "YEARLY"))
    numbered = frequency in ("MONTHLY", "YEARLY") and chance.random() < 0.4
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
    said = {name: value for name, (often, value) in parts.items() if chance.random() < often}
    # Of the week in which it begins the library chooses among what is left of it, of a month among all of it.
    if frequency != "WEEKLY" and {*said} - {"INTERVAL", "WKST"} and chance.random() < 0.5:
        said["BYSETPOS"] = chance.choice(("1", "-1", "2,-1", "1,3"))
    return f"FREQ={frequency}" + "".join(f";{name}={value}" for name, value in said.items()) + ends


def test_the_times_of_a_rule_are_those_that_the_library_finds() -> None:
    chance, met, kinds = random.Random(5545), 0, set[str]()
    for _ in range(300):
        rule, start = a_rule(chance), _START + timedelta(minutes=chance.randint(0, 60_000))
        first = date(2027, 1, 1) + timedelta(days=chance.randint(0, 200))
        last = first + timedelta(days=92)
        low, high = datetime.combine(first, time.min), datetime.combine(last, time.max)
        expected = rrulestr(rule, dtstart=start).between(low, high, inc=True)
        assert list(read(rule, PARIS).times(start, first, last)) == expected, (rule, start, first)
        met += len(expected)
        kinds |= {part for part in ("YEARLY", "BYSETPOS") if part in rule and expected}
    assert met > 1_000 and len(kinds) == 2


#: A rule from the start of 2027 on → its times until the end of 2028. 2028 has a 29 February.
YEARS: dict[str, list[str]] = {
    "FREQ=YEARLY;COUNT=3": ["2027-01-01", "2028-01-01"],
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29": ["2028-02-29"],
    "FREQ=YEARLY;BYDAY=1MO;BYMONTH=9": ["2027-09-06", "2028-09-04"],
    # 2027 begins with a Friday and ends with one: it has 53, and 2028 has not.
    "FREQ=YEARLY;BYDAY=53FR": ["2027-12-31"],
    "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1;COUNT=2": ["2027-01-01", "2027-01-08"],
    "FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=1;WKST=TU;COUNT=2": ["2027-01-01", "2027-01-08"],
    "FREQ=YEARLY;BYDAY=-1FR": ["2027-12-31", "2028-12-29"],
    "FREQ=YEARLY;INTERVAL=2;BYMONTH=6;BYMONTHDAY=1": ["2027-06-01"],
    # The last working day of the month, and the second to last of the quarter's days.
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;UNTIL=20270401T000000": ["2027-01-29", "2027-02-26", "2027-03-31"],
    "FREQ=YEARLY;BYMONTH=1,4,7,10;BYMONTHDAY=1;BYSETPOS=-2": ["2027-07-01", "2028-07-01"],
}


def test_years_and_positions() -> None:
    for rule, days in YEARS.items():
        found = read(rule, PARIS).times(_START, date(2027, 1, 1), date(2028, 12, 31))
        assert [one.date().isoformat() for one in found] == days, rule


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
        "FREQ=SECONDLY",
        "FREQ=YEARLY;BYYEARDAY=1",
        "FREQ=YEARLY;BYDAY=54MO",
        "FREQ=YEARLY;BYDAY=0MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367",
        "FREQ=MONTHLY;BYSETPOS=1",
        "FREQ=YEARLY;BYHOUR=8,9,10,11,12;BYMINUTE=0,10,20,30,40;BYSETPOS=1",
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
