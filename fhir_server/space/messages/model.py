"""A message as the room's rules speak of it, read from a Communication and made into one.

https://hl7.org/fhir/R4/communication.html, profile https://fhir-server.example/StructureDefinition/ens-message. No
national guide has one. A thread begins with a message that names no other; each later one is `partOf` the first and
`inResponseTo` the one it answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.fhir.references import parse

PROFILE = "https://fhir-server.example/StructureDefinition/ens-message"
CATEGORIES = "https://fhir-server.example/CodeSystem/ens-communication-category"
CATEGORY: Mapping[str, Any] = {"coding": [{"system": CATEGORIES, "code": "message", "display": "Message"}]}
#: On a message of a professional: the thread ends with it.
CLOSED = "https://fhir-server.example/StructureDefinition/ens-conversation-closed"
#: Who wrote it in the patient's place: a caregiver or representative. The server says it, whoever is the sender.
WRITTEN_BY = "https://fhir-server.example/StructureDefinition/ens-written-by-caregiver"
#: System of a mail's Message-ID (RFC 5322 §3.6.4), without its angle brackets.
MESSAGE_ID = "https://fhir-server.example/sid/message-id"
DRAFT, SENT = "preparation", "completed"

#: Characters of a message's text, and of its subject line.
LONGEST_TEXT, LONGEST_SUBJECT = 20_000, 200

#: On which side of an exchange somebody stands.
Side = Literal["patient", "professional"]
_PATIENTS = frozenset({"Patient", "RelatedPerson"})


@dataclass(frozen=True, slots=True)
class Attached:
    """A part of a message that is a file or a document of the record.

    Attributes:
        place: its number among all parts of the payload, from 0.
        reference: "Binary/1" or "DocumentReference/1"; "" where the content stands inside.
        content_type: media type; "" where it is not said.
        title: of the file; "" without one.
        size: in bytes; None where it is not said.
    """

    place: int
    reference: str
    content_type: str = ""
    title: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes:
        id: its own; "" of what has none yet.
        patient: "Patient/1", whom the exchange is about.
        sender, recipients: references.
        topic: the subject line.
        first: id of the first message of its thread; its own where it is that.
        answers: id of the message that it answers; None of the first.
        is_sent: whether it was sent; else it is a draft.
        sent, received: dateTimes as they are written; None before.
        ends: whether a professional ends the exchange with it.
        written_by: who wrote it in the patient's place; None where nobody did.
        text: its words, one paragraph for each part.
        attached: files and documents.
        message_id: of the mail that it was or is; None without one.
        is_linked: whether it says that it is of a thread or answers something, whatever it names as that.
    """

    id: str
    patient: str
    sender: str
    recipients: tuple[str, ...]
    topic: str
    first: str
    answers: str | None
    is_sent: bool
    sent: str | None
    received: str | None
    ends: bool
    written_by: str | None
    text: str
    attached: tuple[Attached, ...]
    message_id: str | None
    is_linked: bool

    @property
    def side(self) -> Side:
        """Whose side it comes from."""
        return side(self.sender)

    @property
    def parties(self) -> tuple[str, ...]:
        """Who sends and receives it."""
        return (self.sender, *self.recipients)


def side(reference: str) -> Side:
    """The side of a sender or recipient: patients and who acts for them, or all others."""
    return "patient" if reference.partition("/")[0] in _PATIENTS else "professional"


def message_of(tree: Mapping[str, Any], base: str = "") -> Message:
    """What a Communication says; what it does not say is empty. Nothing is judged.

    Args:
        tree: the resource, of whatever shape.
        base: the server's own, under which absolute references are its own.
    """
    id, parts = str(tree.get("id") or ""), list(_dicts(tree.get("payload")))
    answers = next((local(one, base) for one in _dicts(tree.get("inResponseTo"))), "").rpartition("/")[2]
    topic = tree.get("topic")
    return Message(
        id=id,
        patient=local(tree.get("subject"), base),
        sender=local(tree.get("sender"), base),
        recipients=tuple(local(one, base) for one in _dicts(tree.get("recipient"))),
        topic=str(topic.get("text") or "") if isinstance(topic, dict) else "",
        first=thread_of(tree, base),
        answers=answers or None,
        is_sent=tree.get("status") == SENT,
        sent=_text(tree.get("sent")),
        received=_text(tree.get("received")),
        ends=is_end(tree),
        written_by=_written_by(tree, base),
        text="\n\n".join(str(one["contentString"]) for one in parts if "contentString" in one),
        attached=tuple(_attached(parts, base)),
        message_id=message_id(tree),
        is_linked="partOf" in tree or "inResponseTo" in tree,
    )


