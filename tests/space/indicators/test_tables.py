"""Tables of indicators on a day: their periods by the calendar of Paris, their rows, and what is not shown of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.accounts.life import Life, to_basic
from fhir_server.space.indicators.definitions import BY_CODE, INDICATORS
from fhir_server.space.indicators.facts import FACTS
from fhir_server.space.indicators.hiding import TOTAL, small
from fhir_server.space.indicators.pages.charts import drawn
from fhir_server.space.indicators.recounting import Indicators
from fhir_server.space.indicators.tables import COUNT, Table, months_before, weeks_before
from fhir_server.space.indicators.telling import table
from tests.server.people import kept
from tests.space.indicators.test_counting import filed, person

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OCTOBER, LAST_YEAR = "2026-10-05T10:00:00+02:00", "2025-10-05T10:00:00+02:00"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path)) as found:
        await kept(found, *(person(f"p{n}", birthDate=f"{1950 + n}-06-01") for n in range(40)))
        yield found


async def shown(house: House, code: str, now: datetime = NOW) -> Table:
    await Indicators(house.services).recount(now)
    return await table(house.engine.records, BY_CODE[code], now)


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2026, 11, 30), "2025-11", "2026-10"),
        (date(2026, 12, 1), "2025-12", "2026-11"),
        (date(2027, 1, 1), "2026-01", "2026-12"),
    ],
)
def test_twelve_months_are_the_full_ones_before_the_day(day: date, first: str, last: str) -> None:
    months = months_before(day)
    assert (len(months), months[0], months[-1]) == (12, first, last)


def test_weeks_are_those_of_iso_8601_over_the_end_of_a_year() -> None:
    weeks = weeks_before(date(2027, 1, 14))
    assert (len(weeks), weeks[0], weeks[-2:]) == (12, "2026-W43", ("2026-W53", "2027-W01"))


def test_each_indicator_divides_its_fact_by_what_it_is_divided_by() -> None:
    for one in INDICATORS:
        dims = set(FACTS[one.fact])
        rows = {"majority": "year"}.get(one.rows, one.rows)
        assert {rows, *one.only, *filter(None, [one.columns])} <= dims, one.code
        assert all(all(pair) and pair[0] != pair[1] for pair in (one.title, one.definition)), one.code
    assert len(BY_CODE) == len(INDICATORS)


async def test_documents_are_told_by_month_and_sector_with_their_sums(house: House) -> None:
    hospital = (filed(f"h{n}", "p1", "SA01", "x", OCTOBER) for n in range(20))
    biology = (filed(f"b{n}", "p2", "SA25", "x", OCTOBER) for n in range(30))
    earlier = (filed(f"e{n}", "p2", "SA25", "x", LAST_YEAR) for n in range(30))
    await kept(house, *hospital, *biology, *earlier)
    found = await shown(house, "documents")
    assert found.columns == ("biology", "hospital")
    assert (found.first, found.last) == (date(2025, 11, 1), date(2026, 10, 31))
    assert [found.values["2026-10", one] for one in (*found.columns, TOTAL)] == [30, 20, 50]
    assert [found.values[TOTAL, one] for one in (*found.columns, TOTAL)] == [30, 20, 50]


async def test_few_documents_are_not_told_and_are_in_no_sum(house: House) -> None:
    few = (filed(f"h{n}", "p1", "SA01", "x", OCTOBER) for n in range(3))
    await kept(house, *few, *(filed(f"b{n}", "p2", "SA25", "x", OCTOBER) for n in range(30)))
    found = await shown(house, "documents")
    assert found.values["2026-10", "hospital"] is None
    assert [found.values["2026-10", one] for one in ("biology", TOTAL)] == [30, 30]
    assert found.values[TOTAL, "hospital"] is None
    assert not any(value is not None and small(value) for value in found.values.values())


async def test_the_greatest_are_told(house: House) -> None:
    types = (filed(f"d{t}-{n}", "p1", "SA01", f"t{t:02}", OCTOBER) for t in range(13) for n in range(12 + t))
    await kept(house, *types)
    found = await shown(house, "document-types")
    assert found.rows == tuple(f"t{t:02}" for t in range(12, 2, -1))
    assert [found.values[row, COUNT] for row in found.rows] == list(range(24, 14, -1))
    chart = drawn(found)
    assert chart is not None and not chart.columns and len(chart.marks) == 10


async def test_ages_are_of_the_year_of_the_day(house: House) -> None:
    # Born 1950 to 1989: 37 to 76 in 2026, at most ten of each step.
    assert (await shown(house, "ages")).rows == ()
    await kept(house, *(person(f"q{n}", birthDate=f"{1950 + n % 40}-06-01") for n in range(80)))
    found = await shown(house, "ages")
    # Nine of 30 to 39: the next step is not told either, since the rest would tell how many they are.
    assert found.rows == ("50-59", "60-69", "70-79")
    assert [found.values[row, COUNT] for row in found.rows] == [30, 30, 21]


async def test_a_record_of_which_nothing_is_written_counts_as_its_patient_says(house: House) -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    lives = (Life(f"p{n}", "activated", at, "activate", at, "holder") for n in range(15))
    await kept(house, *map(to_basic, lives))
    found = await shown(house, "states")
    told = {row: found.values[row, TOTAL] for row in found.rows if found.values[row, TOTAL]}
    assert told == {"open": 25, "activated": 15}
    since = await shown(house, "activations")
    assert since.values["2026-06", COUNT] == 15


async def test_persons_counted_once_do_not_add_up(house: House) -> None:
    months = ("2026-09-05T10:00:00Z", "2026-10-05T10:00:00Z")
    await kept(house, *(filed(f"d{n}-{m[6]}", f"p{n}", "SA25", "x", m) for n in range(12) for m in months))
    found = await shown(house, "records-fed")
    assert (found.values["2026-09", "count"], found.values["2026-10", "count"]) == (12, 12)
    assert TOTAL not in found.lines
