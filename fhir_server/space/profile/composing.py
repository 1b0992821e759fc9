"""A summary as a document: a Bundle whose Composition says what it is of, from whom, and what stands in which section.

https://hl7.org/fhir/R4/documents.html (bdl-9: identifier, bdl-10: timestamp, bdl-11: the Composition first),
https://hl7.org/fhir/R4/composition.html (cmp-1: text or entries, cmp-2: emptyReason where nothing is).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.json import instant, serialize
from fhir_server.operations.references import Key
from fhir_server.space.profile.chosen import Part
from fhir_server.space.profile.enclosed import closed
from fhir_server.space.profile.narrative import narrative
from fhir_server.space.profile.sections import LOINC
from fhir_server.store.protocol import Version

Tree = dict[str, Any]
TITLES = {"fr": "Résumé médical international", "en": "International Patient Summary"}
_TAGS = {"fr": "fr-FR", "en": "en"}
_TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
#: R4 list-empty-reason. Whether nothing is there, was asked or may be shown is one answer to the caller: `nilknown`
#: would claim that somebody looked, `withheld` would tell that something is hidden.
_EMPTY = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/list-empty-reason",
            "code": "unavailable",
            "display": "Unavailable",
        }
    ]
}


def composed(
    patient: tuple[Version, Tree],
    parts: Sequence[Part],
    beside: Sequence[tuple[Version, Tree]],
    base: str,
    language: str,
) -> bytes:
    """The document.

    Args:
        patient: whose it is.
        parts: the sections, in order.
        beside: what else it has inside.
        base: of the server, for full URLs.
        language: of titles and of the server's own words: "fr" or "en"; titles have the other beside.
    """
    rows = {(v.type, v.id): (v, tree) for v, tree in (patient, *(row for part in parts for row in part.found), *beside)}
    inside: dict[Key, Tree] = {key: tree for key, (_, tree) in rows.items()}
    id, device, now = str(uuid.uuid4()), str(uuid.uuid4()), instant(time.time_ns() // 1_000_000)
    head = {
        "resourceType": "Composition",
        "id": id,
        "language": _TAGS[language],
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{id}"},
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"{base}/Patient/{patient[0].id}"},
        "date": now,
        "author": [{"reference": f"urn:uuid:{device}"}],
        **_titled(TITLES["fr"], TITLES["en"], language),
        "section": [_section(part, inside, base, language) for part in parts if part.found or part.section.required],
    }
    entries = [_entry(f"urn:uuid:{id}", serialize(head))]
    for (type, own), (version, tree) in rows.items():
        body = serialize(tree) if closed(tree, inside, base) else version.body
        entries.append(_entry(f"{base}/{type}/{own}", body))
    entries.append(_entry(f"urn:uuid:{device}", serialize(_author(device))))
    bundle = str(uuid.uuid4())
    opening = serialize(
        {
            "resourceType": "Bundle",
            "id": bundle,
            "meta": {"lastUpdated": now},
            "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{bundle}"},
            "type": "document",
            "timestamp": now,
        }
    )
    return opening[:-1] + b',"entry":[' + b",".join(entries) + b"]}"


def _section(part: Part, inside: dict[Key, Tree], base: str, language: str) -> Tree:
    row = part.section
    found: Tree = {
        **_titled(row.french, row.english, language),
        "code": {"coding": [{"system": LOINC, "code": row.code}]},
        "text": narrative([tree for _, tree in part.found], inside, language, part.whole),
    }
    if part.found:
        return {**found, "entry": [{"reference": f"{base}/{version.type}/{version.id}"} for version, _ in part.found]}
    return {**found, "emptyReason": _EMPTY}


def _titled(french: str, english: str, language: str) -> Tree:
    """A title, with its other language beside: https://hl7.org/fhir/R4/extension-translation.html"""
    first, other, tag = (english, french, "fr-FR") if language == "en" else (french, english, "en")
    parts = [{"url": "lang", "valueCode": tag}, {"url": "content", "valueString": other}]
    return {"title": first, "_title": {"extension": [{"url": _TRANSLATION, "extension": parts}]}}


def _author(id: str) -> Tree:
    """This server: nobody reviewed what it put together."""
    name = {"name": "Mon espace santé", "type": "user-friendly-name"}
    return {"resourceType": "Device", "id": id, "status": "active", "deviceName": [name]}


def _entry(url: str, body: bytes) -> bytes:
    return b'{"fullUrl":' + _text(url) + b',"resource":' + body + b"}"


def _text(text: str) -> bytes:
    return serialize({"": text})[len(b'{"":') : -1]
