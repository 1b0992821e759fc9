"""What each filter means, row by row: the reference itself.

https://hl7.org/fhir/R4/search.html, `fhir_server/store/filters.py`
"""

from __future__ import annotations

import pytest

from fhir_server.store.filters import (
    BEGINNING,
    END,
    EVERYTHING,
    NOTHING,
    And,
    Filter,
    Id,
    Index,
    Linked,
    LinkedFrom,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    Span,
    String,
    Text,
    Together,
    Token,
    Uri,
    Word,
    both,
    either,
)
from fhir_server.store.matching import distance, matches, pack, unpack

INDEX = Index(
    (
        Word("gender", "female", "http://hl7.org/fhir/administrative-gender"),
        Word("name", "zoe", "Zoé"),
        Word("subject", "Patient/1", "2"),
        Word("url", "http://a.example/x/y"),
        Word("c$1", "a", "s", 1),
        Word("c$1", "b", "s", 2),
    ),
    (
        Span("date", 10, 19),
        Span("open", 5, END),
        Span("dose", 1.5, 1.5, "mg", "http://unitsofmeasure.org"),
        Span("c$2", 1, 1, "", "", 1),
        Span("c$2", 2, 2, "", "", 2),
        Span("near", 48.8566, 48.8566, "", "", 1),
        Span("near$2", 2.3522, 2.3522, "", "", 1),
        Span("near", 0.0, 0.0, "", "", 2),
        Span("near$2", 0.0, 0.0, "", "", 2),
    ),
    "le chat noir",
    "zoe durand",
)

#: A filter, and whether INDEX of resource "1" at 1000 µs satisfies it.
TABLE: list[tuple[Filter, bool]] = [
    (EVERYTHING, True),
    (NOTHING, False),
    (Id(("2", "1")), True),
    (Id(()), False),
    (Token("gender", "female"), True),
    (Token("gender", "female", "http://hl7.org/fhir/administrative-gender"), True),
    (Token("gender", None, "http://hl7.org/fhir/administrative-gender"), True),
    (Token("gender", "female", ""), False),
    (Token("gender", "male"), False),
    (Token("gender"), True),
    (Token("other"), False),
    (String("name", "zo"), True),
    (String("name", "oe"), False),
    (String("name", "oe", "contains"), True),
    (String("name", "oe", "ends"), True),
    (String("name", "zoe", "exact"), False),
    (String("name", "Zoé", "exact"), True),
    (Refers("subject", "Patient/1"), True),
    (Refers("subject", "Patient/1", "2"), True),
    (Refers("subject", "Patient/1", "3"), False),
    (Refers("subject", "Patient/11"), False),
    (Uri("url", "http://a.example/x"), False),
    (Uri("url", "http://a.example/x", "below"), True),
    (Uri("url", "http://a.example/x/y", "below"), True),
    (Uri("url", "http://a.example/x/", "below"), False),
    (Range("date", low_from=10, high_to=19), True),
    (Range("date", low_from=11), False),
    (Range("date", low_to=10, high_from=19), True),
    (Range("date", high_from=20), False),
    (Range("open", high_from=10**15), True),
    (Range("open", low_from=BEGINNING, low_to=4), False),
    (Range("dose", 1.5, 1.5, code="mg", system="http://unitsofmeasure.org"), True),
    (Range("dose", 1.5, 1.5, code="g"), False),
    (Range("_lastUpdated", 1000, 1000), True),
    (Range("_lastUpdated", 1001), False),
    (Near("near", 48.85, 2.35, 1000), True),
    (Near("near", 48.85, 2.35, 500), False),
    # Latitude of one place and longitude of another are not a place.
    (Near("near", 48.8566, 0.0, 1000), False),
    (Text("narrative", ("noir", "chat")), True),
    (Text("narrative", ("cha",)), False),
    (Text("content", ("noir",)), False),
    (Missing("gender"), False),
    (Missing("date"), False),
    (Missing("other"), True),
    (Missing("_id"), False),
    (Together((Token("c$1", "a"), Range("c$2", 1, 1))), True),
    (Together((Token("c$1", "a"), Range("c$2", 2, 2))), False),
    (Together((Or((Token("c$1", "a"), Token("c$1", "b"))), Range("c$2", 2, 2))), True),
    # One inside another is judged in the same group.
    (Together((Token("c$1", "a"), Together((Range("c$2", 1, 1),)))), True),
    (Together((Token("c$1", "a"), Together((Range("c$2", 2, 2),)))), False),
    (Together((Token("c$1", "a"), Not(Together((Range("c$2", 2, 2),))))), True),
    (And((Token("c$1", "a"), Range("c$2", 2, 2))), True),
    (Not(Token("gender", "male")), True),
    (Or((Token("gender", "male"), Token("gender", "female"))), True),
]


@pytest.mark.parametrize(("where", "expected"), TABLE, ids=[repr(row[0])[:80] for row in TABLE])
def test_a_filter_means_what_it_says(where: Filter, expected: bool) -> None:
    assert matches(where, INDEX, "1", 1000) is expected


@pytest.mark.parametrize(
    "link", [Linked("subject", "Patient", EVERYTHING), LinkedFrom("Observation", "subject", EVERYTHING)]
)
def test_a_link_is_asked_of_the_caller(link: Linked | LinkedFrom) -> None:
    assert matches(And((link,)), INDEX, linked=lambda asked: asked == link)
    with pytest.raises(ValueError, match="link"):
        matches(link, INDEX)


def test_a_packed_index_is_unpacked_as_it_was() -> None:
    assert unpack(pack(INDEX)) == INDEX


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0.0, 0.0), (0.0, 0.0), 0),
        ((0.0, 179.5), (0.0, -179.5), 111_195),
        ((90.0, 0.0), (-90.0, 0.0), 20_015_115),
        ((90.0, 0.0), (90.0, 120.0), 0),
        ((48.8566, 2.3522), (45.7640, 4.8357), 391_500),
    ],
)
def test_distances_are_those_of_a_sphere(one: tuple[float, float], other: tuple[float, float], metres: int) -> None:
    assert distance(*one, *other) == pytest.approx(metres, rel=1e-3, abs=1)


def test_filters_are_flattened() -> None:
    male, female = Token("gender", "male"), Token("gender", "female")
    assert both(male, EVERYTHING) == male
    assert both(And((male, female)), female) == And((male, female, female))
    assert both(male, NOTHING) == NOTHING
    assert both() == EVERYTHING
    assert either([male, NOTHING]) == male
    assert either([male, EVERYTHING]) == EVERYTHING
    assert either([]) == NOTHING
