"""What a form says of a message: its words, files, documents of the record, what a draft had, and what is missing.

A document goes as a reference, so that the record goes on judging who sees it. One that the patient hides from
professionals goes as a copy: they choose to show it, and its reader would find nothing in the record.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from fhir_server.site.signed_in import Guest
from fhir_server.space.messages.model import LONGEST_SUBJECT, LONGEST_TEXT, Side
from fhir_server.space.messages.pages.correspondents import Correspondent
from fhir_server.space.messages.pages.rows import LARGEST
from fhir_server.space.record.pages import files
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.contents import file
from fhir_server.space.record.pages.documents import sheets
from fhir_server.space.record.pages.sheets import HIDING, Sheet, bytes_words
from fhir_server.space.service import Surroundings

#: Documents that a form offers, the latest, and that one message takes; of files as many.
OFFERED, MOST = 100, 20
#: Bytes of all files of a message together, from either side: a patient's as the rule of exchanges has it.
_SUMS: Mapping[Side, int] = {"patient": LARGEST, "professional": 4 * LARGEST}
#: Of a file's name; a document's own title has no more.
_LONGEST_NAME = 50
#: What professionals do not see, and what the patient does not see yet.
_HIDDEN, _UNSEEN = "MASQUE_PS", "INVISIBLE_PATIENT"

Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Composed:
    """What a form says.

    Attributes:
        topic, text: its words.
        payload: text, files and documents, in this order.
        errors: field → a key of the page's words.
    """

    topic: str
    text: str
    payload: list[Part]
    errors: Mapping[str, str]


async def composed(
    guest: Guest[Surroundings],
    here: Correspondent,
    before: Sequence[Part] = (),
    topic: str = "",
    record: Asking | None = None,
) -> Composed:
    """The message of a form.

    Args:
        guest: who sends it.
        here: the same, as they may ask the server.
        before: the payload of the draft that goes on; of its files and documents those stay that the form keeps.
        topic: of the conversation; "" where the form says it.
        record: the patient's, as a professional has it open; None where they have not.
    """
    said, text = topic or guest.field("topic", LONGEST_SUBJECT + 1), guest.field("text", LONGEST_TEXT + 1)
    errors = {
        "topic": "" if 1 <= len(said) <= LONGEST_SUBJECT else "topic",
        "text": "text" if not text else "long" if len(text) > LONGEST_TEXT else "",
    }
    stays = {one for one in guest.given.get("kept", ())}
    kept = [dict(part) for n, part in enumerate(before) if "contentString" not in part and str(n) in stays]
    documents, errors["document"] = await _documents(guest, here, of_record(here, record))
    new, errors["file"] = _files(guest, [*kept, *documents], _SUMS[here.side])
    payload = [*([{"contentString": text}] if text else []), *kept, *documents, *new]
    return Composed(said, text, payload, {field: why for field, why in errors.items() if why})


def number(guest: Guest[Surroundings]) -> str:
    """The number of a form, as it was given, or a new one: sent twice it makes one message."""
    try:
        return str(UUID(guest.field("number", 36)))
    except ValueError:
        return str(uuid4())


def of_record(here: Correspondent, record: Asking | None) -> Asking | None:
    """The record whose documents may be sent along: the patient's own, or the one that a professional has open."""
    return here.asking if here.side == "patient" else record


async def offered(here: Correspondent, record: Asking | None) -> list[tuple[str, Sheet]]:
    """(id, document) of a record that may be sent along: the latest that both sides see."""
    if record is None:
        return []
    found, _ = await sheets(record, [("status", "current"), ("_sort", "-date")], OFFERED)
    return [(one.id, one) for one in found if _UNSEEN not in one.labels]


async def form(
    guest: Guest[Surroundings], here: Correspondent, draft: Composed | None = None, record: Asking | None = None
) -> dict[str, Any]:
    """What every form of a message shows."""
    return {
        "number": number(guest),
        "typed": draft.text if draft else guest.field("text", LONGEST_TEXT),
        "subject": draft.topic if draft else guest.field("topic", LONGEST_SUBJECT),
        "offered": await offered(here, of_record(here, record)),
        "ticked": list(guest.given.get("document", ())),
        "accept": files.ACCEPT,
        "hidden": _HIDDEN,
        "hiding": HIDING,
        "bytes_words": bytes_words,
    }


async def _documents(guest: Guest[Surroundings], here: Correspondent, record: Asking | None) -> tuple[list[Part], str]:
    """Parts for the documents that are ticked; and what is wrong with them."""
    ids = list(dict.fromkeys(one[:64] for one in guest.given.get("document", ())))
    if not ids or record is None:
        return [], ""
    if len(ids) > MOST:
        return [], "many"
    found, _ = await sheets(record, [("_id", ",".join(ids)), ("status", "current")], MOST)
    parts = [await _document(here, one) for one in sorted(found, key=lambda one: ids.index(one.id))]
    if len(found) < len(ids) or None in parts:
        return [], "gone"
    return [one for one in parts if one is not None], ""


async def _document(here: Correspondent, one: Sheet) -> Part | None:
    if _UNSEEN in one.labels:
        return None
    if _HIDDEN not in one.labels or here.side == "professional":
        return {"contentReference": {"reference": f"DocumentReference/{one.id}", "display": one.title}}
    body = await file(here.asking, one) if one.size <= LARGEST else None
    if body is None or len(body) > LARGEST:
        return None
    return {"contentAttachment": _attachment(one.media_type or "application/octet-stream", one.title, body)}


def _files(guest: Guest[Surroundings], others: Sequence[Part], most: int) -> tuple[list[Part], str]:
    """Parts for the files that were chosen; and what is wrong with them, or with all that the message has by now."""
    chosen = [(name, body) for name, body in guest.files.get("file", ()) if body]
    if len(chosen) > MOST:
        return [], "files"
    if any(len(body) > LARGEST for _, body in chosen):
        return [], "large"
    kinds = [files.media_type(body) for _, body in chosen]
    if None in kinds:
        return [], "format"
    if chosen and sum(len(body) for _, body in chosen) + sum(map(_size, others)) > most:
        return [], "sum" if most == LARGEST else "sums"
    return [
        {"contentAttachment": _attachment(kind, name, body)}
        for kind, (name, body) in zip(kinds, chosen, strict=True)
        if kind is not None
    ], ""


def _size(part: Part) -> int:
    """Bytes of the file that a part is; 0 of a document that is referred to."""
    file = part.get("contentAttachment") or {}
    return len(file["data"]) * 3 // 4 if "data" in file else int(file.get("size") or 0)


def _attachment(kind: str, name: str, body: bytes) -> Part:
    title = name[:_LONGEST_NAME] or "Document"
    return {"contentType": kind, "title": title, "data": b64encode(body).decode()}
