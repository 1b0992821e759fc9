"""The smallest valid resources of IHE MHD's profiles and of the answers of document sharing; synthetic people only."""

from __future__ import annotations

from typing import Any

from tests.profiles import resources as r
from tests.profiles.resources import MHD, PDSM, changed, entry


def claimed(tree: dict[str, Any], *profiles: str) -> dict[str, Any]:
    """A copy that claims other profiles."""
    return {**tree, "meta": {"profile": list(profiles)}}


def _found(tree: dict[str, Any], id: str) -> dict[str, Any]:
    url = f"https://fhir-server.example/{tree['resourceType']}/{id}"
    return {"fullUrl": url, "resource": {**tree, "id": id}, "search": {"mode": "match"}}


def _searchset(profile: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [profile]},
        "type": "searchset",
        "total": len(entries),
        "entry": list(entries),
    }


MINIMAL: dict[str, Any] = {
    "resourceType": "DocumentReference",
    "meta": {"profile": [MHD + "IHE.MHD.Minimal.DocumentReference"]},
    "masterIdentifier": r.DOCUMENT["masterIdentifier"],
    "identifier": [{"use": "official", **r.DOCUMENT["identifier"][0]}],
    "status": "current",
    "content": [{"attachment": {"contentType": "application/pdf", "url": "Binary/1"}}],
}
UNCONTAINED = claimed(
    changed(r.DOCUMENT, "author.0", {"reference": "Practitioner/1"}),
    MHD + "IHE.MHD.UnContained.Comprehensive.DocumentReference",
)
UNCONTAINED["contained"] = r.DOCUMENT["contained"][1:]
COMPREHENSIVE = claimed(r.DOCUMENT, MHD + "IHE.MHD.Comprehensive.DocumentReference")
SIMPLE = claimed(r.SIMPLE, MHD + "IHE.MHD.SimplifiedPublish.DocumentReference")
SUBMISSION = claimed(r.SUBMISSION, MHD + "IHE.MHD.Comprehensive.SubmissionSet")
FOLDER = claimed(r.FOLDER, MHD + "IHE.MHD.Comprehensive.Folder")
PATCH: dict[str, Any] = {
    "resourceType": "Parameters",
    "meta": {"profile": [MHD + "IHE.MHD.Patch.Parameters"]},
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "DocumentReference.status"},
                {"name": "value", "valueCode": "superseded"},
            ],
        }
    ],
}
LOT = claimed(
    {
        **r.LOT,
        "entry": [*r.LOT["entry"], entry(PATCH, "PATCH", "DocumentReference/1"), entry(r.FOLDER, "PUT", "List/1")],
    },
    PDSM + "pdsm-comprehensive-provide-document-bundle",
)
MHD_LOT = claimed(LOT, MHD + "IHE.MHD.Comprehensive.ProvideBundle")
MINIMAL_LOT = claimed(
    {**r.LOT, "entry": [r.LOT["entry"][0], {**entry(MINIMAL), "fullUrl": r.LOT["entry"][1]["fullUrl"]}]},
    MHD + "IHE.MHD.Minimal.ProvideBundle",
)
ANSWER: dict[str, Any] = {
    "resourceType": "Bundle",
    "meta": {"profile": [MHD + "IHE.MHD.ProvideDocumentBundleResponse"]},
    "type": "transaction-response",
    "entry": [{"response": {"status": "201 Created", "location": "List/1/_history/1"}}],
}
LISTS = _searchset(PDSM + "pdsm-find-lists-response", _found(r.SUBMISSION, "1"), _found(r.FOLDER, "2"))
DOCUMENTS = _searchset(PDSM + "pdsm-find-documentreferences-comprehensive-response", _found(r.DOCUMENT, "1"))
MHD_LISTS = claimed(LISTS, MHD + "IHE.MHD.FindDocumentListsResponseMessage")
MHD_DOCUMENTS = claimed(DOCUMENTS, MHD + "IHE.MHD.FindDocumentReferencesComprehensiveResponseMessage")
MINIMAL_DOCUMENTS = _searchset(MHD + "IHE.MHD.FindDocumentReferencesResponseMessage", _found(MINIMAL, "1"))
