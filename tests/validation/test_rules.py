"""Each rule of base R4: a right resource is changed in one place, and that issue alone is there, at that place.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/conformance-rules.html
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.validation.validator import Validator, validate

DIV = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "meta": {"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z"},
    "text": DIV,
    "identifier": [{"system": "urn:oid:1.2.3", "value": "1", "period": {"start": "2020", "end": "2021"}}],
    "active": True,
    "name": [{"use": "official", "family": "Test", "given": ["Ana", "Bo"], "_given": [None, {"id": "g"}]}],
    "telecom": [{"system": "phone", "value": "1", "rank": 1}],
    "gender": "female",
    "birthDate": "2000-02-29",
    "_birthDate": {"extension": [{"url": "http://x.example/time", "valueDateTime": "2000-02-29T01:00:00Z"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"family": "C"}}],
    "communication": [{"language": {"text": "fr"}}],
    "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "#o"}],
    "managingOrganization": {"reference": "Organization/1"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}],
    "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "text": DIV,
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "1-1"}]},
    "valueQuantity": {"value": Decimal("1.10"), "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"},
    "referenceRange": [{"low": {"value": 1}}],
}
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "text": DIV,
    "subject": {"reference": "Patient/1"},
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": PATIENT},
        {"fullUrl": "urn:uuid:1c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": OBSERVATION},
    ],
}
PARAMETERS: dict[str, Any] = {
    "resourceType": "Parameters",
    "parameter": [{"name": "a", "part": [{"name": "b", "resource": OBSERVATION}]}],
}
QUESTIONNAIRE: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "text": DIV,
    "status": "draft",
    "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "2", "type": "string"}]}],
}
ABSENT = object()


@pytest.mark.parametrize("tree", [PATIENT, OBSERVATION, CONDITION, BUNDLE, PARAMETERS, QUESTIONNAIRE])
def test_the_resources_of_this_file_are_right(tree: dict[str, Any]):
    assert validate(tree) == []


def changed(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """`tree` with one property set (or taken away, when `value` is ABSENT), by its JSON path."""
    found = deepcopy(tree)
    holder: Any = found
    *way, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    for step in way:
        holder = holder[step]
    if value is ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return found


#: The resource, what is changed in it, and the one issue: key, FHIRPath.
RULES: list[tuple[dict[str, Any], str, Any, str, str]] = [
    # structure
    (PATIENT, "foo", 1, "unknown-element", "Patient.foo"),
    (PATIENT, "name/0/foo", 1, "unknown-element", "Patient.name[0].foo"),
    (PATIENT, "_id", {"id": "a"}, "unknown-element", "Patient._id"),
    (PATIENT, "fhir_comments", ["a"], "unknown-element", "Patient.fhir_comments"),
    (PATIENT, "value", "a", "unknown-element", "Patient.value"),
    (PATIENT, "name", {"family": "a"}, "type", "Patient.name"),
    (PATIENT, "gender", ["female"], "type", "Patient.gender"),
    (PATIENT, "name/0", "Ana", "type", "Patient.name[0]"),
    (PATIENT, "managingOrganization", [{"display": "a"}], "type", "Patient.managingOrganization"),
    (PATIENT, "deceasedDateTime", "2020", "choice-type", "Patient.deceased"),
    (
        PATIENT,
        "_deceasedDateTime",
        {"extension": [{"url": "http://a", "valueCode": "b"}]},
        "choice-type",
        "Patient.deceased",
    ),
    (OBSERVATION, "valueString", "a", "choice-type", "Observation.value"),
    (OBSERVATION, "valueAddress", {"text": "a"}, "unknown-element", "Observation.valueAddress"),
    # cardinality
    (PATIENT, "communication/0", {"preferred": True}, "cardinality-min", "Patient.communication[0].language"),
    (PATIENT, "link/0/type", ABSENT, "cardinality-min", "Patient.link[0].type"),
    (OBSERVATION, "status", ABSENT, "cardinality-min", "Observation.status"),
    (OBSERVATION, "code", ABSENT, "cardinality-min", "Observation.code"),
    (PARAMETERS, "parameter/0/name", ABSENT, "cardinality-min", "Parameters.parameter[0].name"),
    (BUNDLE, "entry/1/resource/status", ABSENT, "cardinality-min", "Bundle.entry[1].resource.status"),
    # nothing is empty
    (PATIENT, "name", [], "empty", "Patient.name"),
    (PATIENT, "name/0", {}, "empty", "Patient.name[0]"),
    (PATIENT, "gender", "", "empty", "Patient.gender"),
    (PATIENT, "birthDate", None, "empty", "Patient.birthDate"),
    (PATIENT, "contact", None, "empty", "Patient.contact"),
    (PATIENT, "name/0/prefix", [None], "empty", "Patient.name[0].prefix[0]"),
    (PATIENT, "name/0/given", [], "empty", "Patient.name[0].given"),
    (PATIENT, "name/0/given/0", "", "empty", "Patient.name[0].given[0]"),
    (PATIENT, "contact/0/name", {"id": "x"}, "ele-1", "Patient.contact[0].name"),
    (PATIENT, "_gender", {}, "empty", "Patient.gender"),
    (PATIENT, "_language", {"id": "x"}, "ele-1", "Patient.language"),
    # primitives with siblings
    (PATIENT, "name/0/_given", [None], "primitive-array", "Patient.name[0].given"),
    (PATIENT, "name/0/given", ["Ana", "Bo", "Cy"], "primitive-array", "Patient.name[0].given"),
    (PATIENT, "name/0/given/0", None, "primitive-array", "Patient.name[0].given[0]"),
    (PATIENT, "name/0/given/1", None, "primitive-array", "Patient.name[0].given[1]"),
    (PATIENT, "name/0/_given/1", {"id": "g", "foo": 1}, "unknown-element", "Patient.name[0].given[1].foo"),
    (PATIENT, "_birthDate", "a", "type", "Patient.birthDate"),
    (PATIENT, "_birthDate", [None], "type", "Patient.birthDate"),
    # formats
    (PATIENT, "id", "a_b", "primitive-format", "Patient.id"),
    (PATIENT, "birthDate", "2001-02-29", "primitive-format", "Patient.birthDate"),
    (PATIENT, "telecom/0/rank", 0, "primitive-format", "Patient.telecom[0].rank"),
    (PATIENT, "meta/lastUpdated", "2020-01-01", "primitive-format", "Patient.meta.lastUpdated"),
    (PATIENT, "name/0/id", "a b", "primitive-format", "Patient.name[0].id"),
    (OBSERVATION, "valueQuantity/value", "1.0", "type", "Observation.value.value"),
    # codes
    (PATIENT, "gender", "femme", "required-binding", "Patient.gender"),
    (PATIENT, "link/0/type", "friend", "required-binding", "Patient.link[0].type"),
    (OBSERVATION, "valueQuantity/comparator", "=", "required-binding", "Observation.value.comparator"),
    (CONDITION, "clinicalStatus/coding/0/code", "ill", "required-binding", "Condition.clinicalStatus"),
    (CONDITION, "clinicalStatus", {"text": "active"}, "required-binding", "Condition.clinicalStatus"),
    # references
    (
        PATIENT,
        "managingOrganization/reference",
        "Patient/1",
        "reference-target",
        "Patient.managingOrganization.reference",
    ),
    (
        PATIENT,
        "managingOrganization/reference",
        "https://x.example/fhir/Patient/1/_history/2",
        "reference-target",
        "Patient.managingOrganization.reference",
    ),
    (PATIENT, "managingOrganization/reference", "Foo/1", "reference-format", "Patient.managingOrganization.reference"),
    (PATIENT, "managingOrganization/reference", "1", "reference-format", "Patient.managingOrganization.reference"),
    (
        PATIENT,
        "managingOrganization",
        {"type": "Patient", "display": "x"},
        "reference-target",
        "Patient.managingOrganization.type",
    ),
    # extensions
    (PATIENT, "extension", [{"url": "http://x"}], "ext-1", "Patient.extension[0]"),
    (PATIENT, "extension", [{"url": "http://x", "id": "a"}], "ext-1", "Patient.extension[0]"),
    (PATIENT, "extension", [{"valueCode": "a"}], "cardinality-min", "Patient.extension[0].url"),
    (
        PATIENT,
        "extension",
        [{"url": "http://a", "valueCode": "a", "extension": [{"url": "b", "valueCode": "c"}]}],
        "ext-1",
        "Patient.extension[0]",
    ),
    (
        PATIENT,
        "extension",
        [{"url": "http://a", "valueCode": "a", "valueString": "a"}],
        "choice-type",
        "Patient.extension[0].value",
    ),
    # containment
    (
        PATIENT,
        "contained/0/contained",
        [{"resourceType": "Binary", "contentType": "a/b"}],
        "dom-2",
        "Patient.contained[0].contained",
    ),
    (PATIENT, "contained/0/meta", {"versionId": "1"}, "dom-4", "Patient.contained[0].meta.versionId"),
    (PATIENT, "contained/0/meta", {"security": [{"code": "R"}]}, "dom-5", "Patient.contained[0].meta.security"),
    (PATIENT, "contained/0/foo", 1, "unknown-element", "Patient.contained[0].foo"),
    (PATIENT, "contained/0/resourceType", "Foo", "resource-type", "Patient.contained[0].resourceType"),
    (PATIENT, "generalPractitioner/1", {"display": "a"}, "dom-3", "Patient.contained[0]"),
    (PATIENT, "link/0/other/reference", "#o", "reference-target", "Patient.link[0].other.reference"),
    (PATIENT, "link/0/other/reference", "#nobody", "ref-1", "Patient.link[0].other"),
    (PATIENT, "contact/0/id", "g", "element-id", "Patient.contact[0].id"),
    # nested resources
    (BUNDLE, "entry/0/resource/resourceType", "Foo", "resource-type", "Bundle.entry[0].resource.resourceType"),
    (BUNDLE, "entry/0/resource", {"id": "a"}, "resource-type", "Bundle.entry[0].resource.resourceType"),
    (BUNDLE, "entry/0/resource", "a", "type", "Bundle.entry[0].resource"),
    (BUNDLE, "entry/0/resource", {}, "resource-type", "Bundle.entry[0].resource.resourceType"),
    (BUNDLE, "entry/0/resource/gender", "x", "required-binding", "Bundle.entry[0].resource.gender"),
    (
        PARAMETERS,
        "parameter/0/part/0/resource/status",
        "x",
        "required-binding",
        "Parameters.parameter[0].part[0].resource.status",
    ),
    # elements defined once and used below themselves
    (QUESTIONNAIRE, "item/0/item/0/foo", 1, "unknown-element", "Questionnaire.item[0].item[0].foo"),
    # invariants that only ask what is there
    (PATIENT, "contact/0", {"gender": "male"}, "pat-1", "Patient.contact[0]"),
    (PATIENT, "telecom/0", {"value": "1"}, "cpt-2", "Patient.telecom[0]"),
    (PATIENT, "photo", [{"data": "AAAA"}], "att-1", "Patient.photo[0]"),
    (OBSERVATION, "dataAbsentReason", {"text": "a"}, "obs-6", "Observation"),
    (OBSERVATION, "valueQuantity/system", ABSENT, "qty-3", "Observation.value"),
    # Age specializes Quantity: R4 datatypes.html#quantity
    (CONDITION, "onsetAge", {"value": 5, "code": "a"}, "qty-3", "Condition.onset"),
    (OBSERVATION, "referenceRange/0", {"appliesTo": [{"text": "a"}]}, "obs-3", "Observation.referenceRange[0]"),
    (OBSERVATION, "referenceRange/0/low/comparator", "<", "sqty-1", "Observation.referenceRange[0].low.comparator"),
    (OBSERVATION, "text", ABSENT, "dom-6", "Observation"),
    # invariants in FHIRPath
    (PATIENT, "identifier/0/period/end", "2019", "per-1", "Patient.identifier[0].period"),
    (
        OBSERVATION,
        "referenceRange/0/age",
        {"low": {"value": 2}, "high": {"value": 1}},
        "rng-2",
        "Observation.referenceRange[0].age",
    ),
    (
        OBSERVATION,
        "component",
        [{"code": {"coding": [{"system": "http://loinc.org", "code": "1-1"}]}}],
        "obs-7",
        "Observation",
    ),
    (CONDITION, "abatementString", "a", "con-4", "Condition"),
    (BUNDLE, "total", 2, "bdl-1", "Bundle"),
    (BUNDLE, "entry/0/fullUrl", "http://x.example/Patient/p/_history/1", "bdl-8", "Bundle.entry[0]"),
    (QUESTIONNAIRE, "item/0/item", ABSENT, "que-1", "Questionnaire.item[0]"),
    (QUESTIONNAIRE, "item/0/item/0/linkId", "1", "que-2", "Questionnaire"),
    (QUESTIONNAIRE, "name", "a b", "que-0", "Questionnaire"),
]


@pytest.mark.parametrize(("tree", "path", "value", "key", "at"), RULES, ids=[f"{r[3]} {r[1]}" for r in RULES])
def test_one_change_breaks_one_rule_at_one_place(tree: dict[str, Any], path: str, value: Any, key: str, at: str):
    found = validate(changed(tree, path, value))
    assert [(i.key, i.expression) for i in found] == [(key, at)]


@pytest.mark.parametrize(("tree", "path", "value", "key", "at"), RULES, ids=[f"{r[3]} {r[1]}" for r in RULES])
def test_no_value_of_the_resource_is_repeated(tree: dict[str, Any], path: str, value: Any, key: str, at: str):
    for issue in validate(changed(tree, path, value)):
        if isinstance(value, str) and len(value) > 3 and "/resourceType" not in path:
            assert value not in issue.diagnostics


#: What is allowed though it looks unusual.
ALLOWED: list[tuple[dict[str, Any], str, Any]] = [
    (OBSERVATION, "_valueQuantity", ABSENT),
    (CONDITION, "clinicalStatus", {"extension": [{"url": "http://x", "valueCode": "unknown"}]}),
    (PATIENT, "managingOrganization/reference", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    (PATIENT, "managingOrganization/reference", "http://x.example/anything/else"),
    (PATIENT, "managingOrganization/reference", "Organization?identifier=a|b"),
    (PATIENT, "managingOrganization", {"identifier": {"value": "1"}}),
    (PATIENT, "generalPractitioner/1/reference", "#o"),
    (PATIENT, "deceasedBoolean", ABSENT),
    (PATIENT, "name/0/text", " "),
    (PATIENT, "name/0/_given/0", {"extension": [{"url": "http://a", "valueCode": "b"}]}),
    (PATIENT, "extension", [{"url": "http://a", "_valueCode": {"extension": [{"url": "http://b", "valueCode": "c"}]}}]),
    (PATIENT, "extension", [{"id": "x", "url": "http://a", "valueCode": "c", "_valueCode": {"id": "y"}}]),
]


@pytest.mark.parametrize(("tree", "path", "value"), [a for a in ALLOWED if not a[1].startswith("_value")])
def test_what_the_specification_allows_is_right(tree: dict[str, Any], path: str, value: Any):
    assert validate(changed(tree, path, value)) == []


def test_a_required_primitive_may_be_there_by_its_extension_alone():
    tree = changed(OBSERVATION, "status", ABSENT)
    tree["_status"] = {"extension": [{"url": "http://x", "valueCode": "unknown"}]}
    assert validate(tree) == []


def test_all_issues_are_reported_at_once():
    tree = {"resourceType": "Observation", "text": DIV, "foo": 1, "valueString": "a", "valueInteger": 1}
    assert {(i.key, i.expression) for i in validate(tree)} == {
        ("unknown-element", "Observation.foo"),
        ("cardinality-min", "Observation.status"),
        ("cardinality-min", "Observation.code"),
        ("choice-type", "Observation.value"),
    }


@pytest.mark.parametrize("tree", [{}, {"resourceType": None}, {"resourceType": "Foo"}, {"resourceType": "Resource"}])
def test_a_resource_is_of_a_type_that_exists(tree: dict[str, Any]):
    assert [(i.key, i.expression) for i in validate(tree)] == [("resource-type", "Resource.resourceType")]


def test_a_resource_of_another_type_than_asked_for_is_refused():
    assert [i.key for i in Validator().validate(PATIENT, "Observation")] == ["resource-type"]
    assert Validator().validate(PATIENT, "Patient") == []


@pytest.mark.parametrize(
    ("tree", "unique"),
    [
        ({"concept": [{"code": "a"}, {"code": "b", "concept": [{"code": "c"}]}]}, True),
        ({"concept": [{"code": "a"}, {"code": "b", "concept": [{"code": "a"}]}]}, False),
        ({"concept": [{"code": "a", "concept": [{"code": "b"}]}, {"code": "c", "concept": [{"code": "b"}]}]}, False),
        ({"concept": [{"code": "a"}, {"code": "a"}]}, False),
        ({}, True),
    ],
)
def test_the_codes_of_a_code_system_differ(tree: dict[str, Any], unique: bool) -> None:
    whole = {"resourceType": "CodeSystem", "status": "active", "content": "complete", **tree}
    assert ("csd-1" not in {issue.key for issue in validate(whole)}) is unique
