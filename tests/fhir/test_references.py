"""https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/datatypes.html#canonical."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.references import Reference, parse, parse_canonical, walk_references

OWN = "https://own.example/fhir"


@pytest.mark.parametrize(
    "text, type, id, version, url, fragment",
    [
        ("Patient/1", "Patient", "1", "", "", ""),
        ("Patient/A-1.b", "Patient", "A-1.b", "", "", ""),
        ("Patient/1/_history/2", "Patient", "1", "2", "", ""),
        ("Patient/1#p", "Patient", "1", "", "", "p"),
        (f"{OWN}/Patient/1", "Patient", "1", "", "", ""),
        (f"{OWN}/Patient/1/_history/3", "Patient", "1", "3", "", ""),
        ("https://else.example/r4/Patient/1", "Patient", "1", "", "https://else.example/r4/Patient/1", ""),
        ("https://else.example/r4/Patient/1/_history/7", "Patient", "1", "7", "https://else.example/r4/Patient/1", ""),
        # Another server whose address begins alike, and another path of this one.
        ("https://own.example/fhirs/Patient/1", "Patient", "1", "", "https://own.example/fhirs/Patient/1", ""),
        ("https://own.example/fhir.old/Patient/1", "Patient", "1", "", "https://own.example/fhir.old/Patient/1", ""),
        ("urn:uuid:187e0c12-8dd2-67e2-99b2-bf273c878281", None, None, "", "urn:uuid:187e0c12-8dd2-67e2-99b2-bf273c878281", ""),
        ("urn:oid:1.2.3", None, None, "", "urn:oid:1.2.3", ""),
        ("http://a.example/ValueSet/x|1.0", None, None, "1.0", "http://a.example/ValueSet/x", ""),
        ("#p1", None, None, "", "", "p1"),
        ("#", None, None, "", "", ""),
        # No resource type of R4, no id: nothing this server could hold.
        ("Person1/1", None, None, "", "Person1/1", ""),
        ("Patients/1", None, None, "", "Patients/1", ""),
        ("Patient", None, None, "", "Patient", ""),
        ("Patient/", None, None, "", "Patient/", ""),
        ("Patient/" + "x" * 65, None, None, "", "Patient/" + "x" * 65, ""),
        ("Patient/1/2", None, None, "", "Patient/1/2", ""),
        ("Patient?identifier=1", None, None, "", "Patient?identifier=1", ""),
        ("http://a.example/b#c", None, None, "", "http://a.example/b", "c"),
    ],
)  # fmt: skip
def test_a_reference_is_taken_apart(
    text: str, type: str | None, id: str | None, version: str, url: str, fragment: str
) -> None:
    assert parse(text, OWN) == Reference(type, id, version, url, fragment)
    assert parse(text, OWN + "/") == parse(text, OWN)


def test_without_a_base_only_relative_references_are_local() -> None:
    assert not parse(f"{OWN}/Patient/1").local
    assert parse("Patient/1").local


@pytest.mark.parametrize(
    "text, local, contained, target",
    [
        ("Patient/1/_history/2", True, False, "Patient/1"),
        (f"{OWN}/Patient/1", True, False, "Patient/1"),
        ("https://else.example/r4/Patient/1", False, False, "https://else.example/r4/Patient/1"),
        ("urn:uuid:1", False, False, "urn:uuid:1"),
        ("#p1", False, True, "#p1"),
    ],
)
def test_a_reference_says_where_it_leads(text: str, local: bool, contained: bool, target: str) -> None:
    found = parse(text, OWN)
    assert (found.local, found.contained, found.target) == (local, contained, target)


@pytest.mark.parametrize(
    "text, url, version, fragment",
    [
        ("http://a.example/ValueSet/x", "http://a.example/ValueSet/x", "", ""),
        ("http://a.example/ValueSet/x|1.0", "http://a.example/ValueSet/x", "1.0", ""),
        ("http://a.example/ValueSet/x|1.0#part", "http://a.example/ValueSet/x", "1.0", "part"),
        ("http://a.example/ValueSet/x#part|1.0", "http://a.example/ValueSet/x", "1.0", "part"),
        ("urn:oid:1.2.3|2", "urn:oid:1.2.3", "2", ""),
        ("#contained", "", "", "contained"),
    ],
)
def test_a_canonical_is_taken_apart(text: str, url: str, version: str, fragment: str) -> None:
    found = parse_canonical(text)
    assert (found.url, found.version, found.fragment) == (url, version, fragment)


@given(st.text(max_size=60))
def test_any_text_is_some_reference(text: str) -> None:
    found = parse(text, OWN)
    assert (found.type is None) == (found.id is None)


def test_references_are_walked_with_their_paths() -> None:
    tree: dict[str, Any] = {
        "resourceType": "Composition",
        "subject": {"reference": "Patient/1"},
        "author": [{"display": "nobody"}, {"reference": "Practitioner/1", "type": "Practitioner"}],
        "contained": [{"resourceType": "Observation", "id": "o", "subject": {"reference": "#"}}],
        "section": [{"entry": [{"reference": "#o"}], "section": [{"focus": {"reference": "Device/1"}}]}],
        "extension": [{"url": "http://a.example/x", "valueReference": {"reference": "Group/1"}}],
    }
    found = [(node["reference"], path) for node, path in walk_references(tree)]
    assert found == [
        ("Patient/1", "Composition.subject"),
        ("Practitioner/1", "Composition.author[1]"),
        ("#", "Composition.contained[0].subject"),
        ("#o", "Composition.section[0].entry[0]"),
        ("Device/1", "Composition.section[0].section[0].focus"),
        ("Group/1", "Composition.extension[0].valueReference"),
    ]


def test_a_reference_found_can_be_rewritten_in_place() -> None:
    tree = {
        "resourceType": "Bundle",
        "entry": [{"resource": {"resourceType": "Basic", "subject": {"reference": "urn:uuid:1"}}}],
    }
    for node, _ in walk_references(tree):
        node["reference"] = "Patient/1"
    assert tree["entry"][0]["resource"]["subject"] == {"reference": "Patient/1"}  # type: ignore[index]


@pytest.mark.parametrize(
    "tree",
    [
        {"resourceType": "DetectedIssue", "reference": "http://a.example/guide"},
        {"resourceType": "Immunization", "education": [{"reference": "http://a.example/leaflet"}]},
        {"resourceType": "PlanDefinition", "action": [{"condition": [{"expression": {"language": "text/cql", "reference": "http://a.example/cql"}}]}]},
        {"resourceType": "Claim", "related": [{"reference": {"system": "urn:oid:1", "value": "2"}}]},
    ],
)  # fmt: skip
def test_a_uri_that_is_called_reference_is_none(tree: dict[str, Any]) -> None:
    assert list(walk_references(tree)) == []
