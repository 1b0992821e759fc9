"""The lot in which a CDA document is shared: a transaction as ITI-65 has it, with the file, its metadata and the set.

https://interop.esante.gouv.fr/ig/fhir/pdsm, pdsm-comprehensive-provide-document-bundle and
pdsm-submissionset-comprehensive; IHE MHD 2:3.65. What is replaced becomes `superseded` in the same transaction.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from typing import Any

from fhir_server.space.record.cda.codes import URI
from fhir_server.space.record.cda.header import Header
from fhir_server.space.record.cda.lookups import Replaced
from fhir_server.space.record.cda.patient import INS
from fhir_server.space.record.cda.people import Contained

_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
_MHD = "https://profiles.ihe.net/ITI/MHD"
#: Where the metadata stand among the entries.
SHEET = 1


def lot(made: Header, file: bytes, patient: str, replaced: Sequence[Replaced]) -> dict[str, Any]:
    """The transaction that shares a document.

    Args:
        made: its metadata.
        file: the document as it arrived.
        patient: id of the patient.
        replaced: the documents that end with it.
    """
    subject = {"reference": f"Patient/{patient}"}
    sheet, content = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
    made.tree["subject"] = subject
    made.attachment["url"] = content
    binary = {"resourceType": "Binary", "contentType": "text/xml", "data": base64.b64encode(file).decode()}
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [f"{_PDSM}/pdsm-comprehensive-provide-document-bundle"]},
        "type": "transaction",
        "entry": [
            _posted(f"urn:uuid:{uuid.uuid4()}", submission_set(made, subject, sheet)),
            _posted(sheet, made.tree),
            _posted(content, binary),
            *map(_superseded, replaced),
        ],
    }


def submission_set(made: Header, subject: dict[str, Any], sheet: str) -> dict[str, Any]:
    """The SubmissionSet of one document; `sheet` is the address of its metadata."""
    contained = Contained()
    source, organisation = _source(made, contained)
    extensions: list[dict[str, Any]] = [
        {
            "url": f"{_MHD}/StructureDefinition/ihe-designationType",
            "valueCodeableConcept": made.context["facilityType"],
        },
        {"url": f"{_MHD}/StructureDefinition/ihe-sourceId", "valueIdentifier": _source_id(made)},
    ]
    for reference in _recipients(made, contained):
        extensions.append({"url": f"{_PDSM}/pdsm-ext-intended-recipient", "valueReference": reference})
    if organisation is not None:
        held = {"url": f"{_MHD}/StructureDefinition/ihe-authorOrg", "valueReference": organisation}
        source = {"extension": [held], **source}
    return {
        "resourceType": "List",
        "meta": {"profile": [f"{_PDSM}/pdsm-submissionset-comprehensive"]},
        "contained": contained.resources,
        "extension": extensions,
        "identifier": [{"use": "usual", "system": URI, "value": f"urn:oid:2.25.{uuid.uuid4().int}"}],
        "status": "current",
        "mode": "working",
        "title": made.attachment["title"],
        "code": {"coding": [{"system": f"{_MHD}/CodeSystem/MHDlistTypes", "code": "submissionset"}]},
        "subject": subject,
        "date": made.tree["date"],
        "source": source,
        "entry": [{"item": {"reference": sheet}}],
    }


def _source(made: Header, contained: Contained) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Who sends: the first author, and the organisation they act for."""
    known = {f"#{one['id']}": one for one in made.contained.resources}
    first = made.tree["author"][0]["reference"]
    source = _again(first, known, contained)
    inside = {f"#{one['id']}": one for one in contained.resources}[source["reference"]]
    return source, inside.get("organization") or inside.get("owner")


def _again(reference: str, known: dict[str, dict[str, Any]], contained: Contained) -> dict[str, Any]:
    """What is contained in the metadata, contained once more with what it refers to."""
    tree = {key: value for key, value in known[reference].items() if key != "id"}
    for key in ("practitioner", "organization", "owner"):
        if key in tree:
            tree[key] = _again(tree[key]["reference"], known, contained)
    return contained.add(tree, tree["resourceType"].lower())


def _source_id(made: Header) -> dict[str, Any]:
    """Which system sends: a CDA header does not say, so it is the organisation that keeps the document."""
    kept = next(one for one in made.contained.resources if f"#{one['id']}" == made.tree["custodian"]["reference"])
    found = next(iter(kept.get("identifier", ())), {"value": kept.get("name", "")})
    return {key: found[key] for key in ("system", "value") if key in found}


def _recipients(made: Header, contained: Contained) -> list[dict[str, Any]]:
    """Whom the document is meant for; patients, who see all of theirs, are none."""
    found = []
    for role in made.document.all("informationRecipient/intendedRecipient"):
        if any(one.get("root") in INS for one in role.all("id")):
            continue
        reference = contained.participant(role)
        if reference is not None and reference not in found:
            found.append(reference)
    return found


def _posted(address: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "fullUrl": address,
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"]},
    }


def _superseded(target: Replaced) -> dict[str, Any]:
    """The entry that ends what is replaced, as it was seen: another writer who came first is not overwritten."""
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "DocumentReference.status"},
        {"name": "value", "valueCode": "superseded"},
    ]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    url = f"DocumentReference/{target.version.id}"
    return {
        "fullUrl": f"urn:uuid:{uuid.uuid4()}",
        "resource": parameters,
        "request": {"method": "PATCH", "url": url, "ifMatch": f'W/"{target.version.version}"'},
    }
