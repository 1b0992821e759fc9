"""FHIR documents as people read them. https://hl7.org/fhir/R4/documents.html#presentation"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.fhir.outcome import FhirError
from fhir_server.fhir.xml import to_xml
from fhir_server.space.record.showing.shown import shown
from tests.space.record.browsing import Read
from tests.space.record.cda_documents import patient

_DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def _document(**composition: Any) -> dict[str, Any]:
    base = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "Synthèse"},
        "title": "Synthèse médicale",
        "date": "2026-03-03",
        "subject": {"reference": "urn:uuid:6a0f6e0d-7b0e-4f9b-8e3c-2f7b9e1d0c22"},
        "author": [{"display": "Anne DUPONT"}],
        "section": [
            {"title": "Allergies", "text": {"status": "generated", "div": _DIV.format("<p>Pénicilline</p>")}},
            {"title": "Poids", "entry": [{"reference": "Observation/1"}]},
        ],
    }
    observation = {
        "resourceType": "Observation",
        "id": "1",
        "status": "final",
        "code": {"text": "Poids"},
        "text": {"status": "generated", "div": _DIV.format("<p>72 kg</p><script>alert(1)</script>")},
    }
    entries = [
        ("urn:uuid:0b7d0a3e-2a0a-4a53-9b3d-3d1f7b0a9f33", {**base, **composition}),
        ("urn:uuid:6a0f6e0d-7b0e-4f9b-8e3c-2f7b9e1d0c22", patient()),
        ("http://x.example/fhir/Observation/1", observation),
    ]
    rows = [{"fullUrl": url, "resource": resource} for url, resource in entries]
    return {"resourceType": "Bundle", "type": "document", "timestamp": "2026-03-03T10:00:00Z", "entry": rows}


@pytest.mark.parametrize("kind", ["application/fhir+json", "application/fhir+xml", "application/xml"])
def test_a_fhir_document_is_its_sections_in_their_order(kind: str) -> None:
    body = json.dumps(_document()).encode()
    found = shown(body if "json" in kind else to_xml(body), kind)
    assert found is not None
    text = Read(found.markup).text
    assert found.title == "Synthèse médicale"
    assert "NATHALIE DEMO, née le 2 mai 1969" in text
    assert text.index("Pénicilline") < text.index("72 kg")
    assert "alert" not in text


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b'{"resourceType":"Bundle","entry":[{"resource":{"x":"Composition"}}]}', "application/fhir+json", 422),
        (b'["Composition"]', "application/fhir+json", 400),
        (b'{"Composition"', "application/fhir+json", 400),
        (b'<Bundle xmlns="http://hl7.org/fhir"/>', "application/fhir+xml", 422),
        (b"<Bundle", "application/fhir+xml", 400),
        (b"<a/>", "text/xml", 422),
    ],
)
def test_what_is_no_document_is_refused(body: bytes, media_type: str, status: int) -> None:
    with pytest.raises(FhirError) as refused:
        shown(body, media_type)
    assert refused.value.status == status


@pytest.mark.parametrize("media_type", ["application/pdf", "image/png", "text/plain", "text/html", ""])
def test_other_content_is_no_matter_of_this(media_type: str) -> None:
    assert shown(b"Composition", media_type) is None
