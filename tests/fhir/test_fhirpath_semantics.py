"""What is refused before any data is seen, where the type an expression is asked of is known.

http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation
"""

from __future__ import annotations

import pytest

from fhir_server.fhir.fhirpath.errors import MalformedExpression
from fhir_server.fhir.fhirpath.expression import compile


@pytest.mark.parametrize(
    ("expression", "type"),
    [
        ("name.given1", "Patient"),
        ("Encounter.status", "Patient"),
        ("valueQuantity", "Observation"),
        ("(value as Period).unit", "Observation"),
        ("component.where(coding.exists())", "Observation"),
        ("name.select(use | nothing)", "Patient"),
        ("iif(active, nothing)", "Patient"),
        ("coding.system", "Observation.component"),
        ("name.extension('http://e').nothing", "Patient"),
    ],
)
def test_an_element_no_value_could_have_is_refused_when_the_type_is_known(expression: str, type: str) -> None:
    compile(expression)
    with pytest.raises(MalformedExpression):
        compile(expression, type)


@pytest.mark.parametrize(
    ("expression", "type"),
    [
        ("Resource.meta.tag", "Patient"),
        ("contained.anything", "Patient"),
        ("entry.resource.name", "Bundle"),
        ("descendants().reference", "Patient"),
        ("managingOrganization.resolve().name", "Patient"),
        ("value.ofType(Quantity).unit", "Observation"),
        ("code.text", "Observation.component"),
        ("linkId", "Questionnaire.item.item"),
        ("birthDate.extension.value", "Patient"),
    ],
)
def test_what_may_be_there_is_let_pass_when_the_type_is_known(expression: str, type: str) -> None:
    compile(expression, type)


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.children().skip(1)",
        "children().first()",
        "descendants().where($this is HumanName).last()",
        "name.children().tail()",
        "descendants().ofType(Coding).take(1)",
        "children()[0]",
    ],
)
def test_what_has_no_order_has_no_first(expression: str) -> None:
    # http://hl7.org/fhirpath/N1/#collections
    compile(expression)
    with pytest.raises(MalformedExpression):
        compile(expression, "Patient")


@pytest.mark.parametrize("expression", ["iif('a', 1, 2)", "iif(1, 1)", "name.select(iif('b', given, family))"])
def test_a_condition_that_is_no_boolean_is_a_slip(expression: str) -> None:
    compile(expression)
    with pytest.raises(MalformedExpression):
        compile(expression, "Patient")


@pytest.mark.parametrize(
    "expression", ["iif(name, 1, 2)", "iif({}, 1)", "iif(active, 1)", "iif(1 = 1, children().count())"]
)
def test_a_condition_that_may_be_one_is_let_pass(expression: str) -> None:
    compile(expression, "Patient")


@pytest.mark.parametrize(("expression", "type"), [("birthDate.value", "Patient"), ("value.value.value", "Observation")])
def test_a_primitive_has_a_value(expression: str, type: str) -> None:
    # https://hl7.org/fhir/R4/fhirpath.html#types
    compile(expression, type)
