"""What R4's text asks and no invariant of it says: bundle.html, references.html#Reference, questionnaire.html,
narrative.html, codesystem.html. All of https://hl7.org/fhir/R4/.
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.validator import validate


def entry(full_url: str, id: str = "c1") -> dict[str, Any]:
    patient = {"resourceType": "Patient", "id": id}
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": full_url, "resource": patient}]}


def subject(**reference: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": reference}


def found(tree: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [(issue.severity, issue.key, issue.expression) for issue in validate(tree) if issue.key != "dom-6"]


@pytest.mark.parametrize(
    ("full_url", "wrong"),
    [
        ("http://example.org/fhir/Patient/c1", False),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", False),
        ("http://example.org/fhir/Patient/c2", True),
        ("http://example.org/fhir/Patient/xc1", True),
    ],
)
def test_the_full_url_of_an_entry_does_not_disagree_with_the_id(full_url: str, wrong: bool) -> None:
    assert found(entry(full_url)) == ([("error", "entry-full-url", "Bundle.entry[0]")] if wrong else [])


@pytest.mark.parametrize("full_url", ["Patient/c1", "//example.org/fhir/Patient/c1"])
def test_the_full_url_of_an_entry_is_absolute(full_url: str) -> None:
    assert found(entry(full_url)) == [("error", "entry-full-url-absolute", "Bundle.entry[0]")]


@pytest.mark.parametrize(
    ("reference", "type", "wrong"),
    [
        ("Patient/1", "Patient", False),
        ("http://example.org/fhir/Patient/1/_history/2", "http://hl7.org/fhir/StructureDefinition/Patient", False),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "Patient", False),
        ("Patient/1", "Group", True),
        ("http://example.org/fhir/Patient/1", "Group", True),
    ],
)
def test_the_type_of_a_reference_is_consistent_with_its_url(reference: str, type: str, wrong: bool) -> None:
    said = found(subject(reference=reference, type=type))
    assert said == ([("error", "reference-type", "Observation.subject")] if wrong else [])


def question(link: str, *inside: dict[str, Any], when: str = "") -> dict[str, Any]:
    condition = {"enableWhen": [{"question": when, "operator": "=", "answerBoolean": True}]} if when else {}
    return {"linkId": link, "text": "?", "type": "boolean", **condition, **({"item": [*inside]} if inside else {})}


@pytest.mark.parametrize(
    ("items", "at"),
    [
        ([question("a"), question("b", when="a")], ""),
        ([question("b", when="a"), question("a")], ""),
        ([question("a", question("b", when="a"))], ""),
        ([question("a", when="a")], "Questionnaire.item[0]"),
        ([question("a", question("b"), when="b")], "Questionnaire.item[0]"),
        ([question("a", question("b", question("c")), when="c")], "Questionnaire.item[0]"),
        ([question("a", question("b", question("c"), when="c"))], "Questionnaire.item[0].item[0]"),
    ],
)
def test_whether_an_item_is_enabled_does_not_depend_on_itself(items: list[dict[str, Any]], at: str) -> None:
    tree = {"resourceType": "Questionnaire", "status": "draft", "item": items}
    assert found(tree) == ([("error", "enable-when-inner", at)] if at else [])


def div(content: str) -> dict[str, str]:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">a {content}</div>'}


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('<img src="#p" alt="a"/>', True),
        ("<img alt='a' src = '#p'/>", True),
        ('<a href="#p">a</a>', True),
        ('<img src="#q" alt="a"/>', False),
        ("#p", False),
    ],
)
@pytest.mark.parametrize("place", ["the resource", "a section"])
def test_a_picture_that_a_narrative_shows_is_referred_to(place: str, content: str, shown: bool) -> None:
    tree = {
        "resourceType": "Composition",
        "text": div(content if place == "the resource" else ""),
        "contained": [{"resourceType": "Binary", "id": "p", "contentType": "image/png", "data": "AAAA"}],
        "status": "final",
        "type": {"text": "a"},
        "date": "2020",
        "author": [{"display": "a"}],
        "title": "a",
        "section": [{"text": div(content if place == "a section" else "")}],
    }
    assert found(tree) == ([] if shown else [("error", "dom-3", "Composition.contained[0]")])


def coded(*properties: tuple[str, str], **value: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": "http://example.org/system",
        "name": "System",
        "status": "draft",
        "content": "complete",
        "property": [{"code": code, "type": type} for code, type in properties],
        "concept": [{"code": "a", "concept": [{"code": "b", "property": [{"code": "p", **value}]}]}],
    }


_AT = "CodeSystem.concept[0].concept[0].property[0].value"


@pytest.mark.parametrize(
    ("tree", "at"),
    [
        (coded(("p", "code"), valueCode="a"), ""),
        (coded(("p", "Coding"), valueCoding={"code": "a"}), ""),
        (coded(("p", "dateTime"), valueDateTime="2020"), ""),
        (coded(("q", "dateTime"), valueCode="a"), ""),
        (coded(("p", "string"), valueCode="a"), _AT),
        (coded(("p", "dateTime"), valueBoolean=True), _AT),
        (coded(("p", "code"), ("p", "string"), valueCode="a"), "CodeSystem.property[1].code"),
    ],
)
def test_a_property_of_a_concept_is_of_the_type_that_is_declared_once(tree: dict[str, Any], at: str) -> None:
    assert found(tree) == ([("error", "code-system-property", at)] if at else [])
