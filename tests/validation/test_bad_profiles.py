"""A profile that nothing could be judged by is refused when it is added, with the element and the reason.

https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.validation.profiles.conformance import tried
from fhir_server.validation.profiles.registry import Profiles, check
from fhir_server.validation.shipped import resources
from fhir_server.validation.validator import Validator
from tests.validation.profiled import SPECIFICATION, URL, patient, profile

BASE = profile("b", "Patient", {"id": "Patient.name", "min": 1, "max": "2"}, {"id": "Patient.identifier:a", "max": "1"})


def own(*elements: dict[str, Any], type: str = "Patient", base: str = "") -> dict[str, Any]:
    return profile("p", type, *elements, base=base)


def sliced(**slicing: Any) -> list[dict[str, Any]]:
    return [{"id": "Patient.name", "slicing": {"rules": "open", **slicing}}, {"id": "Patient.name:a", "min": 1}]


def by(type: str, path: str) -> dict[str, Any]:
    return {"discriminator": [{"type": type, "path": path}]}


BAD: list[tuple[dict[str, Any], str]] = [
    # Cardinalities that deny themselves, or what they are based on.
    (own({"id": "Patient.name", "min": 3, "max": "2"}), "profile-cardinality"),
    (own({"id": "Patient.gender", "min": 2}), "profile-cardinality"),
    (own({"id": "Patient.gender", "max": "*"}), "profile-cardinality"),
    (own({"id": "Observation.status", "min": 0}, type="Observation"), "profile-cardinality"),
    (own({"id": "Patient.name", "min": 0}, base=BASE["url"]), "profile-cardinality"),
    (own({"id": "Patient.name", "max": "*"}, base=BASE["url"]), "profile-cardinality"),
    (own({"id": "Patient.name", "min": 3}, base=BASE["url"]), "profile-cardinality"),
    (own({"id": "Patient.identifier:a", "max": "2"}, base=BASE["url"]), "profile-cardinality"),
    (own({"id": "Patient.name", "max": "1"}, {"id": "Patient.name:a", "min": 2}), "profile-cardinality"),
    (own({"id": "Patient.name:a", "min": 2, "max": "1"}), "profile-cardinality"),
    # Types that the element cannot have, values that its type cannot have.
    (own({"id": "Patient.deceased[x]", "type": [{"code": "Quantity"}]}), "profile-types"),
    (own({"id": "Patient.name", "type": [{"code": "Identifier"}]}), "profile-types"),
    (own({"id": "Patient.gender", "fixedQuantity": {"value": 1}}), "profile-value"),
    (own({"id": "Patient.name", "patternString": "a"}), "profile-value"),
    # Bases.
    (own({"id": "Patient.name"}, base=SPECIFICATION + "Observation"), "profile-base"),
    (own({"id": "Patient.name"}, base=SPECIFICATION + "bmi"), "profile-base"),
    (own({"id": "Patient.name"}, base=URL + "p"), "profile-cycle"),
    # Slicing.
    (own(*sliced(**by("other", "use"))), "profile-slicing"),
    (own(*sliced(**by("value", "use("))), "profile-slicing"),
    (own(*sliced(**by("value", "where(use = 'old')"))), "profile-slicing"),
    (own(*sliced(**by("value", "nothing"))), "profile-slicing"),
    (own(*sliced(**{**by("value", "use"), "rules": "shut"})), "profile-slicing"),
    (own({"id": "Patient.name", "slicing": "use"}, {"id": "Patient.name:a", "min": 1}), "profile-slicing"),
    # Numbers that are none.
    (own({"id": "Patient.name", "min": -1}), "profile-element"),
    (own({"id": "Patient.name", "min": True}), "profile-element"),
    (own({"id": "Patient.name", "max": "²"}), "profile-element"),
    # What is not written as R4 asks.
    (own({"id": "Patient.name", "type": "HumanName"}), "profile-element"),
    (own({"id": "Patient.name", "constraint": [{"key": "a", "expression": "nothing()"}]}), "profile-element"),
    (own({"id": "Patient.name", "constraint": [{"key": "a", "expression": "(" * 9_000}]}), "profile-element"),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "key"), BAD)
def test_a_profile_that_contradicts_itself_or_its_base_is_refused(definition: dict[str, Any], key: str):
    registry = Profiles()
    registry.add(BASE)
    with pytest.raises(Invalid) as refused:
        registry.add(definition)
    assert refused.value.issues[0].key == key
    assert not registry.find(URL + "p")


@pytest.mark.parametrize(
    "definition",
    [
        own({"id": "Patient.name", "min": 1}, base="http://x.example/not-here"),
        own({"id": "Patient.name", "min": 2, "max": "2"}, base=BASE["url"]),
        own({"id": "Patient.deceased[x]", "type": [{"code": "boolean"}]}),
        own({"id": "Observation.value[x]", "type": [{"code": "Quantity"}]}, type="Observation"),
        own({"id": "Patient.contained", "type": [{"code": "Organization"}]}),
        own(*sliced(**by("value", "$this"))),
        own(*sliced(description="told apart by people")),
        own({"id": "Patient.name", "mustSupport": True}, {"id": "Patient.photo", "max": "0"}),
    ],
)
def test_a_profile_that_says_less_than_its_base_allows_is_taken(definition: dict[str, Any]):
    registry = Profiles()
    registry.add(BASE)
    registry.add(definition)
    tried(definition, registry)
    assert registry.find(URL + "p") == definition


def test_every_profile_that_comes_with_the_server_is_taken():
    registry = Profiles()
    for definition in resources("StructureDefinition"):
        check(definition, registry)


def test_a_thousand_slices_are_compiled_and_judged():
    slicing = {"id": "Patient.identifier", "slicing": {**by("value", "system"), "rules": "closed"}}
    elements = [
        one
        for n in range(1000)
        for one in (
            {"id": f"Patient.identifier:s{n}"},
            {"id": f"Patient.identifier:s{n}.system", "fixedUri": f"urn:{n}"},
        )
    ]
    registry = Profiles()
    registry.add(own(slicing, *elements))
    found = Validator(registry).validate(
        patient(identifier=[{"system": "urn:999"}, {"system": "urn:1000"}]), profiles=[URL + "p"]
    )
    assert [(i.key, i.expression) for i in found] == [("slice-unknown", "Patient.identifier[1]")]


def test_a_pattern_that_could_be_tried_forever_is_not():
    rule = {"key": "a", "severity": "error", "human": "h", "expression": "matches('^(a+)+$')"}
    registry = Profiles()
    registry.add(own({"id": "Patient.name.family", "constraint": [rule]}))
    tree = patient(name=[{"family": "a" * 5_000 + "!"}])
    assert [i.key for i in Validator(registry).validate(tree, profiles=[URL + "p"])] == ["a"]
