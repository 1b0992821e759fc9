"""Slices: what belongs to which, by which discriminator, and what is asked of them.

https://hl7.org/fhir/R4/profiling.html#slicing, https://hl7.org/fhir/R4/profiling.html#discriminator"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.validation.profiled import issues, observation, patient, profile

INS, OTHER = "urn:oid:1.2.250.1.213.1.4.10", "urn:oid:1.2.3"
BY_SYSTEM = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}


def _identifiers(slicing: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    return profile(
        "i",
        "Patient",
        {"id": "Patient.identifier", "slicing": slicing},
        {"id": "Patient.identifier:ins", "min": 0, "max": "1"},
        {"id": "Patient.identifier:ins.system", "min": 1, "fixedUri": INS},
        {"id": "Patient.identifier:ins.value", "min": 1},
        {"id": "Patient.identifier:other"},
        {"id": "Patient.identifier:other.system", "min": 1, "fixedUri": OTHER},
        *more,
    )


def _systems(*systems: str) -> dict[str, Any]:
    return patient(identifier=[{"system": s, "value": "1"} for s in systems])


#: Rules of the slicing, the identifiers' systems, and what is found.
SLICES: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    ({"rules": "open"}, _systems(INS, OTHER, "urn:x"), []),
    ({"rules": "open"}, _systems("urn:x", OTHER, INS), []),
    ({"rules": "open"}, _systems(INS, INS), [("cardinality-max", "Patient.identifier")]),
    ({"rules": "open"}, patient(identifier=[{"system": INS}]), [("cardinality-min", "Patient.identifier[0].value")]),
    ({"rules": "open"}, patient(identifier=[{"system": OTHER}]), []),
    ({"rules": "closed"}, _systems(INS, OTHER), []),
    ({"rules": "closed"}, _systems(INS, "urn:x"), [("slice-unknown", "Patient.identifier[1]")]),
    ({"rules": "openAtEnd"}, _systems(INS, OTHER, "urn:x"), []),
    ({"rules": "openAtEnd"}, _systems(OTHER, INS, "urn:x"), []),
    ({"rules": "openAtEnd"}, _systems(INS, "urn:x", OTHER), [("slice-order", "Patient.identifier")]),
    ({"rules": "open", "ordered": True}, _systems(INS, "urn:x", OTHER), []),
    ({"rules": "open", "ordered": True}, _systems(OTHER, INS), [("slice-order", "Patient.identifier")]),
    ({"rules": "open"}, patient(), []),
]


@pytest.mark.parametrize(("rules", "tree", "found"), SLICES)
def test_slices_by_value(rules: dict[str, Any], tree: dict[str, Any], found: list[tuple[str, str]]):
    assert issues(tree, _identifiers({**BY_SYSTEM, **rules})) == found


def test_a_slice_that_is_required_is_missed_at_the_list():
    own = _identifiers(BY_SYSTEM, {"id": "Patient.identifier:ins", "min": 1})
    assert issues(_systems(OTHER), own) == [("cardinality-min", "Patient.identifier")]
    assert issues(patient(), own) == [("cardinality-min", "Patient.identifier")]
    assert issues(_systems(INS), own) == []


def test_a_slice_of_a_slice():
    own = _identifiers(
        BY_SYSTEM,
        {
            "id": "Patient.identifier:ins",
            "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"},
        },
        {"id": "Patient.identifier:ins/old"},
        {"id": "Patient.identifier:ins/old.use", "min": 1, "fixedCode": "old"},
        {"id": "Patient.identifier:ins/old.period", "min": 1},
    )
    assert issues(patient(identifier=[{"system": INS, "value": "1", "use": "official"}]), own) == []
    assert issues(patient(identifier=[{"system": OTHER, "use": "old"}]), own) == []
    assert issues(patient(identifier=[{"system": INS, "value": "1", "use": "old"}]), own) == [
        ("cardinality-min", "Patient.identifier[0].period")
    ]


#: Discriminator, what tells the slice `s`, an item in it and one that is not. In the slice `display`/`text` is required.
DISCRIMINATORS: list[tuple[str, str, list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
    ("pattern", "$this", [{"id": "Observation.category:s", "patternCodeableConcept": {"coding": [{"code": "a"}]}}],
     {"coding": [{"code": "a"}]}, {"coding": [{"code": "b"}]}),
    ("value", "coding.code", [{"id": "Observation.category:s.coding.code", "min": 1, "fixedCode": "a"}],
     {"coding": [{"code": "a"}]}, {"coding": [{"code": "b"}]}),
    ("exists", "coding", [{"id": "Observation.category:s.coding", "min": 1}],
     {"coding": [{"code": "a"}]}, {"extension": [{"url": "http://x", "valueCode": "a"}]}),
    ("value", "extension('http://x').value", [
        {"id": "Observation.category:s.extension", "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}},
        {"id": "Observation.category:s.extension:x", "type": [{"code": "Extension", "profile": ["http://x"]}], "min": 1},
        {"id": "Observation.category:s.extension:x.valueCode", "fixedCode": "a"}],
     {"extension": [{"url": "http://x", "valueCode": "a"}]}, {"extension": [{"url": "http://x", "valueCode": "b"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("type", "path", "elements", "inside", "outside"), DISCRIMINATORS)
def test_discriminators(
    type: str, path: str, elements: list[dict[str, Any]], inside: dict[str, Any], outside: dict[str, Any]
):
    slicing = {"discriminator": [{"type": type, "path": path}], "rules": "open"}
    own = profile(
        "d",
        "Observation",
        {"id": "Observation.category", "slicing": slicing},
        {"id": "Observation.category:s"},
        *elements,
        {"id": "Observation.category:s.text", "min": 1},
    )
    assert issues(observation(category=[outside]), own) == []
    assert issues(observation(category=[outside, inside]), own) == [("cardinality-min", "Observation.category[1].text")]
    assert issues(observation(category=[outside, {**inside, "text": "t"}]), own) == []


def test_slices_by_the_type_of_a_reference_and_of_a_choice():
    own = profile(
        "t",
        "Observation",
        {
            "id": "Observation.performer",
            "slicing": {"discriminator": [{"type": "type", "path": "resolve()"}], "rules": "open"},
        },
        {
            "id": "Observation.performer:org",
            "max": "1",
            "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Organization"]}],
        },
        {
            "id": "Observation.value[x]",
            "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"},
        },
        {"id": "Observation.value[x]:valueQuantity", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:valueQuantity.unit", "min": 1},
    )
    two = [{"reference": "Organization/1"}, {"reference": "https://x.example/Organization/2"}]
    assert issues(observation(performer=two), own) == [("cardinality-max", "Observation.performer")]
    assert issues(observation(performer=[two[0], {"reference": "Patient/1"}]), own) == []
    assert issues(observation(valueString="a"), own) == []
    assert issues(observation(valueQuantity={"value": Decimal("1.5")}), own) == [
        ("cardinality-min", "Observation.value.unit")
    ]


def test_slices_of_bundle_entries_by_the_profile_of_their_resource():
    men = profile("men", "Patient", {"id": "Patient.gender", "min": 1, "fixedCode": "male"})
    own = profile(
        "b",
        "Bundle",
        {
            "id": "Bundle.entry",
            "slicing": {"discriminator": [{"type": "profile", "path": "resource"}], "rules": "closed"},
        },
        {"id": "Bundle.entry:men", "min": 1, "max": "1"},
        {"id": "Bundle.entry:men.resource", "type": [{"code": "Patient", "profile": [men["url"]]}]},
    )

    def bundle(*genders: str) -> dict[str, Any]:
        entries = [
            {"fullUrl": f"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e{n}", "resource": patient(gender=gender)}
            for n, gender in enumerate(genders)
        ]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    assert issues(bundle("male"), men, own) == []
    assert issues(bundle("male", "female"), men, own) == [("slice-unknown", "Bundle.entry[1]")]
    assert issues(bundle("male", "male"), men, own) == [("cardinality-max", "Bundle.entry")]


def test_an_invariant_of_a_slice_is_asked_of_its_items_only():
    rule = {"key": "ins-1", "severity": "error", "human": "h", "expression": "value.length() = 15"}
    own = _identifiers(BY_SYSTEM, {"id": "Patient.identifier:ins", "constraint": [rule]})
    assert issues(_systems(OTHER, INS), own) == [("ins-1", "Patient.identifier[1]")]
