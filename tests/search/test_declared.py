"""https://hl7.org/fhir/R4/searchparameter.html: which SearchParameters become searchable, and why others are refused."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.search.activation.declared import check, declared, is_restated
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from tests.examples import examples_folder


def a_parameter(**changes: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "SearchParameter",
        "url": "http://a.example/SearchParameter/nickname",
        "name": "nickname",
        "status": "active",
        "description": "what friends say",
        "code": "nickname",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.name.where(use = 'nickname').given",
    }
    return {key: value for key, value in {**resource, **changes}.items() if value is not None}


COMPONENTS = [
    {"definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "expression": "code"},
    {
        "definition": "http://hl7.org/fhir/SearchParameter/Observation-value-quantity",
        "expression": "value.as(Quantity)",
    },
]


def a_composite(**changes: Any) -> dict[str, Any]:
    composite = {
        "type": "composite",
        "base": ["Observation"],
        "code": "code-with-value",
        "expression": "Observation.component",
        "component": COMPONENTS,
    }
    return a_parameter(**{**composite, **changes})


@pytest.mark.parametrize(
    "resource",
    [
        a_parameter(),
        a_parameter(base=["Patient", "Person"], expression="Patient.name.given | Person.name.given"),
        a_parameter(base=["Resource"], expression="Resource.language", type="token", code="tongue"),
        a_parameter(base=["DomainResource"], expression="DomainResource.text.status", type="token"),
        a_parameter(expression="Patient.extension('http://a.example/race').value.code", type="token"),
        a_parameter(expression="Patient.extension.where(url = 'http://a.example/race').value", type="token"),
        a_parameter(expression="Patient.extension('http://a.example/race')", type="token"),
        a_parameter(expression="Patient.name.count() > 1", type="token"),
        a_parameter(expression="Patient.contact.organization", type="reference", target=["Organization"]),
        a_composite(),
        a_composite(expression="Observation"),
    ],
)
def test_what_can_be_found_by_is_taken(resource: dict[str, Any]) -> None:
    found = declared(resource, Registry())
    assert found is not None
    assert (found.url, found.code, found.type) == (resource["url"], resource["code"], resource["type"])


@pytest.mark.parametrize(
    "resource, element, says",
    [
        (a_parameter(base=["Patint"]), "base[0]", "no such resource type"),
        (a_parameter(type="reference", expression="Patient.link.other", target=["Patient", "Human"]), "target[1]", "no such resource type"),
        (a_parameter(expression="Patient.name.where("), "expression", "Not an expression"),
        (a_parameter(expression="Patient.name.frobnicate()"), "expression", "Not an expression"),
        (a_parameter(expression="Patient.nmae.given"), "expression", "no element nmae"),
        (a_parameter(expression="Person.name.given"), "expression", "starts at Patient"),
        (a_parameter(expression=None), "expression", "nothing to find"),
        (a_parameter(expression="Patient.name.given" + " | Patient.name.given" * 1000), "expression", "at most"),
        (a_parameter(type="date"), "expression", "nothing to say of string"),
        (a_parameter(type="quantity", expression="Patient.name"), "expression", "nothing to say of HumanName"),
        (a_parameter(type="special"), "type", "special"),
        (a_parameter(code="gender"), "code", "already"),
        (a_parameter(code="_nickname"), "code", "starts with a letter"),
        (a_parameter(code="nick:name"), "code", "starts with a letter"),
        (a_parameter(code="nick.name"), "code", "starts with a letter"),
        (a_composite(component=None), "component", "2 to"),
        (a_composite(component=COMPONENTS[:1]), "component", "2 to"),
        (a_composite(component=[COMPONENTS[0], {"definition": "http://a.example/none", "expression": "value"}]), "component[1].definition", "no such parameter"),
        (a_composite(component=[COMPONENTS[0], {**COMPONENTS[1], "expression": "valeu"}]), "component[1].expression", "no element valeu"),
        (a_composite(component=[COMPONENTS[0], {**COMPONENTS[1], "expression": "value.as("}]), "component[1].expression", "Not an expression"),
    ],
)  # fmt: skip
def test_what_nothing_can_be_found_by_is_refused_with_the_reason(
    resource: dict[str, Any], element: str, says: str
) -> None:
    with pytest.raises(Invalid) as refused:
        check(resource, Registry())
    (issue,) = refused.value.issues
    assert issue.expression == f"SearchParameter.{element}"
    assert says in issue.diagnostics


def test_every_reason_is_given_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        check(a_parameter(code="bad code", base=["Nothing"], type="special"), Registry())
    assert [issue.expression for issue in refused.value.issues] == [
        "SearchParameter.code",
        "SearchParameter.base[0]",
        "SearchParameter.type",
    ]


@pytest.mark.parametrize(
    "resource",
    [
        a_parameter(status="draft", expression="nonsense("),
        a_parameter(status="retired"),
        # The standard's own definition, loaded into the server, is in force already.
        a_parameter(url="http://hl7.org/fhir/SearchParameter/individual-gender", code="gender"),
    ],
)
def test_what_is_not_active_or_not_new_adds_nothing(resource: dict[str, Any]) -> None:
    assert declared(resource, Registry()) is None


BIRTHDATE = "http://hl7.org/fhir/SearchParameter/individual-birthdate"


def like_birthdate(**changes: Any) -> dict[str, Any]:
    expression = "Patient.birthDate"
    return a_parameter(**{"code": "birthdate", "type": "date", "expression": expression, **changes})


@pytest.mark.parametrize(
    "resource",
    [
        like_birthdate(),
        like_birthdate(expression="  Patient.birthDate | Practitioner.birthDate"),
        like_birthdate(base=["Patient", "Person"], expression="Patient.birthDate | Person.birthDate"),
        # Derived from the standard's, it may say less of it, or the same in other words.
        like_birthdate(derivedFrom=BIRTHDATE, expression="Patient.birthDate.where($this < today())"),
        like_birthdate(derivedFrom=f"{BIRTHDATE}|4.0.1", expression=None),
        a_parameter(
            code="_id",
            type="token",
            expression="Patient.id",
            derivedFrom="http://hl7.org/fhir/SearchParameter/Resource-id",
        ),
        like_birthdate(
            base=["Observation"], code="code-value-quantity", type="composite", expression="Observation",
            component=COMPONENTS,
        ),
    ],
)  # fmt: skip
def test_what_restates_the_standards_own_is_accepted_and_leaves_that_in_force(resource: dict[str, Any]) -> None:
    registry = Registry()
    assert declared(resource, registry) is None
    assert is_restated(resource)
    own = registry.get(resource["base"][0], resource["code"])
    assert own is not None and own.url.startswith("http://hl7.org/fhir/SearchParameter/")


@pytest.mark.parametrize(
    "resource",
    [
        # Another search under the standard's name.
        like_birthdate(expression="Patient.deceased.as(dateTime)"),
        like_birthdate(type="string", expression="Patient.name.given", derivedFrom=BIRTHDATE),
        like_birthdate(derivedFrom="http://hl7.org/fhir/SearchParameter/other", expression="Patient.deceased"),
    ],
)
def test_another_meaning_of_the_standards_name_is_refused(resource: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="already"):
        check(resource, Registry())
    assert not is_restated(resource)


def test_what_restates_for_some_types_adds_for_the_others() -> None:
    resource = like_birthdate(
        base=["Patient", "Immunization"], expression="Patient.birthDate | Immunization.expirationDate"
    )
    found = declared(resource, Registry())
    assert found is not None
    assert found.base == ("Immunization",)
    assert not is_restated(resource)


def test_two_added_parameters_cannot_have_one_name() -> None:
    registry = Registry()
    first = declared(a_parameter(), registry)
    assert first is not None
    registry.activate(first)
    check(a_parameter(), registry)  # itself, again
    check(a_parameter(url="http://a.example/other", base=["Person"], expression="Person.name.given"), registry)
    with pytest.raises(Invalid, match="already"):
        check(a_parameter(url="http://a.example/other"), registry)


def test_a_composite_may_be_made_of_added_parameters() -> None:
    registry = Registry()
    first = declared(a_parameter(), registry)
    assert first is not None
    registry.activate(first)
    components = [
        {"definition": first.url, "expression": "given"},
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-family", "expression": "family"},
    ]
    second = declared(
        a_parameter(
            url="http://a.example/both", code="both", type="composite", expression="Patient.name", component=components
        ),
        registry,
    )
    assert second is not None
    registry.activate(second)
    patient = {"resourceType": "Patient", "name": [{"family": "Ngo", "given": ["An", "Bo"]}, {"family": "Roy"}]}
    rows = [(w.param, w.value) for w in extract("Patient", patient, registry).words if w.param.startswith("both")]
    assert rows == [("both$1", "an"), ("both$1", "bo"), ("both$2", "ngo")]


def test_what_is_added_is_indexed() -> None:
    registry = Registry()
    found = declared(a_parameter(), registry)
    assert found is not None
    registry.activate(found)
    patient = {"resourceType": "Patient", "name": [{"use": "nickname", "given": ["Jojo"]}, {"given": ["Joseph"]}]}
    words = extract("Patient", patient, registry).words
    assert [w.value for w in words if w.param == "nickname"] == ["jojo"]


def test_every_published_search_parameter_is_accepted() -> None:
    folder = examples_folder()
    if folder is None:
        pytest.skip("the published examples are not there and cannot be fetched")
    for file in sorted(folder.glob("SearchParameter-*.json"))[::10]:
        check(parse(file.read_bytes()), Registry())
