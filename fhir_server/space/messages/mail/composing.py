"""A patient's message as a mail to a professional: headers of the thread, files, IHE_XDM.ZIP where it has documents.

RFC 5322 §3.6.4; MSSanté "Référentiel socle" #2, ECO.2.2 and ECO.2.4. Written anew it is the same mail, so that one sent
twice after a crash is one to whoever receives it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any

from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.space.messages.mail import naming
from fhir_server.space.messages.mail.headers import CODECDA, END, INS, MES, NIL
from fhir_server.space.messages.mail.parsing import File
from fhir_server.space.messages.mail.xdm import ebrim
from fhir_server.space.messages.mail.xdm.archive import pack
from fhir_server.space.messages.mail.xdm.documents import entry_of, named_patient
from fhir_server.space.messages.model import Message
from fhir_server.space.paris import PARIS

_CDA = frozenset({"text/xml", "application/xml"})
#: OID under which a UUID, or any number of 128 bits, is one: X.667.
_UUID_ROOT = "2.25"
_STAND_IN = "(Message écrit à la place du patient par un proche ou un représentant.)"
_ENDED = "(Un professionnel de cet échange y met fin : il n’est plus possible d’y répondre.)"
#: Content type of a submission of a patient's: TRE_A05 has none; "document sent by the patient" of the display alone.
_FROM_PATIENT = ebrim.Code("04", "1.2.250.1.213.2.2", "Hors contexte de soins")


@dataclass(frozen=True, slots=True)
class Sent:
    """A document that goes with a message: its DocumentReference and its content."""

    tree: Mapping[str, Any]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail is made of.

    Attributes:
        message: what it says.
        name: its Message-ID, without angle brackets.
        before: Message-IDs of the thread, the first message's and that of the one answered, in this order.
        sender, to: addresses.
        patient: the Patient.
        ins: system and value of their INS.
        files, documents: what is attached.
        nil: of the software, for `X-MSS-NIL`; "" without.
    """

    message: Message
    name: str
    before: Sequence[str]
    sender: str
    to: str
    patient: Mapping[str, Any]
    ins: tuple[str, str]
    files: Sequence[File]
    documents: Sequence[Sent]
    nil: str

    @property
    def envelope(self) -> str:
        """The sender of the envelope; "" where it is nobody's own mail, so that nothing answers it (RFC 3834 §3.3)."""
        return "" if self.is_told else self.sender

    @property
    def is_told(self) -> bool:
        """Whether it tells what a professional wrote here; else it is the patient's own."""
        return self.message.side == "professional"


def written(letter: Letter) -> bytes:
    """The mail of a letter, as it is sent by SMTP."""
    made = EmailMessage(policy=policy.SMTP.clone(refold_source="none"))
    sent = begins(letter.message.sent, PARIS) or UNSAID
    made["From"], made["To"], made["Date"] = letter.sender, letter.to, format_datetime(sent.astimezone(UTC))
    made["Message-ID"] = f"<{letter.name}>"
    if letter.before:
        made["In-Reply-To"] = f"<{letter.before[-1]}>"
        made["References"] = " ".join(f"<{one}>" for one in dict.fromkeys(letter.before))
    made["Subject"] = _subject(letter)
    if letter.nil:
        made[NIL] = letter.nil
    _say(made, letter)
    codes = [str(one.tree["type"]["coding"][0]["code"]) for one in letter.documents if _kind(one) in _CDA]
    if codes:
        made[CODECDA], made[INS] = ",".join(codes), "O" if letter.ins[1] else "N"
    if letter.documents:
        _attach(made, File(naming.ARCHIVE, "application/zip", _archive(letter, sent)))
    for number, one in enumerate(letter.documents):
        if _kind(one) == "application/pdf":
            _attach(made, File(_pdf_name(letter, one, number, sent.date()), _kind(one), one.content))
    for file in letter.files:
        _attach(made, file)
    _bounded(made, letter.name)
    return made.as_bytes()


def _say(made: EmailMessage, letter: Letter) -> None:
    if letter.is_told:
        made[MES], made["Auto-Submitted"] = END, "auto-generated"
    else:
        # A professional's software may tell when it is read: `received` (RFC 8098 §2.1).
        made["Disposition-Notification-To"] = letter.sender
    told = (_ENDED if letter.is_told else "", letter.message.text, _STAND_IN if letter.message.written_by else "")
    made.set_content("\n\n".join(filter(None, told)))


def _bounded(made: EmailMessage, name: str) -> None:
    """The same boundary each time it is written: by itself it is drawn by lot."""
    if made.is_multipart():
        made.set_boundary(f"=_{hashlib.sha256(name.encode()).hexdigest()[:40]}")


def _subject(letter: Letter) -> str:
    if not letter.documents:
        return letter.message.topic
    family, given, birth = named_patient(letter.patient)
    labels = [_label(one) for one in letter.documents]
    return naming.subject(labels, family, given, birth)


def _label(one: Sent) -> str:
    coding: Mapping[str, Any] = next(iter((one.tree.get("type") or {}).get("coding", ())), {})
    return str(coding.get("display") or one.tree.get("description") or "document")


def _kind(one: Sent) -> str:
    return str(one.tree["content"][0]["attachment"].get("contentType", "application/octet-stream"))


def _pdf_name(letter: Letter, one: Sent, number: int, sent: date) -> str:
    family, given, _ = named_patient(letter.patient)
    start = str(((one.tree.get("context") or {}).get("period") or {}).get("start") or "")
    # Of a month or a year alone the day of the act is not known.
    act = begins(start, PARIS) if len(start) >= len("2026-01-01") else None
    return naming.pdf_name(act.date() if act is not None else sent, _label(one), family, given, number)


def _attach(made: EmailMessage, file: File) -> None:
    main, _, sub = (file.kind or "application/octet-stream").partition("/")
    kinds = (main, sub) if sub and main not in ("message", "multipart") else ("application", "octet-stream")
    made.add_attachment(file.content, maintype=kinds[0], subtype=kinds[1], filename=file.name or "document")


def _archive(letter: Letter, sent: datetime) -> bytes:
    found = [entry_of(one.tree, number, letter.ins) for number, one in enumerate(letter.documents, 1)]
    family, given, _ = named_patient(letter.patient)
    submission = ebrim.Submission(
        unique_id=_oid(f"set {letter.name}"),
        source_id=_oid("fhir-server"),
        time=f"{sent.astimezone(UTC):%Y%m%d%H%M%S}",
        title=letter.message.topic,
        content_type=_FROM_PATIENT,
        author=ebrim.Author(f"{letter.ins[1]}^{family}^{given}^^^^^^&{letter.ins[0].removeprefix('urn:oid:')}&ISO^D"),
        patient_id=found[0].patient_id,
        entries=tuple(found),
    )
    rows = "".join(f'<li><a href="IHE_XDM/SUBSET01/{one.slot("URI")}">{escape(one.title)}</a></li>' for one in found)
    index = f'<!DOCTYPE html><html lang="fr"><meta charset="utf-8"><title>Documents</title><ul>{rows}</ul></html>'
    contents = {one.slot("URI"): each.content for one, each in zip(found, letter.documents, strict=True)}
    return pack(ebrim.written(submission), contents, index)


def _oid(name: str) -> str:
    return f"{_UUID_ROOT}.{int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], 'big')}"
