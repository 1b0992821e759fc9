"""Whom a version may concern is found by its words, and nobody is left out: `store.matching` is the judge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Filter,
    Id,
    Index,
    Missing,
    Not,
    Or,
    Range,
    Refers,
    String,
    Together,
    Token,
    Uri,
    Word,
)
from fhir_server.store.matching import matches
from fhir_server.subscriptions.lookup import Lookup, asked

_NAMES, _VALUES = st.sampled_from("pq"), st.sampled_from("abc")
_LEAVES: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Token, _NAMES, st.none() | _VALUES, st.none() | st.just("s")),
    st.builds(Refers, _NAMES, _VALUES),
    st.builds(Uri, _NAMES, _VALUES, st.sampled_from(["equal", "below"])),
    st.builds(String, _NAMES, _VALUES, st.sampled_from(["starts", "contains", "ends", "exact"])),
    st.builds(Missing, _NAMES),
    st.builds(lambda ids: Id(tuple(ids)), st.lists(_VALUES, max_size=2)),
    st.sampled_from([EVERYTHING, NOTHING]),
)
_FILTERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda some: And(tuple(some)), st.lists(inner, max_size=3)),
        st.builds(lambda some: Or(tuple(some)), st.lists(inner, max_size=3)),
        st.builds(lambda some: Together(tuple(some)), st.lists(inner, min_size=1, max_size=2)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)
_INDEXES = st.lists(st.builds(Word, _NAMES, _VALUES, st.sampled_from(["", "s"])), max_size=3).map(
    lambda words: Index(tuple(dict.fromkeys(words)))
)


@given(_FILTERS, _INDEXES, _VALUES)
def test_whoever_is_satisfied_is_found(where: Filter, index: Index, id: str) -> None:
    found = Lookup([("subscription", "Observation", where)]).perhaps("Observation", id, index)
    assert found or not matches(where, index, id)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (Token("code", "x"), {("code", "x")}),
        (Token("code"), None),
        (Token("code", None, "s"), None),
        (Refers("patient", "Patient/a"), {("patient", "Patient/a")}),
        # A reference is rarer than a code.
        (And((Token("code", "x"), Refers("patient", "Patient/a"))), {("patient", "Patient/a")}),
        (And((Or((Token("code", "x"), Token("code", "y"))), Token("status", "final"))), {("status", "final")}),
        (Or((Token("code", "x"), Token("code", "y"))), {("code", "x"), ("code", "y")}),
        (Or((Token("code", "x"), Missing("code"))), None),
        (And((Range("date", low_from=1), Not(Token("code", "x")))), None),
        (Id(("a", "b")), {("_id", "a"), ("_id", "b")}),
        (NOTHING, set()),
        (EVERYTHING, None),
    ],
)
def test_what_is_looked_for_is_the_rarest_word_that_is_needed(
    where: Filter, words: set[tuple[str, str]] | None
) -> None:
    assert asked(where) == words


def test_a_version_of_another_type_concerns_nobody() -> None:
    lookup = Lookup([("one", "Observation", EVERYTHING), ("two", "Condition", Token("code", "x"))])
    assert lookup.types() == {"Observation", "Condition"}
    assert lookup.perhaps("Observation", "1", Index((Word("code", "x"),))) == {"one"}
    assert lookup.perhaps("Condition", "1", Index((Word("code", "x"),))) == {"two"}
    assert not lookup.perhaps("Condition", "1", Index((Word("code", "y"),)))
