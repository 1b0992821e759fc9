"""Several ranges of one parameter: each may be met by another span of the resource, and all by the only one it has.

`fhir_server/store/matching.py`; https://hl7.org/fhir/R4/search.html#prefix (ge, le, eq of dates are several ranges).
"""

from __future__ import annotations

import pytest

from fhir_server.store.engine import Engine
from fhir_server.store.filters import And, Filter, Index, Linked, LinkedFrom, Missing, Not, Or, Range, Span, Token, Word
from fhir_server.store.matching import matches
from tests.store.making import an_index, found, stored

LATE, EARLY, LONG, SHORT = (
    Range("p", low_from=10),
    Range("p", low_to=20),
    Range("p", high_from=30),
    Range("p", high_to=40),
)
OTHER = Range("q", low_from=5)
#: Spans of "p", of "q".
RESOURCES: dict[str, Index] = {
    "none": an_index(Word("w", "x")),
    "inside": an_index(Span("p", 15, 35)),
    "before": an_index(Span("p", 5, 35)),
    "after": an_index(Span("p", 25, 35)),
    "short": an_index(Span("p", 15, 20)),
    "long": an_index(Span("p", 15, 50)),
    "instant": an_index(Span("p", 20, 20)),
    "two that meet it together": an_index(Span("p", 5, 35, group=1), Span("p", 25, 50, group=2)),
    "two that do not": an_index(Span("p", 1, 2, group=1), Span("p", 3, 4, group=2)),
    "two, one inside": an_index(Span("p", 1, 2, group=1), Span("p", 15, 35, group=2)),
    "with another": an_index(Span("p", 15, 35), Span("q", 7, 7)),
    "another alone": an_index(Span("q", 7, 7)),
    "of a code": an_index(Span("p", 15, 35, "kg", "http://unitsofmeasure.org")),
}
FILTERS: tuple[Filter, ...] = (
    LATE,
    And((LATE, EARLY)),
    And((LATE, EARLY, LONG, SHORT)),
    And((LATE, Or((LONG, And((EARLY, SHORT)))))),
    And((And((LATE, EARLY)), And((LONG, SHORT)))),
    And((LATE, EARLY, OTHER)),
    And((LATE, EARLY, Range("q", low_to=6))),
    And((Or((LATE, OTHER)), EARLY)),
    And((LATE, Not(LONG))),
    And((LATE, Not(And((EARLY, LONG))))),
    Not(And((LATE, EARLY))),
    Or((And((LATE, EARLY)), And((LONG, SHORT)))),
    And((LATE, EARLY, Token("w", "x"))),
    And((LATE, EARLY, Missing("q"))),
    And((LATE, EARLY, Range("unheard", low_to=1))),
    And((LATE, EARLY, And(()))),
    And((LATE, Or(()))),
    And((LATE, Or((EARLY, Or(()))))),
    And((LATE, Or((EARLY, And(()))))),
    And((Range("p", low_from=10, code="kg", system="http://unitsofmeasure.org"), EARLY)),
    And((Range("p", low_from=10, code="g"), Range("p", high_to=40, system="http://unheard.example"))),
    And((LATE, Range("_lastUpdated", low_from=0), EARLY)),
)


@pytest.mark.parametrize("n", range(len(FILTERS)))
async def test_ranges_are_met_by_one_span_or_by_several(engine: Engine, n: int) -> None:
    where = FILTERS[n]
    versions = await stored(engine, "A", RESOURCES)
    at = {one.id: one.at * 1000 for one in versions}
    expected = sorted(id for id, index in RESOURCES.items() if matches(where, index, id, at[id]))
    assert sorted(await found(engine, "A", where)) == expected
    assert await engine.store.count({"A": where}) == len(expected)


async def test_what_a_link_leads_to_is_judged_alike(engine: Engine) -> None:
    window = And((LATE, EARLY, LONG, SHORT))
    await stored(engine, "A", RESOURCES)
    await stored(engine, "B", {id.replace(" ", ""): an_index(Word("a", f"A/{id}")) for id in RESOURCES})
    inside = sorted(id for id, index in RESOURCES.items() if matches(window, index))
    assert len(inside) > 2
    assert sorted(await found(engine, "B", Linked("a", "A", window))) == sorted(id.replace(" ", "") for id in inside)
    await stored(engine, "C", {"c": an_index(Word("a", "A/inside"), Span("p", 15, 35)), "d": an_index(Span("p", 1, 2))})
    assert await found(engine, "A", LinkedFrom("C", "a", window)) == ["inside"]
