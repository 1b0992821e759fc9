"""What software does that has nothing but CDA: asks for the metadata of a document, and files it whole in one call.

`DocumentReference/$generate-metadata` is ITI-106 of IHE MHD (https://profiles.ihe.net/ITI/MHD/ITI-106.html),
`DocumentReference/$file-cda` this server's own. The document is the body, as application/xml, or stands in a Binary.
"""

from __future__ import annotations

import binascii
import re
import uuid
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.nos import VISIBILITY
from fhir_server.fhir.outcome import (
    Conflict,
    FhirError,
    Invalid,
    Issue,
    Malformed,
    PreconditionFailed,
    outcome,
)
from fhir_server.interactions.bundles.transaction import transaction
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.routes import dispatch
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.space.record import labels
from fhir_server.space.record.cda import header, reading
from fhir_server.space.record.cda.header import Header
from fhir_server.space.record.cda.lookups import Replaced, patient_of, relations, told
from fhir_server.space.record.cda.lot import SHEET, lot
from fhir_server.space.record.cda.patient import subject
from fhir_server.space.record.sharing.fhir_documents import document_in, metadata_of
from fhir_server.store.protocol import Version


async def generate_metadata(_: Any, call: Invocation, context: Context) -> Response:
    """200 with the DocumentReference, of which nothing is stored; with `persist`, where it was filed.

    Of a FHIR document nothing is filed: it goes into a lot (ITI-65) with these metadata.

    Raises:
        Malformed: no document, or one that is no XML (400).
        Invalid: not CDA, or a header that lacks something (422).
        NotFound: nobody here has its INS (404).
        Conflict: it replaces what is replaced already (409).
    """
    persist, document = call.inputs.one("persist") == "true", call.inputs.complex["document"]
    if (bundle := await document_in(document, context)) is not None:
        if persist:
            raise Invalid("A FHIR document is filed in a lot (ITI-65).", "http.persist", code="not-supported")
        return Response(200, serialize(await metadata_of(bundle, document, context)))
    if persist:
        filed = await file_cda(_, call, context)
        reference = {"reference": (filed.location or "").partition("/_history")[0]}
        parameter = {"name": "DocumentReference", "valueReference": reference}
        return answered([parameter])
    made, _file, patient, _replaced = await _made(call, context)
    made.tree["subject"] = {"reference": f"Patient/{patient.id}"}
    # Where the file will stand is the client's to say: so it is named in the transaction that shares it.
    made.attachment["url"] = f"urn:uuid:{uuid.uuid4()}"
    try:
        found = await context.pipeline.judged(context, parse(serialize(made.tree)))
    except Invalid as error:
        raise _of_document(error, ()) from None
    if context.prefer == "OperationOutcome":
        return Response(200, serialize(outcome([*told(made.issues), *found])))
    return Response(200, serialize(made.tree))


async def file_cda(_: Any, call: Invocation, context: Context) -> Response:
    """201 with the DocumentReference, which is stored with its file, its SubmissionSet and the end of what it replaces.

    Raises:
        Malformed, Invalid, NotFound, Conflict: as `generate_metadata`.
        Forbidden: the caller may not file it, or replaces what others wrote (403).
    """
    context.repository.require("DocumentReference", "c")
    made, file, patient, replaced = await _made(call, context)
    bundle = lot(made, file, patient.id, replaced)
    request = Request("POST", (), body=serialize(bundle), content_type="application/fhir+json")
    try:
        answer = await transaction(bundle, request, replace(context, prefer="minimal"), dispatch)
    except FhirError as error:
        raise _of_document(error, replaced) from None
    return await _answered(parse(answer.body)["entry"][SHEET]["response"], context, told(made.issues))


async def _made(call: Invocation, context: Context) -> tuple[Header, bytes, Version, list[Replaced]]:
    """The metadata of the document of a call, the document, whose it is and what it replaces."""
    context.repository.require("DocumentReference", "c")
    file = _file(call.inputs.complex["document"])
    document = reading.read(file)
    about = subject(document)
    missing = [*about.missing()]
    zone = context.repository.registry.zone
    try:
        made = header.metadata(document, file, about.tree, zone, datetime.now(UTC))
    except Invalid as error:
        raise Invalid(issues=[*missing, *error.issues]) from None
    if missing:
        raise Invalid(issues=missing)
    _label(made, call.inputs.all("securityLabel"))
    patient = await patient_of(about, context)
    return made, file, patient, await relations(made, patient.id, context)


