"""Where a read is begun: by what others of its shape cost, and never ended by having been begun in the wrong place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.store.embedded.costs import Costs, shape
from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.embedded.held_filters import OfHeld
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


def test_what_is_made_of_a_filter_is_made_once_for_each_object() -> None:
    made: list[Token] = []

    def make(where: Token) -> str:
        made.append(where)
        return where.param

    of_held = OfHeld(make)  # type: ignore[arg-type]
    one, equal = Token("code", "a"), Token("code", "a")
    assert [of_held(one), of_held(one), of_held(equal)] == ["code"] * 3
    assert [id(where) for where in made] == [id(one), id(equal)]


def test_no_filter_is_taken_for_one_that_is_no_more() -> None:
    of_held = OfHeld(lambda where: where)
    for n in range(3_000):
        # Each is let go of at once, so that the next may stand where it stood.
        assert of_held(Token("code", str(n))) == Token("code", str(n))
