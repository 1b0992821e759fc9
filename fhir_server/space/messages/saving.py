"""`Communication/[id]/$save-attachment`: a file of a message becomes a document of the record, filed by the patient.

Domain file §2.7: the patient saves an attachment under one of the types DOCPAT…. It is filed by the record's own rules,
published alone (IHE ITI-105), its content a copy: what the message shows stays the message's. The same file of a
message is one document, however often and by whomever of the patient's side it is saved.

Its author is who saves it: "who is responsible for adding the information" (R4 DocumentReference.author), and of DOCPAT
the patient's side (domain file §2.5). Who sent the file, who may not have written it, is told in its description.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.fhir.dates import begins
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.nos import DOCUMENT_TYPES, NON_PROFESSIONAL
from fhir_server.fhir.outcome import Forbidden, Invalid, InvalidParameter, NotFound
from fhir_server.interactions.binary import RAW
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.routes import dispatch
from fhir_server.operations.invocation import Invocation
from fhir_server.space.messages.model import Attached, Message, local, message_of
from fhir_server.space.messages.writers import writer_of
from fhir_server.space.names import names
from fhir_server.space.record.content.step import LONGEST_TITLE
from fhir_server.space.record.pages.filing import Draft, to_resource, unless

_PATIENT = {
    "coding": [{"system": NON_PROFESSIONAL, "code": "EXP_PATIENT", "display": "Expression personnelle du patient"}],
}
_CUSTODIAN = {"display": "Mon espace santé"}
#: Names the documents that files of messages become.
_NAMES = uuid.UUID("6b7f0f0e-5a4e-4b5e-9f53-0d7f5a9b6c21")
_TITLE = "Pièce jointe"


async def save_attachment(_: Any, call: Invocation, context: Context) -> Response:
    """201 with the DocumentReference; 200 with the one that it was saved as before.

    Raises:
        NotFound: no such message, part or content, or not for this caller (404).
        Forbidden: the caller is not of the patient's side (403).
        InvalidParameter: a parameter is not of its kind (400).
        Invalid: the part is no file; or the record's rules refuse the document (422).
    """
    version = await call.stored(context)
    message = message_of(parse(version.body, context.settings.max_depth), context.base)
    file = _file(message, call.inputs.one("payload") or "")
    writer = await writer_of(context.repository, message.patient)
    if writer.side != "patient":
        raise Forbidden("Only the patient saves a file to their record.", "Communication", key="message-save")
    answer = await dispatch(Request("GET", ("Binary", file.reference.rpartition("/")[2]), headers={RAW: "1"}), context)
    draft = _draft(call, version.id, message, file, answer.body, answer.media_type, context)
    draft = replace(draft, description=await _origin(context.repository.as_server(), message, draft.day))
    author = {"reference": writer.person or message.patient}
    about = {"facilityType": _PATIENT, "practiceSetting": _PATIENT}
    patient = message.patient.rpartition("/")[2]
    tree = to_resource(draft, patient, author, custodian=_CUSTODIAN, context=about)
    request = Request(
        "POST",
        ("DocumentReference",),
        body=serialize(tree),
        resource=tree,
        headers={"if-none-exist": unless(draft)},
    )
    return await dispatch(request, context)


def _file(message: Message, said: str) -> Attached:
    if not (said.isascii() and said.isdigit() and len(said) < 6):
        raise InvalidParameter("A part is named by its number, from 0.", "http.payload")
    found = next((one for one in message.attached if one.place == int(said)), None)
    if found is None:
        raise NotFound("The message has no such file.", f"Communication.payload[{int(said)}]")
    if not found.reference.startswith("Binary/"):
        words = "The part is no file: a document is in the record already."
        raise Invalid(words, f"Communication.payload[{int(said)}]", code="business-rule", key="message-save")
    return found


async def _origin(own: Repository, message: Message, day: date) -> str:
    """Where a file comes from, in words for who reads the document; "" of what the patient's side sent itself."""
    if message.side == "patient":
        return ""
    sender = message.sender
    if sender.startswith("PractitionerRole/"):
        role = await referred(own, sender)
        sender = local(role.get("practitioner")) or local(role.get("organization"))
    name = (await names(own, [sender])).get(sender)
    return f"Reçu par la messagerie{f' de {name}' if name else ''}, le {day:%d/%m/%Y}"


def _draft(
    call: Invocation, id: str, message: Message, file: Attached, body: bytes, media_type: str, context: Context
) -> Draft:
    zone = ZoneInfo(context.settings.default_timezone)
    # What was restored may say no more than a day, or a year.
    sent = begins(message.sent, zone) or datetime.now(UTC)
    title = (call.inputs.one("title") or file.title or _TITLE)[:LONGEST_TITLE]
    return Draft(
        number=str(uuid.uuid5(_NAMES, f"{message.patient} {id} {file.place}")),
        title=title,
        description="",
        type={"system": DOCUMENT_TYPES, "code": call.inputs.one("type") or ""},
        day=sent.astimezone(zone).date(),
        media_type=media_type.partition(";")[0],
        body=body,
        masked=False,
    )
