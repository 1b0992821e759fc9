"""https://hl7.org/fhir/R4/searchparameter-registry.html, https://hl7.org/fhir/R4/searchparameter.html."""

from __future__ import annotations

import pytest

from fhir_server.fhir.definitions import SearchParameter, resource_types
from fhir_server.search.indexing.elements import reached
from fhir_server.search.parameters.registry import WITHOUT_EXPRESSION, Registry, bases_of, clauses, described

EVERY = {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_content", "_filter", "_has", "_list", "_query", "_type"}  # fmt: skip


def a_parameter(
    code: str = "nickname",
    base: str = "Patient",
    url: str = "http://a.example/nickname",
    expression: str = "Patient.name.text",
) -> SearchParameter:
    return SearchParameter(url=url, code=code, type="string", base=(base,), expression=expression)


@pytest.mark.parametrize("type", sorted(resource_types()))
def test_every_type_has_the_parameters_of_all_types(type: str) -> None:
    assert Registry().of(type).keys() >= EVERY


@pytest.mark.parametrize("type, has", [("Patient", True), ("Bundle", False), ("Binary", False), ("Parameters", False)])
def test_only_types_with_a_narrative_are_searched_by_it(type: str, has: bool) -> None:
    assert ("_text" in Registry().of(type)) is has


@pytest.mark.parametrize(
    "type, code, kind",
    [
        ("Patient", "birthdate", "date"),
        ("Patient", "general-practitioner", "reference"),
        ("Observation", "code-value-quantity", "composite"),
        ("Location", "near", "special"),
        ("RiskAssessment", "probability", "number"),
        ("ValueSet", "url", "uri"),
        ("DocumentReference", "patient", "reference"),
        ("Device", "din", "token"),
    ],
)
def test_a_types_own_parameters_are_there(type: str, code: str, kind: str) -> None:
    found = Registry().get(type, code)
    assert found is not None
    assert found.type == kind


@pytest.mark.parametrize(
    "type, code", [("Patient", "part-agree"), ("Patient", "age"), ("Patient", "Birthdate"), ("Nothing", "_id")]
)
def test_what_the_standard_does_not_define_is_not_there(type: str, code: str) -> None:
    assert Registry().get(type, code) is None


def test_an_example_of_a_search_parameter_is_not_taken_for_one() -> None:
    found = Registry().get("Condition", "subject")
    assert found is not None
    assert found.url == "http://hl7.org/fhir/SearchParameter/Condition-subject"


@pytest.mark.parametrize("type", sorted(resource_types()))
def test_every_parameter_of_a_type_can_be_found_somewhere_in_it(type: str) -> None:
    for code, parameter in Registry().of(type).items():
        if code in WITHOUT_EXPRESSION:
            assert parameter.expression is None
            continue
        own = clauses(parameter.expression or "", type)
        assert own, code
        for clause in own:
            reached(clause, type)  # raises on an element that the type does not have


@pytest.mark.parametrize(
    "type, code, expected",
    [
        ("Person", "name", ("Person.name",)),
        ("Patient", "phone", ("Patient.telecom.where(system='phone')",)),
        ("Patient", "_tag", ("Resource.meta.tag",)),
        ("InsurancePlan", "name", ("name", "alias")),
        ("Observation", "value-date", ("(Observation.value as dateTime)", "(Observation.value as Period)")),
        ("Patient", "deceased", ("Patient.deceased.exists() and Patient.deceased != false",)),
    ],
)
def test_of_an_expression_for_many_types_each_has_its_own_part(type: str, code: str, expected: tuple[str, ...]) -> None:
    parameter = Registry().get(type, code)
    assert parameter is not None
    assert clauses(parameter.expression or "", type) == expected


def test_an_alternative_may_hold_a_bar_in_quotes_or_brackets() -> None:
    expression = "Patient.name.where(use = 'a|b').text | Patient.identifier.where((system | value).exists()).value"
    assert len(clauses(expression, "Patient")) == 2


def test_types_inherit_from_the_most_general_first() -> None:
    assert bases_of("Patient") == ("Resource", "DomainResource")
    assert bases_of("Bundle") == ("Resource",)
    assert bases_of("DomainResource") == ("Resource",)
    assert bases_of("HumanName") == ()


def test_the_parts_of_a_composite_are_resolved() -> None:
    registry = Registry()
    parameter = registry.get("Observation", "code-value-quantity")
    assert parameter is not None
    assert [(p.parameter.type, p.expression) for p in registry.parts(parameter)] == [
        ("token", "code"),
        ("quantity", "value.as(Quantity)"),
    ]
    everywhere = [(t, p) for t in resource_types() for p in registry.of(t).values() if p.type == "composite"]
    assert everywhere
    assert all(registry.parts(p) for _, p in everywhere)


def test_a_parameter_is_found_by_its_canonical_url() -> None:
    found = Registry().by_url("http://hl7.org/fhir/SearchParameter/Patient-birthdate|4.0.1")
    assert found is None  # R4 calls it individual-birthdate
    found = Registry().by_url("http://hl7.org/fhir/SearchParameter/individual-birthdate|4.0.1")
    assert found is not None
    assert found.code == "birthdate"


def test_an_added_parameter_is_indexed_at_once_and_searched_when_complete() -> None:
    registry = Registry()
    generation = registry.generation
    registry.activate(a_parameter())
    assert registry.get("Patient", "nickname") is None
    assert registry.indexed("Patient")["nickname"].url == "http://a.example/nickname"
    assert registry.state("http://a.example/nickname") == "pending"
    assert registry.generation > generation
    registry.activate(a_parameter(), "complete")
    assert registry.get("Patient", "nickname") == a_parameter()
    assert registry.get("Practitioner", "nickname") is None


def test_a_parameter_of_an_abstract_type_is_every_ones() -> None:
    registry = Registry()
    registry.activate(a_parameter(base="DomainResource", expression="DomainResource.text.status"), "complete")
    assert registry.get("Practitioner", "nickname") is not None
    assert registry.get("Bundle", "nickname") is None


def test_a_retired_parameter_is_gone_and_a_standard_one_stays() -> None:
    registry = Registry()
    registry.activate(a_parameter(), "complete")
    assert registry.replace({})
    assert registry.get("Patient", "nickname") is None
    assert registry.by_url("http://a.example/nickname") is None
    assert registry.get("Patient", "birthdate") is not None


def test_the_standards_meaning_of_a_code_is_never_replaced() -> None:
    registry = Registry()
    registry.activate(a_parameter(code="gender"), "complete")
    found = registry.get("Patient", "gender")
    assert found is not None
    assert found.type == "token"


def test_what_was_compiled_is_forgotten_with_every_change() -> None:
    registry = Registry()
    registry.compiled["Patient"] = object()
    assert registry.replace({"http://a.example/nickname": (a_parameter(), "pending")})
    assert registry.compiled == {}
    assert not registry.replace({"http://a.example/nickname": (a_parameter(), "pending")})


@pytest.mark.parametrize(
    "code, expected",
    [
        (
            "gender",
            {"name": "gender", "definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "type": "token"},
        ),
        ("_has", {"name": "_has", "type": "special"}),
    ],
)
def test_a_parameter_is_described_for_the_capability_statement(code: str, expected: dict[str, str]) -> None:
    parameter = Registry().get("Patient", code)
    assert parameter is not None
    assert described(parameter) == expected
