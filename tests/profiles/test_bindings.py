"""Bindings that no list in a schema judges, and what invariants ask of value sets and profiles.

https://hl7.org/fhir/R4/terminologies.html#strength, https://hl7.org/fhir/R4/elementdefinition.html (minValue, maxValue)
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.terminology.code_status import Key
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.profiles import resources as r
from tests.profiles.resources import changed, concept, nos
from tests.validation.profiled import patient, profile

SET = "http://example.org/ValueSet/civil"
MOST = [
    {"url": "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet", "valueCanonical": SET},
]


class Fixed:
    """A terminology of one value set: `M` alone is in it."""

    def member_of(self, value: Any, type: str, value_set: str) -> bool | None:
        if value_set != SET:
            return None
        codings = value.get("coding", ()) if isinstance(value, dict) else ()
        return any(one.get("code") == "M" for one in codings)

    def subsumes(self, url: str, code: str, other: str) -> bool | None:
        return None

    def right_codes(self) -> set[Key]:
        return set()

    def known_code(self, system: str, version: str, code: str) -> None:
        return None


def found(tree: dict[str, Any], *profiles: dict[str, Any]) -> set[tuple[str, str | None]]:
    registry = Profiles()
    for one in profiles:
        registry.add(one)
    judge = Validator(registry, codes=Fixed())
    issues = judge.validate(tree, profiles=[profiles[-1]["url"]])
    return {(issue.severity, issue.key) for issue in issues if issue.key != "dom-6" and issue.profile}


def civil(strength: str, value_set: str = SET, **members: Any) -> dict[str, Any]:
    binding = {"strength": strength, "valueSet": value_set, **members}
    return profile("civil", "Patient", {"id": "Patient.maritalStatus", "binding": binding})


@pytest.mark.parametrize(
    ("definition", "value", "said"),
    [
        (civil("required"), concept("http://x", "M"), set()),
        (civil("required"), concept("http://x", "S"), {("error", "required-binding")}),
        (civil("extensible"), concept("http://x", "S"), {("warning", "extensible-binding")}),
        (civil("extensible"), {"text": "other"}, set()),
        (civil("preferred"), concept("http://x", "S"), {("information", "preferred-binding")}),
        (civil("example"), concept("http://x", "S"), set()),
        (civil("required", "http://example.org/unknown"), concept("http://x", "S"), set()),
        (civil("example", extension=MOST), concept("http://x", "S"), {("error", "maximum-binding")}),
        (civil("example", extension=MOST), concept("http://x", "M"), set()),
    ],
)
def test_each_strength_of_a_binding(definition: dict[str, Any], value: Any, said: set[Any]):
    assert found(patient(maritalStatus=value), definition) == said


def test_a_national_value_set_is_known_without_a_terminology():
    tree = changed(r.DOCUMENT, "securityLabel.0", concept(nos("TRE_A07-StatutVisibiliteDocument"), "MASQUE_PT"))
    issues = Validator(Profiles()).validate(tree)
    assert [(i.severity, i.expression) for i in issues if i.key == "extensible-binding"] == [
        ("warning", "DocumentReference.securityLabel[0]")
    ]


def rule(expression: str) -> dict[str, Any]:
    constraint = {"key": "x-1", "severity": "error", "human": "x", "expression": expression}
    return profile("ruled", "Patient", {"id": "Patient.maritalStatus", "constraint": [constraint]})


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (f"memberOf('{SET}')", {("error", "x-1")}),
        ("memberOf('http://example.org/unknown')", set()),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/CodeableConcept')", set()),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Coding')", {("error", "x-1")}),
    ],
)
def test_invariants_ask_the_terminology_and_the_profiles(expression: str, said: set[Any]):
    assert found(patient(maritalStatus=concept("http://x", "S")), rule(expression)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2000-01-01", set()),
        ("1999-12-31", {("error", "value-range")}),
        ("2000", set()),
        ("1998", {("error", "value-range")}),
    ],
)
def test_dates_have_limits(value: str, said: set[Any]):
    limited = profile("born", "Patient", {"id": "Patient.birthDate", "minValueDate": "2000-01-01"})
    assert found(patient(birthDate=value), limited) == said
