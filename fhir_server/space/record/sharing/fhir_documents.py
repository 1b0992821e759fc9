"""The metadata of a FHIR document: what its Composition says, as a DocumentReference (IHE MHD ITI-106).

https://profiles.ihe.net/ITI/MHD/ITI-106.html, https://hl7.org/fhir/R4/documents.html. The document is a Bundle, or
stands in a Binary. A Composition says neither the sector of activity nor the practice setting of PDSm: what conforms
to its comprehensive profile claims that, else MHD's minimal one.
"""

from __future__ import annotations

import binascii
import hashlib
import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError, Invalid, NotFound
from fhir_server.fhir.xml import to_json
from fhir_server.interactions.exchange import Context
from fhir_server.space.record import labels
from fhir_server.space.record.sharing import subjects
from fhir_server.space.record.sharing.categories import category_of
from fhir_server.space.record.sharing.simplified import claiming
from fhir_server.space.record.sharing.words import codings, dicts
from fhir_server.work.budget import BYTES, spend

Tree = dict[str, Any]
#: Media type of a Binary → whether the FHIR in it is XML.
_FHIR = {"application/fhir+json": False, "application/json": False, "application/fhir+xml": True}
#: IHE's format of a document whose media type says it all.
_FORMAT = {
    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
}
#: Element of a participant that says who it is.
_SAID = ("identifier", "name", "deviceName", "gender", "birthDate", "code", "specialty")
#: What a participant refers to that is told with it.
_LINKS = ("practitioner", "organization", "owner")
_DEEPEST = 3


