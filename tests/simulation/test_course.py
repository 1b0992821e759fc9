"""The course of the years: `seed/nation.csv` says what is there, and the small nation is the large one divided."""

from __future__ import annotations

import pytest

from fhir_server.population.tables import rows
from fhir_server.simulation.course import (
    SECTORS,
    STOCKS,
    Small,
    beginning,
    flow,
    moment,
    month_number,
    month_text,
    of_sector,
    stock,
)

FIRST, LAST = month_number("2021-07"), month_number("2026-01")
MONTHS = range(FIRST, LAST + 1)


def test_months_are_read_as_they_are_written() -> None:
    assert [month_text(one) for one in (FIRST, FIRST + 5, FIRST + 6)] == ["2021-07", "2021-12", "2022-01"]
    assert month_number("2022-01") - FIRST == 6
    assert beginning() == FIRST


def test_every_row_says_where_it_comes_from_and_a_series_goes_forward() -> None:
    series: dict[str, list[int]] = {}
    for row in rows("nation"):
        assert row["source"]
        series.setdefault(row["series"], []).append(month_number(row["month"]))
    assert all(sorted(set(months)) == months for months in series.values())


@pytest.mark.parametrize("series", sorted(STOCKS))
def test_what_is_there_does_not_shrink(series: str) -> None:
    found = [stock(series, month, part) for month in MONTHS for part in (0.25, 0.5, 0.75, 1)]
    assert found == sorted(found)


def test_the_shares_of_professionals_make_a_whole() -> None:
    sectors = [one for one, (series, _) in SECTORS.items() if series == "fed"]
    for month in MONTHS:
        assert sum(of_sector(one, month) for one in sectors) == pytest.approx(flow("fed", month), rel=0.05)


@pytest.mark.parametrize("scale", [684, 6_840, 68_400, 1_000_000])
def test_in_small_nothing_is_lost_by_rounding(scale: float) -> None:
    small = Small(scale, FIRST)
    for sector in SECTORS:
        whole = 1000 * sum(of_sector(sector, month) for month in MONTHS) / scale
        assert sum(small.documents(sector, month) for month in MONTHS) == pytest.approx(whole, abs=1)
    assert all(small.documents(sector, month) >= 0 for sector in SECTORS for month in MONTHS)


def test_beyond_the_last_figure_it_goes_on() -> None:
    assert stock("activated", LAST + 12) > stock("activated", LAST)
    assert flow("fed", LAST + 12) == flow("fed", LAST)


def test_time_acts_four_times_a_month() -> None:
    assert [f"{moment(FIRST, tick):%d}" for tick in range(4)] == ["07", "14", "21", "28"]
