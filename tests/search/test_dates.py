"""What each prefix finds of each kind of date: https://hl7.org/fhir/R4/search.html#date, #prefix.

The expected answers are worked out here from R4's words alone, on intervals with both ends outside of it and decimals of a
second: an `instant` is "an interval with an effective width of 0", a Period and a Timing have their outer limits, and an
end that is not said is open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.server.searches import SmallServer, a_server

Json = dict[str, Any]
#: Where an interval begins and where it ends, in seconds since 2020-01-01 UTC; the end is not part of it unless it is the
#: beginning too.
Interval = tuple[Fraction, Fraction]
NEVER, EVER = Fraction(-(10**12)), Fraction(10**12)
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")


def covered(text: str) -> Interval:
    """What a value covers by its precision; all of these tests' values are UTC or whole days far from one another."""
    if "T" not in text:
        first = date.fromisoformat((text + "-01-01")[:10] if len(text) < 10 else text)
        following = {4: date(first.year + 1, 1, 1), 7: (first.replace(day=28) + timedelta(days=4)).replace(day=1)}
        # Days are the clock's in Paris, an hour ahead of UTC in winter and two in summer.
        return tuple(  # type: ignore[return-value]
            _seconds(datetime(d.year, d.month, d.day, tzinfo=UTC)) - (7200 if 3 < d.month < 11 else 3600)
            for d in (first, following.get(len(text), first + timedelta(days=1)))
        )
    whole, _, fraction = text.removesuffix("Z").partition(".")
    minutes_only = whole.count(":") == 1
    start = _seconds(datetime.fromisoformat((whole + ":00" if minutes_only else whole) + "+00:00"))
    if minutes_only:
        return start, start + 60
    return start + Fraction(int(fraction or 0), 10 ** len(fraction)), (
        start + Fraction(int(fraction or 0) + 1, 10 ** len(fraction))
    )


def _seconds(moment: datetime) -> Fraction:
    gone = moment - datetime(2020, 1, 1, tzinfo=UTC)
    return Fraction(gone.days * 86_400 + gone.seconds)


def point(text: str) -> Interval:
    return covered(text)[0], covered(text)[0]


def between(start: str | None, end: str | None) -> Interval:
    return covered(start)[0] if start else NEVER, covered(end)[1] if end else EVER


def holds(prefix: str, its: Interval, asked: Interval) -> bool:
    """R4's table of prefixes, where a point is inside what begins at it and not inside what ends at it."""
    (low, high), (start, end) = its, asked
    is_point = low == high
    inside = start <= low and (high < end if is_point else high <= end)
    above = high >= end if is_point else high > end
    below = low < start
    after = low >= end
    before = high < start if is_point else high <= start
    return {
        "": inside, "eq": inside, "ne": not inside, "gt": above, "lt": below, "ge": above or inside,
        "le": below or inside, "sa": after, "eb": before,
    }[prefix]  # fmt: skip