def _file(binary: dict[str, Any]) -> bytes:
    if binary.get("resourceType") != "Binary":
        raise Malformed("The document is the body, or a Binary.", "Parameters.parameter", code="invalid")
    try:
        found = b64decode(str(binary.get("data", "")), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("The data are not base64.", "Binary.data", code="value") from None
    if not found:
        raise Malformed("There is no document.", "Binary.data", code="required")
    return found


def _label(made: Header, codes: Sequence[str]) -> None:
    """Add who is not to see the document: a CDA header has no place for it."""
    for code in codes[: labels.MOST + 1]:
        found = labels.label({"system": VISIBILITY, "code": code})
        if found is None:
            raise Invalid(f"A label is one of {', '.join(labels.LABELS)}.", "http.securityLabel", code="code-invalid")
        made.tree["securityLabel"].append({"coding": [found.coding]})
    made.tree["securityLabel"] = labels.stored(made.tree["securityLabel"])


async def _answered(entry: dict[str, Any], context: Context, issues: Sequence[Issue]) -> Response:
    """What was filed, with the body that is preferred, as far as whoever filed it may read it."""
    location = str(entry["location"]).removeprefix(f"{context.base}/")
    id, number = location.split("/")[1], int(location.rpartition("/")[2])
    body, at = b"", None
    if context.prefer == "OperationOutcome":
        body = serialize(outcome(issues))
    elif context.prefer != "minimal":
        # It has been told that it was written.
        with context.repository.touched.rehearsing():
            version = await context.repository.current("DocumentReference", id)
        if version is not None:
            body, at = version.body, version.at
    return Response(201, body, version=number, at=at, location=location)


#: Element of the metadata → that of the header it was made of, longest first.
_ORIGINS = (
    ("DocumentReference.content[0].attachment.creation", "ClinicalDocument.effectiveTime"),
    ("DocumentReference.content[0].attachment.title", "ClinicalDocument.title"),
    ("DocumentReference.content[0].attachment.language", "ClinicalDocument.languageCode"),
    ("DocumentReference.content[0].format", "ClinicalDocument.templateId"),
    ("DocumentReference.context.facilityType", "ClinicalDocument.componentOf"),
    ("DocumentReference.context.practiceSetting", "ClinicalDocument.documentationOf"),
    ("DocumentReference.context.period", "ClinicalDocument.documentationOf"),
    ("DocumentReference.context.event", "ClinicalDocument.documentationOf"),
    ("DocumentReference.context.related", "ClinicalDocument.inFulfillmentOf"),
    ("DocumentReference.masterIdentifier", "ClinicalDocument.id"),
    ("DocumentReference.identifier", "ClinicalDocument.setId"),
    ("DocumentReference.relatesTo", "ClinicalDocument.relatedDocument"),
    ("DocumentReference.type", "ClinicalDocument.code"),
    ("DocumentReference.category", "ClinicalDocument.code"),
    ("DocumentReference.securityLabel", "http.securityLabel"),
    ("DocumentReference.subject", "ClinicalDocument.recordTarget"),
    ("DocumentReference.author", "ClinicalDocument.author"),
    ("DocumentReference.authenticator", "ClinicalDocument.legalAuthenticator"),
    ("DocumentReference.custodian", "ClinicalDocument.custodian"),
    # The set that it is submitted in, and whatever else nobody sent.
    ("Bundle.entry[0].resource.extension[0]", "ClinicalDocument.componentOf"),
    ("Bundle.entry[0].resource.source", "ClinicalDocument.author"),
    ("Bundle.entry", "ClinicalDocument"),
    ("DocumentReference", "ClinicalDocument"),
)


#: What the record's own rules call a refusal → its code in the national guide.
_CODES = {"document-author": "mss-901"}


def _of_document(error: FhirError, replaced: Sequence[Replaced]) -> FhirError:
    """What a transaction refuses, said of the document that it was made of.

    Codes of the national guide: another replaced it first is 900, who may not replace it 901.
    """
    is_late = bool(replaced) and isinstance(error, PreconditionFailed)
    kind = Conflict if is_late else type(error)
    # What is only told of metadata that nobody sent explains no refusal.
    errors = [one for one in error.issues if one.severity in ("error", "fatal")]
    said = dict.fromkeys(_said(one, is_late) for one in errors or error.issues)
    return kind(issues=[*said], headers=error.headers)


def _said(one: Issue, is_late: bool) -> Issue:
    """An issue with the element of the document in place of that of its metadata."""
    where = re.sub(rf"^Bundle\.entry\[{SHEET}\](?:\.resource)?(?=[.\[]|$)", "DocumentReference", one.expression or "")
    where = next((origin for element, origin in _ORIGINS if where.startswith(element)), where)
    is_late |= one.code == "conflict" and where == "ClinicalDocument.relatedDocument"
    key = "mss-900" if is_late else _CODES.get(one.key or "", one.key)
    return replace(one, expression=where or None, key=key)