def thread_of(tree: Mapping[str, Any], base: str = "") -> str:
    """Id of the first message of the thread that a Communication is of: its own where it names none."""
    named = next((local(one, base) for one in _dicts(tree.get("partOf"))), "").rpartition("/")[2]
    return named or str(tree.get("id") or "")


def is_end(tree: Mapping[str, Any]) -> bool:
    """Whether a professional ends the exchange with it."""
    return any(one.get("url") == CLOSED and one.get("valueBoolean") is True for one in _dicts(tree.get("extension")))


def is_message(tree: Mapping[str, Any]) -> bool:
    """Whether a Communication is a message, by its category or its profile."""
    meta = tree.get("meta")
    said = meta.get("profile") if isinstance(meta, dict) else None
    claimed = isinstance(said, list) and any(str(one).partition("|")[0] == PROFILE for one in said)
    codings = (coding for one in _dicts(tree.get("category")) for coding in _dicts(one.get("coding")))
    return claimed or any((one.get("system"), one.get("code")) == (CATEGORIES, "message") for one in codings)


def communication(
    patient: str,
    sender: str,
    recipients: Sequence[str],
    topic: str,
    payload: Sequence[Mapping[str, Any]],
    *,
    answers: Message | None = None,
    draft: bool = False,
    ends: bool = False,
    message_id: str | None = None,
) -> dict[str, Any]:
    """A message as it is posted; when it was sent, who wrote it for whom and its files are the server's to say.

    Args:
        patient, sender, recipients: references.
        topic: the subject line.
        payload: `contentString`, `contentAttachment` and `contentReference` parts.
        answers: the message that it answers.
        draft: whether it is kept and not sent.
        ends: whether a professional ends the exchange.
        message_id: of the mail that it comes from.
    """
    made: dict[str, Any] = {"resourceType": "Communication", "meta": {"profile": [PROFILE]}}
    if ends:
        made["extension"] = [{"url": CLOSED, "valueBoolean": True}]
    if message_id is not None:
        made["identifier"] = [{"system": MESSAGE_ID, "value": message_id}]
    if answers is not None:
        made["partOf"] = [{"reference": f"Communication/{answers.first}"}]
        made["inResponseTo"] = [{"reference": f"Communication/{answers.id}"}]
    return made | {
        "status": DRAFT if draft else SENT,
        "category": [CATEGORY],
        "subject": {"reference": patient},
        "topic": {"text": topic},
        "sender": {"reference": sender},
        "recipient": [{"reference": one} for one in recipients],
        "payload": [dict(one) for one in payload],
    }


def local(reference: Any, base: str = "") -> str:
    """ "Patient/1" of a literal Reference to what is here; "" of any other."""
    said = reference.get("reference") if isinstance(reference, dict) else None
    parsed = parse(said, base) if isinstance(said, str) else None
    return parsed.target if parsed is not None and parsed.local and not parsed.fragment else ""


def message_id(tree: Mapping[str, Any]) -> str | None:
    """The Message-ID of the mail that a Communication was or is; None without one."""
    found = (one.get("value") for one in _dicts(tree.get("identifier")) if one.get("system") == MESSAGE_ID)
    return next((one for one in found if isinstance(one, str)), None)


def _attached(parts: Sequence[Mapping[str, Any]], base: str) -> Iterator[Attached]:
    for place, part in enumerate(parts):
        file, document = part.get("contentAttachment"), part.get("contentReference")
        if isinstance(file, dict):
            named, size = local({"reference": file.get("url")}, base), file.get("size")
            kind, title = str(file.get("contentType") or ""), str(file.get("title") or "")
            yield Attached(place, named, kind, title, size if isinstance(size, int) else None)
        elif isinstance(document, dict):
            yield Attached(place, local(document, base), title=str(document.get("display") or ""))


def _written_by(tree: Mapping[str, Any], base: str) -> str | None:
    found = (one.get("valueReference") for one in _dicts(tree.get("extension")) if one.get("url") == WRITTEN_BY)
    return next((local(one, base) for one in found), None) or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))
