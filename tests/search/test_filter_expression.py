"""The `_filter` language: https://hl7.org/fhir/R4/search_filter.html"""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.outcome import FhirError, InvalidParameter
from fhir_server.search.asking.filter_grammar import Logical, Negation, read
from fhir_server.search.asking.filter_grammar import Test as OneTest
from fhir_server.store.filters import (
    And,
    Filter,
    Id,
    Linked,
    Missing,
    Not,
    Or,
    Range,
    Refers,
    String,
    Text,
    Together,
    Token,
    Uri,
)
from tests.search.reading_of import query, where


@pytest.mark.parametrize(
    ("type", "expression", "filter"),
    [
        ("Patient", 'given eq "peter"', Token("given", "peter")),
        ("Patient", 'name co "pet"', String("name", "pet", "contains")),
        ("Patient", "name sw Pet", String("name", "pet")),
        ("Patient", "name ew ter", String("name", "ter", "ends")),
        ("Patient", "given ne peter", And((Not(Token("given", "peter")), Not(Missing("given"))))),
        ("Patient", "birthdate pr true", Not(Missing("birthdate"))),
        ("Patient", "birthdate pr false", Missing("birthdate")),
        ("Patient", "_id eq a", Id(("a",))),
        ("Patient", "_id ne a", Not(Id(("a",)))),
        ("Observation", "code eq http://loinc.org|1234-5", Token("code", "1234-5", "http://loinc.org")),
        ("Observation", "code co 34", Or((String("code", "34", "contains"), String("code:text", "34", "contains")))),
        ("Observation", "subject re Patient/4", Refers("subject", "Patient/4")),
        ("Observation", "value-quantity le 5.4||mg", Range("value-quantity", low_to=5.4, code="mg")),
        ("RiskAssessment", "probability lt 1", Range("probability", low_to=0.9999999999999999)),
        ("ValueSet", "url eq http://x.org/v", Uri("url", "http://x.org/v")),
        ("ValueSet", "url ss http://x.org/v", Uri("url", "http://x.org/v", "below")),
        ("Patient", "_content co word", Text("content", ("word",))),
        ("Observation", 'subject.name co "pet"', Or((
            Linked("subject", "Patient", String("name", "pet", "contains")),
            String("subject:Patient.name", "pet", "contains"),
            Linked("subject", "Location", String("name", "pet", "contains")),
            String("subject:Location.name", "pet", "contains"),
        ))),
        (
            "Observation",
            "patient[gender eq male].birthdate pr true",
            Or((
                Linked("patient", "Patient", And((Token("gender", "male"), Not(Missing("birthdate"))))),
                Together((
                    Token("patient:contained", "Patient"),
                    Token("patient:Patient.gender", "male"),
                    Not(Missing("patient:Patient.birthdate")),
                )),
            )),
        ),
        (
            "Observation",
            "subject:Patient.name eq x",
            Or((Linked("subject", "Patient", Token("name", "x")), Token("subject:Patient.name", "x"))),
        ),
        (
            "Observation",
            "code-value-quantity[code eq 8480-6].value-quantity lt 60",
            Together((Token("code-value-quantity$1", "8480-6"), Range("code-value-quantity$2", low_to=59.99999999999999))),
        ),
        ("Patient", "gender eq male and active eq true", And((Token("gender", "male"), Token("active", "true")))),
        ("Patient", "gender eq male or active eq true", Or((Token("gender", "male"), Token("active", "true")))),
        ("Patient", "not(gender eq male)", Not(Token("gender", "male"))),
        ("Patient", "not (gender eq male)", Not(Token("gender", "male"))),
        ("Patient", "((gender eq male))", Token("gender", "male")),
        # From left to right, without precedence.
        (
            "Patient",
            "gender eq male or gender eq other and active eq true",
            And((Or((Token("gender", "male"), Token("gender", "other"))), Token("active", "true"))),
        ),
        (
            "Patient",
            "gender eq male or (gender eq other and active eq true)",
            Or((Token("gender", "male"), And((Token("gender", "other"), Token("active", "true"))))),
        ),
        ("Patient", r'name eq "d\u00e9 \"x\""', Token("name", "de x")),
        ("Patient", r'identifier eq "a\\b"', Token("identifier", r"a\b")),
    ],
)  # fmt: skip
async def test_an_expression_becomes_this_filter(type: str, expression: str, filter: Filter) -> None:
    found = await where(f"{type}?_filter={quote(expression)}")
    if isinstance(filter, Or) and isinstance(found, Or):
        assert set(found.parts) == set(filter.parts)
    else:
        assert found == filter


async def test_periods_that_overlap() -> None:
    found = await where("Encounter?_filter=date po 2020-01-01")
    assert isinstance(found, Range) and found.low_to is not None and found.high_from is not None
    assert found.low_to > found.high_from


@pytest.mark.parametrize(
    ("expression", "position"),
    [
        ("name", 5),
        ("name eq", 8),
        ("name is x", 6),
        ("name eq x and", 14),
        ("name eq x nor name eq y", 11),
        ("(name eq x", 11),
        ("name eq x)", 10),
        ('name eq "x', 9),
        ("subject[name eq x.name eq y", 24),
        ("1name eq x", 1),
        ("not name eq x", 5),
        ('name eq "\\q"', 9),
    ],
)
async def test_what_is_not_of_the_grammar_is_refused_at_its_place(expression: str, position: int) -> None:
    with pytest.raises(InvalidParameter) as refused:
        await query(f"Observation?_filter={quote(expression)}")
    assert f"character {position}" in refused.value.issues[0].diagnostics
    assert refused.value.issues[0].expression == "http._filter"


@pytest.mark.parametrize(
    "expression",
    [
        "name gt x",
        "gender gt male",
        "birthdate co 2000",
        "birthdate eq abc",
        "nothing eq x",
        "name pr maybe",
        "gender.name eq x",
        "organization[name eq x] pr true",
        "organization:Patient.name eq x",
        "_id gt 4",
        "_text gt 4",
        "code in http://x",
    ],
)
async def test_what_cannot_be_asked_is_refused(expression: str) -> None:
    with pytest.raises(FhirError) as refused:
        await query(f"Patient?_filter={quote(expression)}")
    assert refused.value.status == 400


def test_the_tree_of_an_expression() -> None:
    node = read("not(a eq 1) and b.c co x")
    assert isinstance(node, Logical) and isinstance(node.parts[0], Negation) and isinstance(node.parts[1], OneTest)
    assert [step.name for step in node.parts[1].path] == ["b", "c"]
    assert node.parts[1].at == 17


@given(st.text(alphabet='ab ().[]"\\ eqconotrd', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except FhirError as refused:
        assert refused.status == 400
