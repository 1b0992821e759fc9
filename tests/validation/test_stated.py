"""What R4's text asks and no invariant of it says: bundle.html#references, references.html#Reference."""

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
    assert found(entry(full_url)) == ([("warning", "entry-full-url", "Bundle.entry[0]")] if wrong else [])


@pytest.mark.parametrize("full_url", ["Patient/c1", "//example.org/fhir/Patient/c1"])
def test_the_full_url_of_an_entry_is_absolute(full_url: str) -> None:
    assert found(entry(full_url)) == [("warning", "entry-full-url-absolute", "Bundle.entry[0]")]


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