async def document_in(given: Tree, context: Context) -> Tree | None:
    """The FHIR document that is given, or that stands in a Binary; None of another Binary.

    Raises:
        Malformed: a Binary that says it is FHIR, and is not (400).
    """
    if given.get("resourceType") != "Binary":
        return given
    kind = str(given.get("contentType", "")).partition(";")[0].strip().lower()
    if kind not in _FHIR:
        return None
    try:
        content = b64decode(str(given.get("data", "")), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("The data are not base64.", "Binary.data", code="value") from None
    spend(len(content) // BYTES)
    depth = context.settings.max_depth
    return parse(to_json(content, depth) if _FHIR[kind] else content, depth)


async def metadata_of(bundle: Tree, given: Tree, context: Context) -> Tree:
    """The DocumentReference of a FHIR document; its content is still to be named.

    Args:
        bundle: the document.
        given: the same, or the Binary that it stands in, of whose bytes the metadata speak.
        context: of the call.

    Raises:
        Invalid: no document, or one that says not what metadata need (422).
        NotFound: nobody here has the INS of its patient (404).
    """
    entries = dicts(bundle.get("entry"))
    first = entries[0].get("resource") if entries else None
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "document" or not isinstance(first, dict):
        raise Invalid("A FHIR document is a Bundle of type document.", "Bundle.type", code="invalid")
    if first.get("resourceType") != "Composition":
        raise Invalid("The first entry of a document is its Composition.", "Bundle.entry[0].resource", code="invalid")
    made = _Made(bundle, first)
    tree = made.tree(_attachment(given, bundle, first))
    if made.contained:
        tree["contained"] = made.contained
    tree["subject"] = {"reference": await _patient(tree, context)}
    made_out = await claiming(context, tree)
    await context.pipeline.judged(context, parse(serialize(made_out)))
    return made_out


def _attachment(given: Tree, bundle: Tree, composition: Tree) -> Tree:
    whole = given is bundle
    content = serialize(bundle) if whole else b64decode(str(given["data"]))
    return {
        "contentType": "application/fhir+json" if whole else given["contentType"],
        "language": composition.get("language") or bundle.get("language") or "fr-FR",
        # Where it will stand is the client's to say: so it is named in the transaction that shares it.
        "url": f"urn:uuid:{uuid.uuid4()}",
        "size": len(content),
        "hash": b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode(),
        "title": composition.get("title"),
        "creation": composition.get("date"),
    }


async def _patient(tree: Tree, context: Context) -> str:
    try:
        found = await subjects.patient_of(context, {**tree, "subject": tree["context"].get("sourcePatientInfo")})
    except FhirError as error:
        raise error.placed({subjects.IDENTIFIER: "Composition.subject"}) from None
    if found is None:
        raise NotFound("Nobody here has the identifiers of its patient.", "Composition.subject", key="mss-902")
    return found


class _Made:
    """One DocumentReference while it is made; `contained` is who is named in it."""

    def __init__(self, bundle: Tree, composition: Tree) -> None:
        self._bundle, self._composition = bundle, composition
        self._entries: Mapping[str, Tree] = {
            name: one["resource"]
            for one in dicts(bundle.get("entry"))
            if isinstance(one.get("resource"), dict)
            for name in (one.get("fullUrl"), f"{one['resource'].get('resourceType')}/{one['resource'].get('id')}")
            if isinstance(name, str)
        }
        self._known: dict[int, str] = {}
        self.contained: list[Tree] = []

    def tree(self, attachment: Tree) -> Tree:
        """The metadata, without subject.

        Raises:
            Invalid: naming what is missing (422).
        """
        said = self._composition
        needed = {
            "Bundle.identifier": self._bundle.get("identifier"),
            "Composition.type": said.get("type"),
            "Composition.author": said.get("author"),
            "Composition.subject": said.get("subject"),
        }
        for where, value in needed.items():
            if not value:
                raise Invalid("The metadata of a document need this.", where, code="required")
        signed = next((one.get("party") for one in dicts(said.get("attester")) if one.get("mode") == "legal"), None)
        parts: Tree = {
            "resourceType": "DocumentReference",
            "masterIdentifier": self._bundle["identifier"],
            "identifier": [said["identifier"]] if isinstance(said.get("identifier"), dict) else None,
            "status": "current",
            "type": said["type"],
            "category": said.get("category") or _category(said["type"]),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "author": [one for one in map(self._named, dicts(said["author"])) if one],
            "authenticator": self._named(signed),
            "custodian": self._named(said.get("custodian")),
            "description": said.get("title"),
            "securityLabel": [_label(said.get("confidentiality"))],
            "content": [{"attachment": {name: one for name, one in attachment.items() if one}, "format": _FORMAT}],
            "context": self._context(),
        }
        return {name: one for name, one in parts.items() if one}

    def _context(self) -> Tree:
        events = dicts(self._composition.get("event"))
        encounter = self._found(self._composition.get("encounter")) or {}
        period = next((one["period"] for one in events if one.get("period")), None) or encounter.get("period")
        parts = {
            "event": [code for one in events for code in dicts(one.get("code"))],
            "period": period or {"start": self._composition.get("date")},
            "sourcePatientInfo": self._named(self._composition.get("subject")),
        }
        return {name: one for name, one in parts.items() if one}

    def _found(self, reference: Any) -> Tree | None:
        said = reference.get("reference") if isinstance(reference, dict) else None
        return self._entries.get(said) if isinstance(said, str) else None

    def _named(self, reference: Any, deep: int = _DEEPEST) -> Tree | None:
        """A reference to somebody who is contained from now on; as it is where they are not in the document."""
        found = self._found(reference)
        if found is None or not deep:
            plain = reference if isinstance(reference, dict) else {}
            return {name: plain[name] for name in ("type", "identifier", "display") if name in plain} or None
        if id(found) not in self._known:
            kind = str(found.get("resourceType"))
            tree: Tree = {"resourceType": kind, "id": f"{kind.lower()}{len(self._known) + 1}"}
            self._known[id(found)] = tree["id"]
            tree |= {name: found[name] for name in _SAID if name in found}
            tree |= {name: one for name in _LINKS if (one := self._named(found.get(name), deep - 1))}
            self.contained.append(tree)
        return {"reference": f"#{self._known[id(found)]}"}


def _category(type: Any) -> list[Tree] | None:
    found = next(filter(None, map(category_of, codings(type))), None)
    return None if found is None else [{"coding": [found]}]


def _label(code: Any) -> Tree:
    found = labels.LABELS.get(str(code)) or labels.LABELS["N"]
    return {"coding": [found.coding]}
