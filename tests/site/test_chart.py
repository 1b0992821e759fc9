"""The axis of a chart of measures: no two ticks say the same, whatever time the values are spread over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fhir_server.space.record.pages.chart import WIDTH, Point, drawn

BEGIN = datetime(2026, 1, 8, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spread", "ticks"),
    [
        (timedelta(0), 1),
        (timedelta(seconds=20), 1),
        (timedelta(minutes=2), 2),
        (timedelta(minutes=3), 4),
        (timedelta(hours=5), 4),
        (timedelta(days=1), 4),
        (timedelta(days=2, hours=23), 4),
        (timedelta(days=3), 4),
        (timedelta(days=400), 4),
    ],
)
def test_no_two_ticks_of_time_say_the_same(spread: timedelta, ticks: int) -> None:
    chart = drawn([[Point(BEGIN, 70.0), Point(BEGIN + spread, 71.5)]])
    assert chart is not None
    said = [at.strftime("%d/%m %H:%M" if chart.clock else "%d/%m/%y") for _, at in chart.across]
    assert len(said) == len(set(said)) == ticks
    places = [x for x, _ in chart.across]
    assert places == sorted(places) and places[0] > 0 and places[-1] < WIDTH


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308, -1e308, 1e16])
def test_a_value_that_no_axis_holds_leaves_the_others_to_be_drawn(value: float) -> None:
    """R4 bounds no decimal: software that sends 1e400 takes no page from anybody."""
    chart = drawn([[Point(BEGIN, value), Point(BEGIN, 70.0), Point(BEGIN, value)], [Point(BEGIN, -value)]])
    assert chart is not None and [len(line) for line in chart.lines] == [1, 0]
    assert drawn([[Point(BEGIN, value)]]) is None
