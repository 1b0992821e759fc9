"""What is remembered of invariants about codes is what FHIRPath says of them, and of nothing else is anything remembered.

https://hl7.org/fhir/R4/conformance-rules.html#constraints, http://hl7.org/fhirpath/
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.types import remembered
from fhir_server.validation.types.invariants import Invariant, Scene
from fhir_server.validation.types.invariants import root_node as root

#: FHIRPath → whether its answer hangs on the element alone.
EXPRESSIONS = {
    "$this = 'POST'": True,
    "coding.exists(system = 'http://loinc.org' and code.startsWith('1'))": True,
    "coding.where(userSelected = true).count() <= 1": True,
    "system.exists() implies (code.hasValue() or display.empty().not())": True,
    "extension('http://x.example/memberOf(y)').exists()": True,
    "text.matches('^now()$')": True,
    "coding.all($this is Coding)": True,
    "memberOf('http://x.example')": False,
    "coding.exists(memberOf('http://x.example'))": False,
    "code = %resource.status": False,
    "%resource.subject.exists()": False,
    "coding.system = 'x' and today() < @2030-01-01": False,
    "now() > @2020-01-01T00:00:00Z": False,
    "coding.subsumes(%x)": False,
    "coding.conformsTo('http://x.example')": False,
    "coding.resolve().exists()": False,
    "coding.trace('x').exists()": False,
    "code.exists() and (display.exists() or (system in ('x' | 'y')))": True,
    "memberOf ('http://x.example')": False,
    "memberOf/* */('http://x.example')": False,
    "`memberOf`('http://x.example')": False,
}
#: Elements that are alike but for one thing, and whether a coding of them is of LOINC.
CODED: list[tuple[dict[str, Any], bool]] = [
    ({"coding": [{"system": "http://loinc.org", "code": "1"}]}, True),
    ({"coding": [{"system": "http://loinc.org/", "code": "1"}]}, False),
    ({"coding": [{"system": "http://loinc.org"}]}, True),
    ({"coding": [{"code": "1"}, {"system": "http://loinc.org", "code": "1"}]}, True),
    ({"coding": [{"code": "1"}]}, False),
    ({"text": "http://loinc.org"}, False),
    ({}, False),
]
LOINC = "coding.where(system = 'http://loinc.org').exists()"


@pytest.fixture(autouse=True)
def nothing(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """What is remembered: nothing before each test."""
    answers: dict[Any, Any] = {}
    monkeypatch.setattr(remembered, "_answers", answers)
    return answers


def asked(expression: str, type: str, value: Any, severity: str = "error") -> bool:
    rule = Invariant("x-1", severity, "x", expression, type)  # type: ignore[arg-type]
    whole = root({"resourceType": "Basic", "code": {"text": "x"}, "author": {"display": "x"}})
    return rule.holds(value, type, Scene(whole, whole, True))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_hangs_on_the_element_alone_is_told_by_its_functions(expression: str) -> None:
    assert remembered.hangs_on_value(expression) is EXPRESSIONS[expression]


def test_elements_that_differ_are_answered_differently_however_often(nothing: dict[Any, Any]) -> None:
    for _ in range(2):
        assert [asked(LOINC, "CodeableConcept", value) for value, _ in CODED] == [is_so for _, is_so in CODED]
    assert len(nothing) == len(CODED)


def test_the_same_is_asked_of_each_type_and_by_each_expression(nothing: dict[Any, Any]) -> None:
    value = {"system": "http://loinc.org", "code": "1"}
    found = [
        asked(expression, type, value)
        for expression in ("code = '1'", "code = '2'", "coding.empty()", "display.empty()")
        for type in ("Coding", "Coding")
    ]
    assert found == [True, True, False, False, True, True, True, True]
    assert [asked("$this = 'a'", "code", code) for code in ("a", "b", "a")] == [True, False, True]


def test_an_empty_answer_is_weighed_by_whoever_asks() -> None:
    for _ in range(2):
        assert asked("display.startsWith('x')", "Coding", {"code": "1"}, "warning") is True
        assert asked("display.startsWith('x')", "Coding", {"code": "1"}, "error") is False


@pytest.mark.parametrize(
    ("expression", "type", "value"),
    [
        ("family.exists()", "HumanName", {"family": "X"}),
        ("value.exists()", "Identifier", {"value": "1"}),
        ("%resource.author.exists()", "Coding", {"code": "1"}),
        ("code.exists()", "Coding", {"code": "1", "display": "x" * remembered.LONGEST}),
    ],
)
def test_of_others_nothing_is_remembered(nothing: dict[Any, Any], expression: str, type: str, value: Any) -> None:
    assert asked(expression, type, value)
    assert not nothing


def test_there_is_an_end_to_what_is_remembered(nothing: dict[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 5)
    for number in range(13):
        assert asked("code.exists()", "Coding", {"code": str(number)})
        assert len(nothing) <= 5
