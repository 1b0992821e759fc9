"""Parts of resources: https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.fhir.subsetting import parse_elements, parse_summary, subset
from fhir_server.fhir.xml import to_xml
from tests.examples import examples_folder

TAG = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o",
    "meta": {"versionId": "2", "tag": [{"code": "mine"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">o</div>'},
    "contained": [{"resourceType": "Device", "id": "d"}],
    "extension": [{"url": "u", "valueCode": "c"}],
    "modifierExtension": [{"url": "m", "valueCode": "c"}],
    "status": "final",
    "_status": {"id": "s"},
    "code": {"extension": [{"url": "u", "valueCode": "c"}], "text": "weight"},
    "valueQuantity": {"value": 1, "unit": "kg"},
    "interpretation": [{"text": "high"}],
    "component": [{"code": {"text": "c"}, "valueString": "v", "interpretation": [{"text": "low"}]}],
}


def part(resource: dict[str, Any], summary: str | None = None, elements: str | None = None) -> dict[str, Any]:
    names = parse_elements([elements]) if elements is not None else None
    found: dict[str, Any] = json.loads(subset(json.dumps(resource).encode(), summary, names))
    return found


@pytest.mark.parametrize(
    ("summary", "elements", "left"),
    [
        ("true", None, "modifierExtension status _status code valueQuantity component"),
        ("text", None, "text status _status code"),
        (
            "data",
            None,
            "contained extension modifierExtension status _status code valueQuantity interpretation component",
        ),
        (None, "value", "modifierExtension status _status code valueQuantity"),
        (None, "value[x]", "modifierExtension status _status code valueQuantity"),
        (None, "valueQuantity", "modifierExtension status _status code valueQuantity"),
        (None, "interpretation.text", "modifierExtension status _status code interpretation"),
        (None, "Observation.text,Patient.name", "text modifierExtension status _status code"),
        (None, "text, contained", "text contained modifierExtension status _status code"),
    ],
)
def test_what_is_left_of_a_resource(summary: str | None, elements: str | None, left: str) -> None:
    found = part(OBSERVATION, summary, elements)
    assert list(found) == ["resourceType", "id", "meta", *left.split()]
    assert found["meta"] == {"versionId": "2", "tag": [{"code": "mine"}, TAG]}


@pytest.mark.parametrize("summary", [None, "false", "count"])
def test_nothing_asked_leaves_the_very_bytes(summary: str | None) -> None:
    body = json.dumps(OBSERVATION, indent=1).encode()
    assert subset(body, summary, None) is body


def test_elements_of_another_type_leave_the_very_bytes() -> None:
    body = json.dumps(OBSERVATION).encode()
    assert subset(body, None, frozenset({"Patient.name"})) is body


def test_a_summary_reaches_into_data_types_and_backbone_elements() -> None:
    component = part(OBSERVATION, "true")["component"][0]
    assert component == {"code": {"text": "c"}, "valueString": "v"}
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": "AAAA", "id": "a"}}],
    }
    assert part(document, "true")["content"] == [{"attachment": {"contentType": "text/plain", "id": "a"}}]


def test_digits_stay_as_they_were_written() -> None:
    body = b'{"resourceType":"Observation","valueQuantity":{"value":1.10,"unit":"m"},"component":[{"code":{},"valueQuantity":{"value":0.00E-5}}]}'
    found = subset(body, "true", None)
    assert b'"value":1.10' in found
    assert b'"value":0.00E-5' in found


def test_the_tag_stands_once() -> None:
    once = subset(json.dumps(OBSERVATION).encode(), "true", None)
    assert json.loads(subset(once, "text", None))["meta"]["tag"] == [{"code": "mine"}, TAG]


def test_a_resource_without_meta_gets_one_for_the_tag() -> None:
    found = part({"resourceType": "Basic", "code": {"text": "x"}, "id": "b"}, "true")
    assert list(found) == ["resourceType", "id", "meta", "code"]
    assert found["meta"] == {"tag": [TAG]}


def bundle(type: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "total": 1, "link": [], "entry": list(entries)}


def test_in_a_searchset_each_resource_is_cut_and_the_bundle_is_not() -> None:
    outcome = {"resourceType": "OperationOutcome", "text": {"status": "empty"}, "issue": []}
    found = part(
        bundle(
            "searchset",
            {"fullUrl": "u", "resource": OBSERVATION, "search": {"mode": "match"}},
            {"resource": outcome, "search": {"mode": "outcome"}},
            {"response": {"status": "204"}},
        ),
        "true",
    )
    assert "text" not in found["entry"][0]["resource"]
    assert found["entry"][0]["fullUrl"] == "u"
    assert found["entry"][1]["resource"] == outcome
    assert found["entry"][2] == {"response": {"status": "204"}}
    assert found["total"] == 1
    assert "meta" not in found


def test_elements_do_not_apply_to_included_resources_unless_typed() -> None:
    """search.html#elements: the list of elements does not apply to included resources."""
    patient = {"resourceType": "Patient", "id": "p", "name": [{"text": "n"}], "gender": "male"}
    found = part(
        bundle("searchset", {"resource": OBSERVATION}, {"resource": patient, "search": {"mode": "include"}}),
        elements="status",
    )
    assert found["entry"][1]["resource"] == patient
    found = part(
        bundle("searchset", {"resource": OBSERVATION}, {"resource": patient, "search": {"mode": "include"}}),
        elements="status,Patient.gender",
    )
    assert list(found["entry"][1]["resource"]) == ["resourceType", "id", "meta", "gender"]


def test_a_stored_bundle_is_a_resource_like_any_other() -> None:
    document = {**bundle("document", {"resource": OBSERVATION}), "identifier": {"value": "1"}}
    assert list(part(document, elements="identifier")) == ["resourceType", "meta", "type", "identifier"]
    nested = part(bundle("searchset", {"resource": document}), elements="identifier")
    assert list(nested["entry"][0]["resource"]) == ["resourceType", "meta", "type", "identifier"]


@pytest.mark.parametrize("value", ["", "name,", "na me", "nmae", "Patient.nmae", "name/family", "..", "Patient."])
def test_a_name_that_is_no_element_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameter) as error:
        parse_elements([value])
    assert error.value.issues[0].expression == "http._elements"


@pytest.mark.parametrize("values", [[""], ["yes"], ["TRUE"], ["true", "text"]])
def test_a_summary_that_is_none_of_the_five_is_refused(values: list[str]) -> None:
    with pytest.raises(InvalidParameter) as error:
        parse_summary(values)
    assert error.value.issues[0].expression == "http._summary"


def test_values_not_given_are_none() -> None:
    assert parse_summary([]) is None
    assert parse_elements([]) is None
    assert parse_summary(["true", "true"]) == "true"
    assert parse_elements(["name,id", "Patient.name.family"]) == {"name", "id", "Patient.name"}


@pytest.mark.skipif(examples_folder() is None, reason="the published R4 examples are not at hand")
@pytest.mark.parametrize("summary", ["true", "text", "data"])
def test_every_published_example_can_be_cut_and_is_still_of_its_shape(summary: str) -> None:
    folder = examples_folder()
    assert folder is not None
    for path in sorted(folder.glob("*-example*.json")):
        body = path.read_bytes()
        found = subset(body, summary, None)
        assert len(found) <= len(body) + 120
        to_xml(found)
