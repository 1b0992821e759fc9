"""What a profile says inside a primitive: of its value, its id and its extensions.

https://hl7.org/fhir/R4/types.html#primitive, https://hl7.org/fhir/R4/json.html#primitive. Guides write
`Coding.display.value` where they mean the words themselves.
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.steps import is_primitive
from tests.validation.profiled import issues, observation, patient, profile

ABSENT = {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}
RULE = {"key": "v-1", "severity": "error", "human": "h", "expression": "length() < 4"}

#: The element of a profile, a resource it takes, one it refuses, and with which issue.
KINDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[str, str]]] = [
    (
        {"id": "Patient.birthDate.value", "min": 1},
        patient(birthDate="2000"),
        patient(_birthDate=ABSENT),
        ("cardinality-min", "Patient.birthDate.value"),
    ),
    (
        {"id": "Patient.name.given.value", "min": 1},
        patient(name=[{"given": ["a"], "_given": [ABSENT]}]),
        patient(name=[{"given": ["a", None], "_given": [None, ABSENT]}]),
        ("cardinality-min", "Patient.name[0].given.value"),
    ),
    (
        {"id": "Patient.birthDate.value", "max": "0"},
        patient(_birthDate=ABSENT),
        patient(birthDate="2000"),
        ("cardinality-max", "Patient.birthDate.value"),
    ),
    (
        {"id": "Patient.name.given.value", "max": "0"},
        patient(name=[{"given": [None], "_given": [ABSENT]}]),
        patient(name=[{"given": ["a"]}]),
        ("cardinality-max", "Patient.name[0].given.value"),
    ),
    (
        {"id": "Patient.gender.value", "fixedCode": "male"},
        patient(gender="male"),
        patient(gender="female"),
        ("fixed-value", "Patient.gender"),
    ),
    (
        {"id": "Patient.name.family.value", "maxLength": 3},
        patient(name=[{"family": "abc"}]),
        patient(name=[{"family": "abcd"}]),
        ("max-length", "Patient.name[0].family"),
    ),
    (
        {"id": "Patient.name.family.value", "constraint": [RULE]},
        patient(name=[{"family": "abc"}]),
        patient(name=[{"family": "abcd"}]),
        ("v-1", "Patient.name[0].family"),
    ),
    (
        {"id": "Observation.valueString.value", "min": 1},
        observation(valueString="a"),
        observation(_valueString=ABSENT),
        ("cardinality-min", "Observation.value.value"),
    ),
    (
        {"id": "Patient.birthDate.id", "min": 1},
        patient(birthDate="2000", _birthDate={"id": "a"}),
        patient(birthDate="2000", _birthDate=ABSENT),
        ("cardinality-min", "Patient.birthDate.id"),
    ),
    (
        {"id": "Patient.birthDate.extension", "min": 1},
        patient(birthDate="2000", _birthDate=ABSENT),
        patient(birthDate="2000"),
        ("cardinality-min", "Patient.birthDate.extension"),
    ),
]


@pytest.mark.parametrize(("element", "right", "wrong", "issue"), KINDS, ids=[k[0]["id"] + k[3][0] for k in KINDS])
def test_each_kind_of_constraint_inside_a_primitive(
    element: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any], issue: tuple[str, str]
):
    own = profile("p", right["resourceType"], element)
    assert issues(right, own) == []
    assert issue in issues(wrong, own)


@pytest.mark.parametrize("inside", ["value", "id", "extension"])
def test_a_differential_may_speak_of_what_is_inside_every_primitive(inside: str):
    paths = [
        element.path
        for type in ("Patient", "Observation", "Coding", "CodeableConcept", "Attachment", "Quantity", "Identifier")
        for element in definitions.types()[type].elements
        if element.types and not element.path.endswith((".id", "[x]")) and is_primitive(element.types[0].code)
    ]
    assert len(paths) > 30
    for path in paths:
        Profiles().add(profile("p", path.partition(".")[0], {"id": f"{path}.{inside}", "short": "x"}))


def test_what_the_guides_say_of_the_words_of_a_coding():
    own = profile("words", "Coding", {"id": "Coding.display.value", "min": 1})
    used = profile(
        "p", "Patient", {"id": "Patient.maritalStatus.coding", "type": [{"code": "Coding", "profile": [own["url"]]}]}
    )
    named = patient(maritalStatus={"coding": [{"code": "M", "display": "Married"}]})
    assert issues(named, own, used) == []
    bare = patient(maritalStatus={"coding": [{"code": "M", "_display": ABSENT}]})
    assert issues(bare, own, used) == [("cardinality-min", "Patient.maritalStatus.coding[0].display.value")]
