"""Where a read is begun: by what others of its shape cost, and never ended by having been begun in the wrong place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.store.embedded.costs import Costs, shape
from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.filters import And, Not, Or, Range, Refers, Token
from fhir_server.store.protocol import Sort
from tests.store.making import an_index, stored

NEWEST = (Sort("date", "span", descending=True),)


def test_values_are_no_part_of_a_shape() -> None:
    one = shape("find", {"Observation": And((Token("code", "a"), Range("date", low_from=1)))}, NEWEST)
    other = shape("find", {"Observation": And((Token("code", "b"), Range("date", low_from=2)))}, NEWEST)
    assert one == other


def test_what_is_asked_for_and_in_what_order_is() -> None:
    where = Token("code", "a")
    shapes = {
        shape("find", {"Observation": where}),
        shape("count", {"Observation": where}),
        shape("find", {"Observation": where}, NEWEST),
        shape("find", {"Condition": where}),
        shape("find", {"Observation": Not(where)}),
        shape("find", {"Observation": Or((where, Refers("subject", "Patient/1")))}),
        shape("find", {"Observation": And((where, Refers("subject", "Patient/1")))}),
        shape("find", {"Observation": Token("status", "a")}),
    }
    assert len(shapes) == 8


def test_the_newest_costs_count_most_and_what_is_unknown_is_short() -> None:
    costs = Costs()
    assert costs.expected("a") == 0
    costs.note("a", 1.0)
    assert costs.expected("a") == 1.0
    for _ in range(20):
        costs.note("a", 0.0)
    assert costs.expected("a") < 0.01


def test_only_so_many_shapes_are_remembered() -> None:
    costs = Costs()
    for n in range(5_000):
        costs.note(n, 1.0)
    assert costs.expected(0) == 0
    assert costs.expected(4_999) == 1.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "store.sqlite")
    yield opened
    await opened.close()


async def test_a_read_gives_the_same_wherever_it_is_begun(engine: EmbeddedEngine) -> None:
    await stored(engine, "Patient", {f"p{n}": an_index() for n in range(30)})
    scope = {"Patient": Not(Token("gender", "other"))}
    here = await engine.store.find(scope, count=50)
    known = shape("find", scope, (Sort("_lastUpdated", "own", descending=True),))
    for seconds in (0.1, 10.0):
        engine._readers._costs.note(known, seconds)
        assert await engine.store.find(scope, count=50) == here
    assert len(here.versions) == 30
