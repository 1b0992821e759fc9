"""Profiles of choices, of shared content, of primitives' extensions, of abstract types and of data types.

https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.validation.profiled import DIV, SPECIFICATION, URL, issues, observation, patient, profile

Found = list[tuple[str, str]]
ONE = Decimal(1)
QUANTITY, TEXT = observation(valueQuantity={"value": ONE}), observation(valueString="a")
UNIT: Found = [("cardinality-min", "Observation.value.unit")]
TYPE = {"discriminator": [{"type": "type", "path": "$this"}]}


def sliced(how: str = "open", **facts: Any) -> list[dict[str, Any]]:
    return [
        {"id": "Observation.value[x]", "slicing": {**TYPE, "rules": how}},
        {"id": "Observation.value[x]:valueQuantity", "type": [{"code": "Quantity"}], **facts},
    ]


#: The ways R4 has of speaking of one type of a choice, each with what it finds in a Quantity and in a string.
CHOICES: list[tuple[list[dict[str, Any]], Found, Found]] = [
    ([{"id": "Observation.valueQuantity.unit", "min": 1}], UNIT, []),
    (
        [
            {"id": "Observation.value[x]:valueQuantity", "path": "Observation.valueQuantity"},
            {"id": "Observation.value[x]:valueQuantity.unit", "path": "Observation.valueQuantity.unit", "min": 1},
        ],
        UNIT,
        [],
    ),
    ([{"id": "Observation.value[x]:valueQuantity.unit", "min": 1}], UNIT, []),
    ([{"id": "Observation.value[x]:q", "type": [{"code": "Quantity"}]}, {"id": "Observation.value[x]:q.unit", "min": 1}], UNIT, []),
    ([{"id": "Observation.valueQuantity", "min": 1}], [], [("cardinality-min", "Observation.value")]),
    (sliced(min=1), [], [("cardinality-min", "Observation.value")]),
    (sliced("closed"), [], [("slice-unknown", "Observation.value")]),
    (sliced(max="0"), [("cardinality-max", "Observation.value")], []),
    ([{"id": "Observation.value[x]", "type": [{"code": "string"}]}], [("choice-type", "Observation.value")], []),
    ([{"id": "Observation.valueString", "maxLength": 0}], [], [("max-length", "Observation.value")]),
]  # fmt: skip


@pytest.mark.parametrize(("elements", "in_quantity", "in_text"), CHOICES)
def test_a_profile_of_one_type_of_a_choice(elements: list[dict[str, Any]], in_quantity: Found, in_text: Found):
    own = profile("c", "Observation", *elements)
    assert issues(QUANTITY, own) == in_quantity
    assert issues(TEXT, own) == in_text
    assert issues(observation(), own) == [i for i in in_text if i[0] == "cardinality-min"]


def test_two_slices_of_one_type_are_told_apart_by_more():
    how = {"discriminator": [*TYPE["discriminator"], {"type": "value", "path": "system"}], "rules": "open"}
    own = profile(
        "c",
        "Observation",
        {"id": "Observation.value[x]", "slicing": how},
        {"id": "Observation.value[x]:a", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:a.system", "min": 1, "fixedUri": "urn:a"},
        {"id": "Observation.value[x]:a.unit", "min": 1},
        {"id": "Observation.value[x]:b", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:b.system", "min": 1, "fixedUri": "urn:b"},
    )
    assert issues(observation(valueQuantity={"value": ONE, "system": "urn:b"}), own) == []
    assert issues(observation(valueQuantity={"value": ONE, "system": "urn:a"}), own) == UNIT


#: Elements without ids, as profiles written by hand have them: each is in the slice named last.
PLAIN = [
    {"path": "Patient", "min": 0},
    {"path": "Patient.identifier", "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}},
    {"path": "Patient.identifier", "sliceName": "a"},
    {"path": "Patient.identifier.system", "min": 1, "fixedUri": "urn:a"},
    {"path": "Patient.identifier.value", "min": 1},
    {"path": "Patient.identifier", "sliceName": "b", "max": "1"},
    {"path": "Patient.identifier.system", "min": 1, "fixedUri": "urn:b"},
    {"path": "Patient.name", "min": 1},
]  # fmt: skip


def test_elements_without_ids_are_in_the_slice_that_was_named_last():
    own = {**profile("p", "Patient"), "differential": {"element": PLAIN}}
    name = [{"text": "a"}]
    assert issues(patient(name=name, identifier=[{"system": "urn:b"}, {"value": "1"}]), own) == []
    assert issues(patient(name=name, identifier=[{"system": "urn:b"}, {"system": "urn:b"}]), own) == [
        ("cardinality-max", "Patient.identifier")
    ]
    assert set(issues(patient(identifier=[{"system": "urn:a"}]), own)) == {
        ("cardinality-min", "Patient.name"),
        ("cardinality-min", "Patient.identifier[0].value"),
    }


ITEMS = {
    "resourceType": "Questionnaire",
    "text": DIV,
    "status": "draft",
    "item": [
        {
            "linkId": "1",
            "prefix": "a",
            "type": "group",
            "item": [{"linkId": "2", "prefix": "b", "type": "group", "item": [{"linkId": "3", "type": "display"}]}],
        }
    ],
}
DEEP = "Questionnaire.item[0].item[0].item[0]"


@pytest.mark.parametrize(
    ("element", "found"),
    [
        ({"id": "Questionnaire.item.prefix", "min": 1}, ("cardinality-min", f"{DEEP}.prefix")),
        (
            {
                "id": "Questionnaire.item",
                "constraint": [{"key": "q-1", "severity": "error", "human": "h", "expression": "prefix.length() = 1"}],
            },
            ("q-1", DEEP),
        ),
        (
            {"id": "Questionnaire.item.linkId", "maxLength": 1, "patternString": "1"},
            ("pattern-value", f"{DEEP}.linkId"),
        ),
    ],
)
def test_what_a_profile_says_of_items_holds_of_the_items_in_them(element: dict[str, Any], found: tuple[str, str]):
    assert found in issues(ITEMS, profile("q", "Questionnaire", element))


def test_how_often_an_item_stands_is_not_said_of_the_items_in_it():
    assert issues(ITEMS, profile("q", "Questionnaire", {"id": "Questionnaire.item", "min": 1, "max": "1"})) == []
    assert issues(ITEMS, profile("q", "Questionnaire", {"id": "Questionnaire.item.item", "max": "0"})) != []


def test_what_a_profile_says_of_the_links_of_a_bundle_holds_of_those_of_its_entries():
    own = profile("b", "Bundle", {"id": "Bundle.link.url", "patternUri": "http://a.example"})
    entry = {"fullUrl": "http://a.example/Patient/1", "link": [{"relation": "x", "url": "http://b.example"}]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{**entry, "resource": patient(id="1")}]}
    assert issues(bundle, own) == [("pattern-value", "Bundle.entry[0].link[0].url")]


def test_a_primitive_of_which_an_extension_is_asked_needs_it_beside_its_value():
    time = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
    slice = {"id": "Patient.birthDate.extension:t", "min": 1, "type": [{"code": "Extension", "profile": [time]}]}
    own = profile("p", "Patient", slice)
    beside = {"extension": [{"url": time, "valueDateTime": "2000-01-01T10:00:00Z"}]}
    assert issues(patient(birthDate="2000-01-01", _birthDate=beside), own) == issues(patient(), own) == []
    assert issues(patient(birthDate="2000-01-01"), own) == [("cardinality-min", "Patient.birthDate.extension")]
    given = profile("g", "Patient", {"id": "Patient.name.given.extension", "min": 1})
    one = {"extension": [{"url": "http://x.example", "valueCode": "a"}]}
    assert issues(patient(name=[{"given": ["a"], "_given": [one]}]), given) == []
    assert issues(patient(name=[{"given": ["a", "b"], "_given": [one, None]}]), given) != []


@pytest.mark.parametrize(
    ("type", "element", "at"),
    [("DomainResource", "DomainResource.language", "Patient.language"), ("Resource", "Resource.id", "Patient.id")],
)
def test_a_profile_of_an_abstract_type_judges_every_resource_of_it(type: str, element: str, at: str):
    own = profile("a", type, {"id": element, "min": 1})
    assert issues(patient(), own) == [("cardinality-min", at)]
    assert issues(patient(id="a", language="fr"), own) == []


RULE = {"key": "i-1", "severity": "error", "human": "h", "expression": "value.length() > 2"}
LONG = profile("long", "Identifier", {"id": "Identifier", "constraint": [RULE]})
USED = profile("used", "Identifier", {"id": "Identifier.use", "min": 1})


def test_of_several_profiles_of_a_data_type_one_is_enough_invariants_included():
    types = [{"code": "Identifier", "profile": [LONG["url"], USED["url"]]}]
    own = profile("p", "Patient", {"id": "Patient.identifier", "type": types})
    for right in ({"value": "123"}, {"use": "usual", "value": "1"}):
        assert issues(patient(identifier=[right]), LONG, USED, own) == []
    assert issues(patient(identifier=[{"value": "1"}]), LONG, USED, own) == [("profile-type", "Patient.identifier[0]")]


def test_slices_are_told_apart_by_a_profile_of_a_data_type_invariants_included():
    own = profile(
        "p",
        "Patient",
        {
            "id": "Patient.identifier",
            "slicing": {"discriminator": [{"type": "profile", "path": "$this"}], "rules": "open"},
        },
        {"id": "Patient.identifier:long", "max": "1", "type": [{"code": "Identifier", "profile": [LONG["url"]]}]},
    )
    assert issues(patient(identifier=[{"value": "123"}, {"value": "1"}]), LONG, own) == []
    assert issues(patient(identifier=[{"value": "123"}, {"value": "456"}]), LONG, own) == [
        ("cardinality-max", "Patient.identifier")
    ]


def _amount(value: str, code: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"value": Decimal(value)}
    return {**found, "system": "http://unitsofmeasure.org", "code": code} if code else found


AT = "Observation.value"
#: Element, its limits, what is within and what is not (https://hl7.org/fhir/R4/elementdefinition.html, minValue[x]).
LIMITS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    (AT + "[x]", {"minValueQuantity": _amount("1", "g")}, observation(valueQuantity=_amount("1000", "mg")), observation(valueQuantity=_amount("1", "mg")), AT),
    (AT + "[x]", {"maxValueQuantity": _amount("5")}, observation(valueQuantity=_amount("5")), observation(valueQuantity=_amount("5.1")), AT),
    (AT + "[x]", {"minValueInteger": 3}, observation(valueString="a"), observation(valueInteger=2), AT),
    (AT + "[x]", {"minValueTime": "08:00:00"}, observation(valueTime="08:00:00"), observation(valueTime="07:59:59"), AT),
    ("Observation.issued", {"minValueInstant": "2000-01-01T00:00:00Z"}, observation(issued="2000-01-01T00:00:00Z"), observation(issued="2000-01-01T00:30:00+01:00"), "Observation.issued"),
    ("Observation.effective[x]", {"maxValueDateTime": "2010"}, observation(effectiveDateTime="2009-12-31"), observation(effectiveDateTime="2011-01-01"), "Observation.effective"),
    ("Patient.birthDate", {"minValueDate": "1900-01-01"}, patient(birthDate="1900-01-01"), patient(birthDate="1899-12-31"), "Patient.birthDate"),
    # A duration is counted from now.
    ("Patient.birthDate", {"minValueQuantity": _amount("130", "a")}, patient(birthDate="1990-01-01"), patient(birthDate="1850-01-01"), "Patient.birthDate"),
    ("Patient.birthDate", {"maxValueQuantity": _amount("0", "d")}, patient(birthDate="1990-01-01"), patient(birthDate="2999-01-01"), "Patient.birthDate"),
    ("Patient.telecom.rank", {"maxValuePositiveInt": 3}, patient(telecom=[{"rank": 3, "value": "a", "system": "phone"}]), patient(telecom=[{"rank": 4, "value": "a", "system": "phone"}]), "Patient.telecom[0].rank"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "limits", "within", "outside", "at"), LIMITS)
def test_the_least_and_the_most_of_every_kind_of_value(
    id: str, limits: dict[str, Any], within: dict[str, Any], outside: dict[str, Any], at: str
):
    own = profile("l", within["resourceType"], {"id": id, **limits})
    assert issues(within, own) == []
    assert issues(outside, own) == [("value-range", at)]


CODES = [{"system": "urn:s", "code": "a"}, {"system": "urn:t", "code": "b"}]
#: A value that is fixed or a pattern, one that has it, one that has not.
VALUES: list[tuple[str, str, Any, dict[str, Any], dict[str, Any]]] = [
    ("Observation.code", "fixedCodeableConcept", {"coding": CODES}, {"code": {"coding": CODES}}, {"code": {"coding": CODES[::-1]}}),
    ("Observation.code", "patternCodeableConcept", {"coding": CODES}, {"code": {"coding": CODES[::-1], "text": "t"}}, {"code": {"coding": CODES[:1]}}),
    ("Observation.code", "patternCodeableConcept", {"coding": [{"code": "a", "system": "urn:t"}]}, {"code": {"coding": [*CODES, {"code": "a", "system": "urn:t"}]}}, {"code": {"coding": CODES}}),
    ("Observation.method", "fixedCodeableConcept", {"text": "a"}, {"method": {"text": "a"}}, {"method": {"text": "a", "id": "x"}}),
    ("Observation.subject", "patternReference", {"type": "Patient"}, {"subject": {"type": "Patient", "display": "d"}}, {"subject": {"display": "d"}}),
    ("Observation.value[x]", "fixedQuantity", _amount("1", "g"), {"valueQuantity": _amount("1", "g")}, {"valueQuantity": _amount("2", "g")}),
    ("Observation.value[x]", "patternRange", {"low": _amount("1")}, {"valueRange": {"low": _amount("1"), "high": _amount("2")}}, {"valueRange": {"high": _amount("2")}}),
    ("Observation.effective[x]", "patternPeriod", {"start": "2020"}, {"effectivePeriod": {"start": "2020", "end": "2021"}}, {"effectivePeriod": {"end": "2021"}}),
    ("Observation.value[x]", "fixedBoolean", True, {"valueBoolean": True}, {"valueBoolean": False}),
    ("Observation.value[x]", "fixedInteger", 1, {"valueInteger": 1}, {"valueInteger": 2}),
    ("Observation.issued", "fixedInstant", "2020-01-01T00:00:00Z", {"issued": "2020-01-01T00:00:00Z"}, {"issued": "2020-01-01T00:00:00.0Z"}),
]  # fmt: skip


@pytest.mark.parametrize(("id", "said", "value", "right", "wrong"), VALUES)
def test_fixed_values_are_whole_and_patterns_are_parts(
    id: str, said: str, value: Any, right: dict[str, Any], wrong: dict[str, Any]
):
    own = profile("v", "Observation", {"id": id, said: value})
    assert issues(observation(**right), own) == []
    key = "fixed-value" if said.startswith("fixed") else "pattern-value"
    assert issues(observation(**wrong), own) == [(key, id.removesuffix("[x]"))]


def test_must_support_is_no_rule():
    assert issues(patient(), profile("m", "Patient", {"id": "Patient.name", "mustSupport": True})) == []


def test_a_reference_asked_to_be_of_one_version():
    target = [SPECIFICATION + "Patient"]
    types = [{"code": "Reference", "targetProfile": target, "versioning": "specific"}]
    own = profile("p", "Observation", {"id": "Observation.subject", "type": types})
    assert issues(observation(subject={"reference": "Patient/1/_history/2"}), own) == []
    assert issues(observation(subject={"reference": "Patient/1"}), own) == [
        ("reference-versioning", "Observation.subject.reference")
    ]


def test_a_profile_claimed_by_a_contained_resource_judges_it():
    named = profile("named", "Organization", {"id": "Organization.name", "min": 1})
    inside = {"resourceType": "Organization", "id": "o", "identifier": [{"value": "1"}]}
    claiming = {**inside, "meta": {"profile": [URL + "named"]}}
    for one, found in ((inside, []), (claiming, [("cardinality-min", "Patient.contained[0].name")])):
        tree = patient(contained=[one], managingOrganization={"reference": "#o"})
        assert issues(tree, named, profile("p", "Patient", {"id": "Patient.active"})) == found
