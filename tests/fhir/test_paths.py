"""Search parameter expressions as closures: https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath.errors import MalformedExpression
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.json import parse
from fhir_server.fhir.paths import compile_path
from tests.examples import examples_folder

PER_TYPE = 8
LARGEST = 60_000  # bytes


@cache
def examples() -> dict[str, list[dict[str, Any]]]:
    folder = examples_folder()
    if folder is None:
        pytest.skip("the published R4 examples could not be fetched")
    found: dict[str, list[dict[str, Any]]] = {type: [] for type in definitions.resource_types()}
    for file in sorted(folder.glob("*.json")):
        of_type = found.get(file.name.partition("-")[0])
        if of_type is not None and len(of_type) < PER_TYPE and file.stat().st_size < LARGEST:
            of_type.append(parse(file.read_bytes()))
    return found


def searched() -> Iterator[tuple[str, str]]:
    """Every expression of every search parameter with each type it is for."""
    for parameter in definitions.search_parameters():
        for base in parameter.base:
            abstract = base in ("Resource", "DomainResource")
            for type in ("Patient", "Bundle", "Observation") if abstract else (base,):
                if parameter.expression:
                    yield parameter.expression, type


def found(expression: str, tree: dict[str, Any]) -> list[tuple[Any, str]]:
    path = compile_path(expression, tree["resourceType"])
    return [] if path is None else path(tree)


def test_every_expression_of_r4_compiles_for_every_type_it_is_for() -> None:
    pairs = list(searched())
    assert len(pairs) > 1_500
    silent = {(expression, type) for expression, type in pairs if compile_path(expression, type, strict=True) is None}
    # The example of an extension's search parameter is for Patient and asks a DocumentReference.
    assert {type for _, type in silent} == {"Patient"}
    assert len(silent) == 1


def test_a_path_finds_what_the_engine_finds_in_every_published_example() -> None:
    compared = 0
    for expression, type in set(searched()):
        path = compile_path(expression, type)
        # as() of a search parameter is meant for every item; the language's takes one.
        engine = compile(expression.replace(".as(", ".ofType("))
        for tree in examples()[type] if path else ():
            compared += 1
            wanted = [node.json for node in engine.values(tree) if node.value is not None]
            assert sorted(map(as_text, {as_text(v): v for v, _ in path(tree)})) == sorted(  # type: ignore[misc]
                map(as_text, {as_text(v): v for v in wanted})
            ), (expression, tree.get("id"))
    assert compared > 3_000


def as_text(value: Any) -> str:
    return json.dumps(value, default=str, sort_keys=True)


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "birthDate": "2000",
    "_birthDate": {"extension": [{"url": "http://e", "valueString": "x"}]},
    "name": [{"family": "A", "given": ["B", None, "C"]}, {"given": ["D"]}],
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}, {"value": "3"}],
    "deceasedDateTime": "2020",
    "generalPractitioner": [
        {"reference": "Practitioner/1"},
        {"reference": "#o"},
        {"reference": "urn:x", "type": "Organization"},
    ],
    "contained": [
        {"resourceType": "Organization", "id": "o", "name": "O"},
        {"resourceType": "Practitioner", "name": [{"family": "P"}]},
    ],
    "extension": [{"url": "http://e", "valueCode": "c"}, {"url": "http://f", "valueCode": "d"}],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.birthDate", [("2000", "date")]),
        ("birthDate", [("2000", "date")]),
        ("Patient.name.given", [("B", "string"), ("C", "string"), ("D", "string")]),
        ("Patient.name.family | Practitioner.name.family", [("A", "string")]),
        ("Resource.id", [("p", "id")]),
        ("DomainResource.id", [("p", "id")]),
        ("Practitioner.name", []),
        ("Patient.telecom.where(system='email').value", [("2", "string")]),
        ("Patient.telecom.where(system = 'phone' or value = '3').value", [("1", "string"), ("3", "string")]),
        ("Patient.telecom.where(system.exists().not()).value", [("3", "string")]),
        ("Patient.telecom[1].value", [("2", "string")]),
        ("Patient.deceased", [("2020", "dateTime")]),
        ("(Patient.deceased as dateTime)", [("2020", "dateTime")]),
        ("Patient.deceased.as(boolean)", []),
        ("Patient.deceased.ofType(dateTime)", [("2020", "dateTime")]),
        ("Patient.deceased.exists() and Patient.deceased != false", [(True, "boolean")]),
        ("Patient.generalPractitioner.where(resolve() is Practitioner).reference", [("Practitioner/1", "string")]),
        (
            "Patient.generalPractitioner.where(resolve() is Organization).reference",
            [("#o", "string"), ("urn:x", "string")],
        ),
        ("Patient.generalPractitioner.where(resolve() is Device).reference", []),
        ("Patient.contained.name", [("O", "string"), ({"family": "P"}, "HumanName")]),
        ("Patient.contained.ofType(Organization).name", [("O", "string")]),
        ("Patient.extension('http://e').value", [("c", "code")]),
        ("Patient.extension.where(url = 'http://f').value", [("d", "code")]),
        ("Patient.birthDate.extension('http://e').value", [("x", "string")]),
        ("Patient.name.count()", [(2, "integer")]),
        ("Patient.nothing", []),
    ],
)
def test_a_path_gives_values_with_their_types(expression: str, expected: list[tuple[Any, str]]) -> None:
    assert found(expression, PATIENT) == expected


def test_a_backbone_element_has_its_path_for_a_type_and_is_searched_in_turn() -> None:
    tree = {
        "resourceType": "Observation",
        "status": "final",
        "component": [{"code": {"text": "a"}, "valueQuantity": {"value": 1}}, {"valueString": "x"}],
    }
    pairs = found("Observation.component", tree)
    assert [type for _, type in pairs] == ["Observation.component"] * 2
    quantity, resource = compile_path("value.as(Quantity)", pairs[0][1]), compile_path("%resource.status", pairs[0][1])
    assert quantity is not None
    assert [quantity(value) for value, _ in pairs] == [[({"value": 1}, "Quantity")], []]
    assert resource is not None
    assert resource(pairs[0][0], tree) == [("final", "code")]


def test_the_published_composite_of_a_date_is_read_as_it_is_meant() -> None:
    path = compile_path("value.as(DateTime) | value.as(Period)", "Observation")
    assert path is not None
    assert path({"resourceType": "Observation", "valueDateTime": "2020"}) == [("2020", "dateTime")]


def test_no_part_about_the_type_is_no_path() -> None:
    assert compile_path("Practitioner.name | Group.name", "Patient") is None


@pytest.mark.parametrize(
    "expression", ["Patient.", "Patient.name.unheard()", "Patient.name as Unheard", "Patient.name.where(", ""]
)
def test_a_malformed_expression_is_refused(expression: str) -> None:
    with pytest.raises(MalformedExpression):
        compile_path(expression, "Patient")


@pytest.mark.parametrize(
    "expression", ["Patient.nothing", "Patient.name.where(nothing = 'a')", "Patient.deceasedBoolean"]
)
def test_an_unknown_element_is_refused_where_that_is_asked(expression: str) -> None:
    assert found(expression, PATIENT) == []
    with pytest.raises(MalformedExpression):
        compile_path(expression, "Patient", strict=True)


@pytest.mark.parametrize(
    "tree",
    [
        {
            "resourceType": "Patient",
            "name": "x",
            "telecom": [1, None, [{}]],
            "birthDate": {"a": 1},
            "contained": {},
            "extension": "e",
        },
        {
            "resourceType": "Patient",
            "name": {"family": ["a"]},
            "generalPractitioner": [{"reference": 1, "type": []}, "x"],
        },
        {
            "resourceType": "Patient",
            "contained": [{"resourceType": "Unheard"}, {"resourceType": 1}, 3],
            "deceasedDateTime": [1],
        },
    ],
)
def test_a_tree_that_is_not_valid_fhir_is_no_surprise(tree: dict[str, Any]) -> None:
    for expression in {expression for expression, type in searched() if type == "Patient"} | {
        "Patient.contained.name",
        "Patient.extension('http://e').value",
    }:
        found(expression, tree)
