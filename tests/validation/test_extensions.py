"""Extensions are judged by their definitions wherever they stand, and a modifier that nobody here understands is refused.

https://hl7.org/fhir/R4/extensibility.html#modifierExtension, https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.levels import Levels
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.validation.profiled import DIV, URL, profile

FLAG = URL + "flag"


def definition(*contexts: tuple[str, str], modifier: bool = False) -> dict[str, Any]:
    """An extension that holds a boolean, and may stand in some contexts (type, expression)."""
    made = profile(
        "flag",
        "Extension",
        {"id": "Extension.url", "fixedUri": FLAG},
        {"id": "Extension.value[x]", "min": 1, "type": [{"code": "boolean"}]},
    )
    if modifier:
        made["differential"]["element"][0] |= {"isModifier": True, "isModifierReason": "It negates."}
    return {**made, "context": [{"type": t, "expression": e} for t, e in contexts or [("element", "Element")]]}


def judge(*definitions: dict[str, Any], **given: Any) -> Validator:
    registry = Profiles()
    for one in definitions:
        registry.add(one)
    return Validator(registry, **given)


def errors(tree: dict[str, Any], by: Validator) -> list[tuple[str | None, str | None]]:
    return [(i.key, i.expression) for i in by.validate(tree) if i.severity == "error"]


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "text": DIV, **members}


RIGHT, WRONG = {"url": FLAG, "valueBoolean": True}, {"url": FLAG, "valueCode": "a"}


@pytest.mark.parametrize(
    ("tree", "at"),
    [
        (patient(extension=[RIGHT, WRONG]), "Patient.extension[1]"),
        (patient(name=[{"family": "a", "extension": [WRONG]}]), "Patient.name[0].extension[0]"),
        (patient(birthDate="2000", _birthDate={"extension": [WRONG]}), "Patient.birthDate.extension[0]"),
        (
            patient(name=[{"given": ["a", "b"], "_given": [None, {"extension": [WRONG]}]}]),
            "Patient.name[0].given[1].extension[0]",
        ),
        (
            patient(extension=[{"url": "http://x.example/outer", "extension": [WRONG]}]),
            "Patient.extension[0].extension[0]",
        ),
        (
            patient(extension=[{"url": "http://x.example/a", "valueAddress": {"text": "a", "extension": [WRONG]}}]),
            "Patient.extension[0].value.extension[0]",
        ),
        (
            patient(
                contained=[{"resourceType": "Organization", "id": "o", "name": "x", "extension": [WRONG]}],
                managingOrganization={"reference": "#o"},
            ),
            "Patient.contained[0].extension[0]",
        ),
    ],
)
def test_an_extension_holds_what_its_definition_says_wherever_it_stands(tree: dict[str, Any], at: str):
    assert errors(tree, judge(definition())) == [("choice-type", f"{at}.value")]
    assert errors(tree, judge()) == []


ORGANIZATION = {"resourceType": "Organization", "text": DIV, "name": "x", "extension": [RIGHT]}


@pytest.mark.parametrize(
    ("contexts", "tree", "allowed"),
    [
        ([("element", "Patient")], patient(extension=[RIGHT]), True),
        ([("element", "Patient")], ORGANIZATION, False),
        ([("element", "DomainResource")], ORGANIZATION, True),
        ([("element", "Resource")], ORGANIZATION, True),
        ([("element", "Patient"), ("element", "Organization")], ORGANIZATION, True),
        ([("element", "Patient.name")], patient(name=[{"text": "a", "extension": [RIGHT]}]), True),
        ([("element", "HumanName")], patient(name=[{"text": "a", "extension": [RIGHT]}]), True),
        ([("element", "HumanName.family")], patient(name=[{"family": "a", "_family": {"extension": [RIGHT]}}]), True),
        ([("element", "HumanName.family")], patient(name=[{"text": "a", "_text": {"extension": [RIGHT]}}]), False),
        ([("element", "Patient.contact")], patient(contact=[{"name": {"text": "a"}, "extension": [RIGHT]}]), True),
        ([("element", "Patient.contact")], patient(extension=[RIGHT]), False),
        ([("element", "Patient.deceased[x]")], patient(_deceasedBoolean={"extension": [RIGHT]}), True),
        ([("element", "date")], patient(_birthDate={"extension": [RIGHT]}), True),
        ([("extension", "http://x.example/o")], patient(extension=[RIGHT]), False),
        (
            [("extension", "http://x.example/o")],
            patient(extension=[{"url": "http://x.example/o", "extension": [RIGHT]}]),
            True,
        ),
        (
            [("extension", "http://x.example/o")],
            patient(extension=[{"url": "http://x.example/o", "valueCode": "a", "_valueCode": {"extension": [RIGHT]}}]),
            True,
        ),
        ([("fhirpath", "Patient.name.where(use = 'old')")], patient(extension=[RIGHT]), False),
    ],
)
def test_an_extension_stands_where_its_definition_lets_it(
    contexts: list[tuple[str, str]], tree: dict[str, Any], allowed: bool
):
    found = errors(tree, judge(definition(*contexts)))
    assert found == [] if allowed else [key for key, _ in found] == ["extension-context"]


@pytest.mark.parametrize(
    ("holder", "at"),
    [
        (patient(modifierExtension=[RIGHT]), "Patient.modifierExtension[0]"),
        (
            patient(contact=[{"name": {"text": "a"}, "modifierExtension": [RIGHT]}]),
            "Patient.contact[0].modifierExtension[0]",
        ),
        (
            {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": patient(modifierExtension=[RIGHT])}],
            },
            "Bundle.entry[0].resource.modifierExtension[0]",
        ),
    ],
)
def test_a_modifier_that_is_not_known_is_refused_and_one_that_is_known_is_not(holder: dict[str, Any], at: str):
    [issue] = [i for i in judge().validate(holder) if i.severity == "error"]
    assert (issue.key, issue.code, issue.expression) == ("unknown-modifier-extension", "extension", at)
    assert errors(holder, judge(definition(modifier=True))) == []


def test_what_modifies_and_what_does_not_are_not_taken_for_one_another():
    modifying, other = patient(modifierExtension=[RIGHT]), patient(extension=[RIGHT])
    assert errors(modifying, judge(definition())) == [("extension-modifier", "Patient.modifierExtension[0]")]
    assert errors(other, judge(definition(modifier=True))) == [("extension-modifier", "Patient.extension[0]")]


@pytest.mark.parametrize(("level", "severities"), [("strict", {"error"}), ("lenient", {"warning"}), ("off", set())])
def test_a_modifier_may_be_let_pass_by_the_level_of_its_url(level: Any, severities: set[str]):
    found = judge(levels=Levels({FLAG: level})).validate(patient(modifierExtension=[RIGHT]))
    assert {i.severity for i in found} == severities


def test_an_extension_that_nobody_defines_here_is_left_alone():
    assert judge(definition()).validate(patient(extension=[{"url": "http://x.example/any", "valueCode": "a"}])) == []


HOME, WORK = {"use": "home", "city": "Lyon"}, {"use": "work", "city": "Lyon"}


@pytest.mark.parametrize(
    ("expression", "tree", "allowed"),
    [
        ("Patient", patient(extension=[RIGHT]), True),
        ("Patient.address", patient(extension=[RIGHT]), False),
        ("Patient.address.where(use = 'home')", patient(address=[{**HOME, "extension": [RIGHT]}]), True),
        ("Patient.address.where(use = 'home')", patient(address=[HOME, {**WORK, "extension": [RIGHT]}]), False),
        ("Patient.birthDate", patient(birthDate="2000", _birthDate={"extension": [RIGHT]}), True),
        ("Patient.address", patient(birthDate="2000", _birthDate={"extension": [RIGHT]}), False),
        ("Patient.address.where(", patient(extension=[RIGHT]), True),
        ("Group.member", {"resourceType": "Organization", "text": DIV, "name": "a", "extension": [RIGHT]}, False),
    ],
)
def test_a_context_may_be_selected_by_an_expression(expression: str, tree: dict[str, Any], allowed: bool):
    found = {key for key, _ in errors(tree, judge(definition(("fhirpath", expression))))}
    assert found == (set() if allowed else {"extension-context"})


@pytest.mark.parametrize(
    ("rules", "tree", "held"),
    [
        (["active"], patient(active=True, extension=[RIGHT]), True),
        (["active"], patient(active=False, extension=[RIGHT]), False),
        (["active"], patient(extension=[RIGHT]), False),
        (["active", "gender.exists()"], patient(active=True, extension=[RIGHT]), False),
        (["%extension.value"], patient(extension=[RIGHT]), True),
        (["family.exists()"], patient(name=[{"family": "a", "extension": [RIGHT]}]), True),
        (["family.exists()"], patient(name=[{"text": "a", "extension": [RIGHT]}]), False),
    ],
)
def test_what_a_definition_asks_of_where_its_extension_stands(rules: list[str], tree: dict[str, Any], held: bool):
    own = {**definition(), "contextInvariant": rules}
    assert {key for key, _ in errors(tree, judge(own))} == (set() if held else {"extension-context"})


PAIR = "http://x.example/pair"


def inner(name: str, path: str = "Extension.extension", *more: dict[str, Any]) -> list[dict[str, Any]]:
    """One of what a definition names inside its extension, and what it says of it."""
    return [
        {"id": f"{path}:{name}", "path": path.replace(":a", ""), "sliceName": name},
        {"id": f"{path}:{name}.url", "path": f"{path.replace(':a', '')}.url", "fixedUri": name},
        *more,
    ]


def pair(*inside: dict[str, Any], url: str = PAIR) -> dict[str, Any]:
    return {"url": url, "extension": [*inside]}


def said(url: str) -> dict[str, Any]:
    return {"url": url, "valueCode": "a"}


@pytest.mark.parametrize(
    ("one", "at"),
    [
        (pair(said("a"), said("b")), ""),
        (pair(said("http://x.example/other"), said("a")), ""),
        (pair(said("c")), ".extension[0].url"),
        (pair(said("a"), said("A")), ".extension[1].url"),
        (pair({**said("a"), "_valueCode": {"extension": [said("http://x.example/other")]}}), ""),
        (pair(said("c"), url="http://x.example/unknown"), ""),
        (pair(pair(said("c"), url="http://x.example/unknown")), ""),
    ],
)
def test_a_name_inside_an_extension_is_one_that_its_definition_gives(one: dict[str, Any], at: str):
    slicing = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    sliced = {"id": "Extension.extension", "path": "Extension.extension", "slicing": slicing}
    made = profile("pair", "Extension", sliced, *inner("a"), *inner("b"), {"id": "Extension.url", "fixedUri": PAIR})
    own = {**made, "url": PAIR, "context": [{"type": "element", "expression": "Element"}]}
    expected = [("extension-name", f"Patient.extension[0]{at}")] if at else []
    assert errors(patient(extension=[one]), judge(own)) == expected
