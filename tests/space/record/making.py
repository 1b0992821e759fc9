"""Documents and lots as producers of PDSm send them; synthetic people only."""

from __future__ import annotations

import copy
import hashlib
import itertools
from base64 import b64encode
from typing import Any

from tests.profiles import resources as r

_numbers = itertools.count(1)
PATIENT: dict[str, Any] = {**r.PATIENT, "id": "1"}
OTHER: dict[str, Any] = r.changed(
    {**r.PATIENT, "id": "2", "name": [{**r.PATIENT["name"][0], "family": "AUTRE"}]},
    "identifier.0.value",
    "279054958815736",
)
PDF = b"%PDF-1.4 a document"


def urn() -> str:
    """A name that no other test has."""
    return f"urn:uuid:00000000-0000-4000-8000-{next(_numbers):012d}"


def sha1(content: bytes) -> str:
    return b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def a_document(content: bytes = PDF, url: str = "", master: str = "", **more: Any) -> dict[str, Any]:
    """A comprehensive document; its content is elsewhere."""
    tree = copy.deepcopy(r.DOCUMENT)
    tree["masterIdentifier"]["value"] = master or urn()
    tree["identifier"][0]["value"] = urn()
    tree["content"][0]["attachment"] |= {"size": len(content), "hash": sha1(content), "url": url or urn()}
    return {**tree, **more}


def a_binary(content: bytes = PDF, kind: str = "application/pdf") -> dict[str, Any]:
    return {"resourceType": "Binary", "contentType": kind, "data": b64encode(content).decode()}


def an_entry(tree: dict[str, Any], method: str = "POST", url: str = "", full_url: str = "") -> dict[str, Any]:
    return {"fullUrl": full_url or urn(), **r.entry(tree, method, url)}


def a_set(*named: str, **more: Any) -> dict[str, Any]:
    """A submission set that names entries by their fullUrl, or resources."""
    tree = copy.deepcopy(r.SUBMISSION)
    tree["identifier"][0]["value"] = f"urn:oid:1.2.250.1.213.1.1.1.99.{next(_numbers)}"
    return {**tree, "entry": [{"item": {"reference": one}} for one in named], **more}


def a_lot(*documents: dict[str, Any], further: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A lot of some documents (one, when none is given) of the same content, and further entries."""
    trees = documents or (a_document(),)
    entries, names = [], []
    for tree in trees:
        names.append(urn())
        entries.append(an_entry(tree, full_url=names[-1]))
        url = tree["content"][0]["attachment"]["url"]
        if url.startswith("urn:"):
            entries.append(an_entry(a_binary(), full_url=url))
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [r.PDSM + "pdsm-comprehensive-provide-document-bundle"]},
        "type": "transaction",
        "entry": [an_entry(a_set(*names)), *entries, *(further or ())],
    }


def a_simple(**more: Any) -> dict[str, Any]:
    """A document with its content inside it (ITI-105)."""
    tree = copy.deepcopy(r.SIMPLE)
    tree["masterIdentifier"]["value"] = urn()
    tree["subject"] = {"reference": "Patient/1"}
    tree["content"][0]["attachment"]["data"] = b64encode(PDF).decode()
    return {**tree, **more}


def superseding(id: str) -> dict[str, Any]:
    """The entry by which a lot supersedes a document (MHD Patch Parameters)."""
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "DocumentReference.status"},
        {"name": "value", "valueCode": "superseded"},
    ]
    tree = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    return an_entry(tree, "PATCH", f"DocumentReference/{id}")


def replacing(id: str) -> list[dict[str, Any]]:
    return [{"code": "replaces", "target": {"reference": f"DocumentReference/{id}"}}]