#: What is called → the resource, the parameter, and what its value covers.
VALUES: dict[str, tuple[Json, Interval]] = {
    "i-second": ({"effectiveInstant": "2024-03-01T18:00:00Z"}, point("2024-03-01T18:00:00Z")),
    "i-milli": ({"effectiveInstant": "2024-03-01T18:00:00.000Z"}, point("2024-03-01T18:00:00Z")),
    "i-half": ({"effectiveInstant": "2024-03-01T18:00:00.5Z"}, point("2024-03-01T18:00:00.5Z")),
    "i-zone": ({"effectiveInstant": "2024-03-01T19:00:00+01:00"}, point("2024-03-01T18:00:00Z")),
    "d-second": ({"effectiveDateTime": "2024-03-01T18:00:00Z"}, covered("2024-03-01T18:00:00Z")),
    "d-milli": ({"effectiveDateTime": "2024-03-01T18:00:00.250Z"}, covered("2024-03-01T18:00:00.250Z")),
    "d-day": ({"effectiveDateTime": "2024-03-01"}, covered("2024-03-01")),
    "d-month": ({"effectiveDateTime": "2024-03"}, covered("2024-03")),
    "d-year": ({"effectiveDateTime": "2024"}, covered("2024")),
    "p-closed": (
        {"effectivePeriod": {"start": "2024-03-01T17:00:00Z", "end": "2024-03-01T18:00:00Z"}},
        between("2024-03-01T17:00:00Z", "2024-03-01T18:00:00Z"),
    ),
    "p-days": ({"effectivePeriod": {"start": "2024-02-28", "end": "2024-03-01"}}, between("2024-02-28", "2024-03-01")),
    "p-since": ({"effectivePeriod": {"start": "2024-03-01"}}, between("2024-03-01", None)),
    "p-until": ({"effectivePeriod": {"end": "2024-03"}}, between(None, "2024-03")),
    "t-events": (
        {"effectiveTiming": {"event": ["2024-02-28T08:00:00Z", "2024-03-02"]}},
        between("2024-02-28T08:00:00Z", "2024-03-02"),
    ),
    "t-bounds": (
        {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2024-01-31", "end": "2024-03-24"}, "period": 2}}},
        between("2024-01-31", "2024-03-24"),
    ),
}
ASKED = (
    "2024", "2024-02", "2024-03", "2024-03-01", "2024-03-02", "2024-03-24", "2024-03-01T17:59Z", "2024-03-01T18:00Z",
    "2024-03-01T18:00:00Z", "2024-03-01T18:00:01Z", "2024-03-01T17:59:59.999Z", "2024-03-01T18:00:00.000Z",
    "2024-03-01T18:00:00.5Z", "2024-03-01T18:00:00.500000Z", "2024-03-01T18:00:00.001Z",
)  # fmt: skip


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SmallServer]:
    found = a_server(tmp_path)
    await found.put(
        *(
            {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, **value}
            for id, (value, _) in VALUES.items()
        )
    )
    yield found
    await found.engine.close()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("asked", ASKED)
async def test_each_prefix_finds_what_r4_says_of_each_kind_of_date(
    server: SmallServer, prefix: str, asked: str
) -> None:
    found = await server.ids(f"Observation?date={prefix}{asked}&_count=100")
    assert sorted(found) == sorted(id for id, (_, its) in VALUES.items() if holds(prefix, its, covered(asked)))


async def test_about_a_date_reaches_a_tenth_of_the_way_to_now(server: SmallServer) -> None:
    """https://hl7.org/fhir/R4/search.html#prefix: "a recommended value for the approximation is 10%"."""
    now = datetime.now(UTC)
    near, far = now - timedelta(days=95), now - timedelta(days=150)
    for id, moment in (("near", near), ("far", far)):
        await server.put(
            {
                "resourceType": "Appointment",
                "id": id,
                "status": "booked",
                "start": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "participant": [{"status": "accepted", "actor": {"display": "x"}}],
            }
        )
    asked = (now - timedelta(days=100)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await server.ids(f"Appointment?date=ap{asked}") == ["near"]


#: Every parameter of R4 that an `instant` is found by (search parameters whose element is an instant alone).
INSTANTS = [
    ("Appointment", "date", "start", {"status": "booked", "participant": [{"status": "accepted"}]}),
    ("Slot", "start", "start", {"status": "free", "schedule": {"reference": "Schedule/1"}}),
    ("AuditEvent", "date", "recorded", {"type": {"code": "rest"}, "agent": [{"requestor": True}]}),
    ("Provenance", "recorded", "recorded", {"target": [{"reference": "Patient/1"}], "agent": [{}]}),
    ("DocumentReference", "date", "date", {"status": "current", "content": [{"attachment": {}}]}),
    ("Bundle", "timestamp", "timestamp", {"type": "collection"}),
]


@pytest.mark.parametrize(("type", "param", "element", "rest"), INSTANTS)
async def test_an_instant_is_found_at_any_precision_it_lies_in(
    server: SmallServer, type: str, param: str, element: str, rest: Json
) -> None:
    await server.put({"resourceType": type, "id": "one", element: "2024-03-01T18:00:00Z", **rest})
    for asked in ("2024-03-01T18:00:00.000Z", "2024-03-01T18:00:00Z", "2024-03-01T19:00:00.000%2B01:00", "2024-03"):
        assert await server.ids(f"{type}?{param}={asked}") == ["one"], asked
    for asked in ("2024-03-01T18:00:00.001Z", "gt2024-03-01T18:00:00.000Z", "sa2024-03-01T18:00:00Z"):
        assert await server.ids(f"{type}?{param}={asked}") == [], asked
