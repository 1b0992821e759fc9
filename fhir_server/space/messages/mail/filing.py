"""The documents of a mail as they are filed: metadata by the record's own reading of CDA, labels and ends by XDM's.

A CDA document is described by `$generate-metadata` (ITI-106), under the sender's grant; what else is in the archive by
its entry alone. METADATA.XML adds who is not to see the document, and which it takes the place of: so a mail masks a
document by sending it once more (guide for documents by mail, MODIF_CONF_CODE).
"""

from __future__ import annotations

import asyncio
import uuid
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.fhir.json import parse
from fhir_server.interactions.exchange import Request
from fhir_server.space.messages.mail.refusals import Refused
from fhir_server.space.messages.mail.xdm import documents
from fhir_server.space.messages.mail.xdm.opening import Document
from fhir_server.space.record import labels
from fhir_server.space.record.cda.codes import URI
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Token

_XML = frozenset({"text/xml", "application/xml"})


async def entries(
    around: Surroundings, grant: Grant, patient: str, found: Sequence[Document], now: datetime
) -> list[dict[str, Any]]:
    """The entries of the transaction that files the documents, the metadata of each before its content.

    Args:
        around: the opened server.
        grant: the sender's.
        patient: id of whom they are about.
        found: the documents; a PDF beside the CDA document of the same name shows it and is not filed twice.
        now: when the mail came.

    Raises:
        FhirError: the record refuses a document.
        Refused: its metadata are not what they must be.
    """
    made = []
    names = {_stem(one) for one in found if one.entry.kind in _XML}
    for one in found:
        if one.entry.kind not in _XML and _stem(one) in names:
            continue
        tree = await _metadata(around, grant, one, now)
        tree["subject"] = {"reference": f"Patient/{patient}"}
        _replace(tree, await _replaced(around, grant, one))
        sheet, content = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
        tree["content"][0]["attachment"]["url"] = content
        data = (await asyncio.to_thread(b64encode, one.content)).decode()
        binary = {"resourceType": "Binary", "contentType": one.entry.kind, "data": data}
        made += [posted(sheet, tree), posted(content, binary)]
    return made


def posted(address: str, resource: dict[str, Any]) -> dict[str, Any]:
    """An entry of a transaction that creates a resource."""
    return {
        "fullUrl": address,
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"]},
    }


async def _metadata(around: Surroundings, grant: Grant, one: Document, now: datetime) -> dict[str, Any]:
    zone = around.registry.zone
    said: list[dict[str, Any]] = [{"coding": [documents.coding(code)]} for code in one.entry.codes["confidentiality"]]
    if one.entry.kind not in _XML:
        return await asyncio.to_thread(_by_entry, one, zone, now)
    request = Request(
        "POST", ("DocumentReference", "$generate-metadata"), body=one.content, content_type="application/xml"
    )
    tree = parse((await around.exchange(request, grant)).body)
    _require_same(one, tree)
    tree["securityLabel"] = labels.stored([*tree["securityLabel"], *said])
    return tree


def _by_entry(one: Document, zone: tzinfo, now: datetime) -> dict[str, Any]:
    return documents.reference(one.entry, one.content, zone, now)


def _require_same(one: Document, tree: dict[str, Any]) -> None:
    """Refuse metadata of another document than the one they describe."""
    entry = documents.unique(one.entry)
    if entry != tree["masterIdentifier"]["value"]:
        raise Refused("xdm-metadata", "The uniqueId is not the id of the CDA document.")
    types = {code.code for code in one.entry.codes["type"]}
    if types and tree["type"]["coding"][0]["code"] not in types:
        raise Refused("xdm-metadata", "The type is not that of the CDA document.")


def _replace(tree: dict[str, Any], targets: Sequence[str]) -> None:
    """Have a document replace what its entry says, where the document itself does not say what.

    Raises:
        Refused: it replaces another by its own header or series: what the entry names is not the latest (900).
    """
    own = {one["target"].get("reference") for one in tree.get("relatesTo", ()) if one["code"] == "replaces"}
    if targets and own and own != set(targets):
        raise Refused("xdm-replaced")
    if targets and not own:
        found = [{"code": "replaces", "target": {"reference": target}} for target in targets]
        tree["relatesTo"] = [*tree.get("relatesTo", ()), *found]


async def _replaced(around: Surroundings, grant: Grant, one: Document) -> list[str]:
    """The documents that METADATA.XML says one takes the place of, as the sender sees them."""
    seen = await around.seen_by(grant)
    found = []
    for said in one.entry.replaces:
        where = Token("identifier", documents.uri(said), URI)
        page = await seen.find({"DocumentReference": where}, count=2)
        if len(page.versions) != 1:
            raise Refused("xdm-replaced")
        found.append(f"DocumentReference/{page.versions[0].id}")
    return found


def _stem(one: Document) -> str:
    return one.entry.slot("URI").rpartition(".")[0].upper()
