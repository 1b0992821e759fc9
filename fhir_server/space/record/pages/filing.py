"""The sheet of a file that somebody adds from a page: PDSm's simplified publish (ITI-105), the content inside.

https://interop.esante.gouv.fr/ig/fhir/pdsm (pdsm-simplified-publish). Size, hash and category are the server's to add.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from fhir_server.space.record.pages.visibility import with_mask, without_mask

URI = "urn:ietf:rfc:3986"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is told of a file.

    Attributes:
        number: random, made with the form: the same file sent twice is one document.
        title, description: in the person's words; the second may be "".
        type: coding of JDV_J66.
        day: of the care.
        media_type, body: the file.
        masked: whether it is hidden from professionals from the beginning.
    """

    number: str
    title: str
    description: str
    type: Mapping[str, str]
    day: date
    media_type: str
    body: bytes
    masked: bool


def to_resource(draft: Draft, patient: str, author: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The DocumentReference.

    Args:
        draft: what is told.
        patient: id of whose record it is.
        author: a Reference.
        more: further elements: `custodian`, `context`.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    attachment = {
        "contentType": draft.media_type,
        "language": "fr-FR",
        "data": b64encode(draft.body).decode(),
        "title": draft.title,
        "creation": now,
    }
    context = {"period": {"start": draft.day.isoformat()}, **more.pop("context", {})}
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": URI, "value": f"urn:uuid:{draft.number}"},
        "status": "current",
        "type": {"coding": [dict(draft.type)]},
        "subject": {"reference": f"Patient/{patient}"},
        "date": now,
        "author": [dict(author)],
        **({"description": draft.description} if draft.description else {}),
        "securityLabel": with_mask(()) if draft.masked else without_mask(()),
        "content": [{"attachment": attachment}],
        "context": context,
        **more,
    }


def unless(draft: Draft) -> str:
    """The condition that it is not there already: https://hl7.org/fhir/R4/http.html#ccreate."""
    return f"identifier={URI}|urn:uuid:{draft.number}"
