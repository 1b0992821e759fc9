"""https://hl7.org/fhir/R4/datatypes.html#dateTime, https://hl7.org/fhir/R4/search.html#date, https://hl7.org/fhir/R4/datatypes.html#Period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir import dates
from fhir_server.fhir.dates import begins, ends, interval, period, timing
from fhir_server.store import filters

PARIS = ZoneInfo("Europe/Paris")
ZULU = ZoneInfo("UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instants(low: str, high: str) -> tuple[int, int]:
    """Two ISO instants as µs since 1970."""
    return tuple((datetime.fromisoformat(one) - EPOCH) // timedelta(microseconds=1) for one in (low, high))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "value, low, high",
    [
        ("2013", "2013-01-01T00:00:00Z", "2013-12-31T23:59:59.999999Z"),
        ("2013-02", "2013-02-01T00:00:00Z", "2013-02-28T23:59:59.999999Z"),
        ("2012-02", "2012-02-01T00:00:00Z", "2012-02-29T23:59:59.999999Z"),
        ("2013-12", "2013-12-01T00:00:00Z", "2013-12-31T23:59:59.999999Z"),
        ("2013-01-14", "2013-01-14T00:00:00Z", "2013-01-14T23:59:59.999999Z"),
        ("2013-01-14T10:00", "2013-01-14T10:00:00Z", "2013-01-14T10:00:59.999999Z"),
        ("2013-01-14T10:00Z", "2013-01-14T10:00:00Z", "2013-01-14T10:00:59.999999Z"),
        ("2013-01-14T10:00:07", "2013-01-14T10:00:07Z", "2013-01-14T10:00:07.999999Z"),
        ("2013-01-14T10:00:07Z", "2013-01-14T10:00:07Z", "2013-01-14T10:00:07.999999Z"),
        ("2013-01-14T10:00:07.1Z", "2013-01-14T10:00:07.1Z", "2013-01-14T10:00:07.199999Z"),
        ("2013-01-14T10:00:07.123Z", "2013-01-14T10:00:07.123Z", "2013-01-14T10:00:07.123999Z"),
        ("2013-01-14T10:00:07.123456Z", "2013-01-14T10:00:07.123456Z", "2013-01-14T10:00:07.123456Z"),
        ("2013-01-14T10:00:07.123456999Z", "2013-01-14T10:00:07.123456Z", "2013-01-14T10:00:07.123456Z"),
        ("2013-01-14T10:00:07+02:00", "2013-01-14T08:00:07Z", "2013-01-14T08:00:07.999999Z"),
        ("2013-01-14T10:00:07-05:30", "2013-01-14T15:30:07Z", "2013-01-14T15:30:07.999999Z"),
        ("2013-01-14T10:00:07+14:00", "2013-01-13T20:00:07Z", "2013-01-13T20:00:07.999999Z"),
        ("2013-01-14T10:00:07-00:00", "2013-01-14T10:00:07Z", "2013-01-14T10:00:07.999999Z"),
        ("2015-06-30T23:59:60Z", "2015-07-01T00:00:00Z", "2015-07-01T00:00:00.999999Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T23:59:59.999999Z"),
        ("9999-12-31", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("9999", "9999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_date_stands_for_all_the_instants_its_precision_leaves_open(value: str, low: str, high: str) -> None:
    assert interval(value, ZULU) == instants(low, high)


@pytest.mark.parametrize(
    "value, low, high",
    [
        # Winter is an hour ahead of UTC, summer two.
        ("2024-01-15", "2024-01-14T23:00:00Z", "2024-01-15T22:59:59.999999Z"),
        ("2024-07-15", "2024-07-14T22:00:00Z", "2024-07-15T21:59:59.999999Z"),
        ("2024-07-15T12:00", "2024-07-15T10:00:00Z", "2024-07-15T10:00:59.999999Z"),
        ("2024-07-15T12:00:00", "2024-07-15T10:00:00Z", "2024-07-15T10:00:00.999999Z"),
        # The day the clocks go forward has 23 hours, the day they go back has 25.
        ("2024-03-31", "2024-03-30T23:00:00Z", "2024-03-31T21:59:59.999999Z"),
        ("2024-10-27", "2024-10-26T22:00:00Z", "2024-10-27T22:59:59.999999Z"),
        ("2024-10", "2024-09-30T22:00:00Z", "2024-10-31T22:59:59.999999Z"),
        ("2024", "2023-12-31T23:00:00Z", "2024-12-31T22:59:59.999999Z"),
        # A time that comes twice is its first showing.
        ("2024-10-27T02:30:00", "2024-10-27T00:30:00Z", "2024-10-27T00:30:00.999999Z"),
        # A zone that is said counts, whatever the server's.
        ("2024-07-15T12:00:00Z", "2024-07-15T12:00:00Z", "2024-07-15T12:00:00.999999Z"),
    ],
)
def test_a_value_without_a_zone_is_read_by_the_clock_of_the_servers_zone(value: str, low: str, high: str) -> None:
    assert interval(value, PARIS) == instants(low, high)


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "20", "201", "20130", "2013-", "2013-1", "2013-00", "2013-13", "2013-02-29", "2023-02-30", "2013-04-31",
        "2013-01-00", "2013-01-32", "2013-01-14T", "2013-01-14T24:00:00Z", "2013-01-14T10", "2013-01-14T10Z",
        "2013-01-14T10:60", "2013-01-14T10:00:61Z", "2013-01-14T10:00:00.Z", "2013-01-14T10:00:00+15:00",
        "2013-01-14T10:00:00+0200", "2013-01-14T10:00:00+02", "2013-01-14T10:00:00z", "2013-01-14t10:00:00Z",
        "2013-01-14 10:00:00Z", "2013-02-30T10:00:00Z", "2013-13-01T10:00:00Z", "0000", "0000-01-01T00:00:00Z", "-2013", "+2013",
        "2013/01/14", "14-01-2013", "2013-W01-1", "２０１３", "2013-01-14\n", "2013\x00", "today",
    ],
)  # fmt: skip
def test_what_is_not_a_date_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        interval(value, PARIS)


@given(st.datetimes(timezones=st.timezones()))
def test_an_instant_is_what_the_calendar_says(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset % timedelta(minutes=1) or abs(offset) > timedelta(hours=13):
        return
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    assert interval(moment.isoformat(timespec="microseconds"), PARIS) == (micros, micros)


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_a_value_error(text: str) -> None:
    try:
        low, high = interval(text, PARIS)
    except ValueError:
        return
    assert low <= high


@pytest.mark.parametrize(
    "value, expected",
    [
        ({"start": "2013", "end": "2014"}, ("2013-01-01T00:00:00Z", "2014-12-31T23:59:59.999999Z")),
        (
            {"start": "2013-01-14T10:00:00Z", "end": "2013-01-14"},
            ("2013-01-14T10:00:00Z", "2013-01-14T23:59:59.999999Z"),
        ),
    ],
)
def test_a_period_is_from_the_beginning_of_its_start_to_the_end_of_its_end(
    value: dict[str, str], expected: tuple[str, str]
) -> None:
    assert period(value, ZULU) == instants(*expected)


def test_an_end_that_a_period_does_not_say_is_open() -> None:
    assert period({"start": "2013"}, ZULU) == (interval("2013", ZULU)[0], dates.END)
    assert period({"end": "2013"}, ZULU) == (dates.BEGINNING, interval("2013", ZULU)[1])
    assert period({}, ZULU) is None


@pytest.mark.parametrize(
    "value, low, high",
    [
        ({"event": ["2013-05-01", "2013-01-01", "2013-03-01"]}, "2013-01-01T00:00:00Z", "2013-05-01T23:59:59.999999Z"),
        # The specification's own: a schedule between 31 January and 24 March includes every day between.
        ({"repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}, "period": 2, "periodUnit": "d"}}, "2013-01-31T00:00:00Z", "2013-03-24T23:59:59.999999Z"),
        ({"event": ["2013-06-01"], "repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}}}, "2013-01-31T00:00:00Z", "2013-06-01T23:59:59.999999Z"),
        ({"event": [None, "2013-06-01"]}, "2013-06-01T00:00:00Z", "2013-06-01T23:59:59.999999Z"),
    ],
)  # fmt: skip
def test_of_a_timing_only_the_outer_limits_count(value: dict[str, object], low: str, high: str) -> None:
    assert timing(value, ZULU) == instants(low, high)


@pytest.mark.parametrize(
    "value", [{}, {"repeat": {"frequency": 1}}, {"repeat": {"boundsDuration": {"value": 3}}}, {"code": {"text": "BID"}}]
)
def test_a_timing_without_limits_has_none(value: dict[str, object]) -> None:
    assert timing(value, ZULU) is None


def test_open_ends_are_those_of_the_index() -> None:
    assert (dates.BEGINNING, dates.END) == (filters.BEGINNING, filters.END)


@pytest.mark.parametrize(
    "value, first, last",
    [
        ("2026", "2026-01-01T00:00:00+01:00", "2026-12-31T23:59:59.999999+01:00"),
        ("2026-07", "2026-07-01T00:00:00+02:00", "2026-07-31T23:59:59.999999+02:00"),
        ("2026-07-02", "2026-07-02T00:00:00+02:00", "2026-07-02T23:59:59.999999+02:00"),
        ("2026-07-02T23:30:00Z", "2026-07-03T01:30:00+02:00", "2026-07-03T01:30:00.999999+02:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T01:00:00+01:00", "2017-01-01T01:00:00.999999+01:00"),
        ("2026-07-02T10:00:00.123456789Z", "2026-07-02T12:00:00.123456+02:00", "2026-07-02T12:00:00.123456+02:00"),
    ],
)
def test_the_ends_of_a_date_of_any_precision_are_read_on_a_clock(value: str, first: str, last: str) -> None:
    found = begins(value, PARIS), ends(value, PARIS)
    assert found == (datetime.fromisoformat(first), datetime.fromisoformat(last))
    assert found[0] is not None and found[0].tzinfo is PARIS


@pytest.mark.parametrize(
    "value", [None, 3, {}, "", "yesterday", "2023-02-30", "0000", "2026-13", "2026-01-01T24:00:00Z"]
)
def test_what_is_no_date_is_none(value: object) -> None:
    assert begins(value, PARIS) is None and ends(value, PARIS) is None


@pytest.mark.parametrize(
    "value", ["0001", "0001-01-01T00:00:00+14:00", "9999", "9999-12-31", "9999-12-31T23:59:59-12:00"]
)
@pytest.mark.parametrize("zone", [PARIS, ZULU, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")])
def test_the_first_year_and_the_last_have_ends_on_every_clock(value: str, zone: ZoneInfo) -> None:
    for found in (begins(value, zone), ends(value, zone)):
        assert found is not None and str(found.year).zfill(4) == value[:4]
        found.astimezone(ZULU)
