"""A mail becomes a message: read, held to the rules, and written as its sender's own, or refused with the rule.

One transaction has the message, its files and the documents of IHE_XDM.ZIP: all of it is durable when `receive`
returns, or none of it is there. A Message-ID is one message's alone, so that a mail that comes twice is written once.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import time
from typing import Any

import msgspec

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.space.messages.mail import parsing
from fhir_server.space.messages.mail.checks import ends, require_agreeing, require_sound
from fhir_server.space.messages.mail.filing import entries, posted
from fhir_server.space.messages.mail.headers import shown_subject
from fhir_server.space.messages.mail.mailboxes import Holder, holder_of, patient_of
from fhir_server.space.messages.mail.names import name_of, named
from fhir_server.space.messages.mail.naming import ins_of
from fhir_server.space.messages.mail.parsing import File, Mail
from fhir_server.space.messages.mail.refusals import Refused
from fhir_server.space.messages.mail.reported import Reported
from fhir_server.space.messages.mail.reports import report_of
from fhir_server.space.messages.mail.wanted import FOUND, OUT, RECEIPTS, Out, Wanted, receipt_key
from fhir_server.space.messages.mail.xdm.opening import Document, is_archive, opened
from fhir_server.space.messages.model import (
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    MESSAGE_ID,
    Message,
    communication,
    message_of,
)
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Refers, Token, both
from fhir_server.store.protocol import Keep

#: Messages that a mail names, which are looked for: the one that it answers first.
_MOST_ANSWERED = 20
#: Bytes of a mail that is read where it arrives: a millisecond's work.
_SHORT = 32_768
_NO_SUBJECT = "(sans objet)"
_NO_TEXT = "(sans texte)"
#: A receipt is written as long as this after the mail came, in seconds.
_RECEIPT_SECONDS = 400 * 86_400


@dataclass(frozen=True, slots=True)
class Recipient:
    """The patient whose address a mail is to: their INS and id."""

    ins: str
    patient: str


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A mail with what is known of it: whom it is to, and who sent it."""

    mail: Mail
    documents: Sequence[Document]
    to: Recipient
    holder: Holder

    @property
    def patient(self) -> str:
        """Id of the patient."""
        return self.to.patient


class Incoming:
    """What the gateway does with mails that arrive."""

    def __init__(self, around: Surroundings) -> None:
        """Over one opened server."""
        self._around = around
        self._reported = Reported(around)

    async def sender(self, address: str) -> Holder | None:
        """Whose mailbox a mail comes from; None for the null sender "", which reports have.

        Raises:
            Refused: it is no mailbox of the directory.
        """
        if not address:
            return None
        found = await holder_of(self._around.repository(), address, self._around.cache)
        if found is None:
            raise Refused("sender")
        return found

    async def recipient(self, address: str) -> Recipient:
        """The patient whose address it is.

        Raises:
            Refused: it is nobody's here.
        """
        ins = ins_of(address, self._around.settings.mail_domain)
        patient = await patient_of(self._around.repository(), ins, self._around.cache) if ins else ""
        if not patient:
            raise Refused("recipient")
        return Recipient(ins, patient)

    async def receive(self, raw: bytes, holder: Holder | None, to: Recipient) -> None:
        """Write the message that a mail is, or what it reports; durable when this returns.

        Args:
            raw: the mail.
            holder, to: of the envelope, as `sender` and `recipient` gave them.

        Raises:
            Refused: with the rule; nothing of it is written.
        """
        mail, documents = await _read(raw)
        now = datetime.now(UTC)
        require_sound(mail, holder.address if holder is not None else "", now)
        report = report_of(mail)
        if report is not None:
            await self._reported.take(report, to.patient, holder)
            return
        if holder is None:
            raise Refused("sender")
        if mail.message_id.rpartition("@")[2].lower() == self._around.settings.mail_domain.lower():
            raise Refused("message-id", "It is one of this server's own.")
        arrived = _Arrived(mail, documents, to, holder)
        try:
            require_agreeing(mail, documents, to.ins)
            await self._write(arrived, raw, now)
        except Refused as refused:
            await self._tell_sender(arrived, raw, refused)
            raise
        except FhirError as error:
            here = await self._here(arrived) if isinstance(error, Conflict) else None
            if here is None:
                final = _refused(error)
                await self._tell_sender(arrived, raw, final)
                raise final from None
            if here.patient != f"Patient/{to.patient}":
                raise Refused("message-id") from None

    async def _write(self, arrived: _Arrived, raw: bytes, now: datetime) -> None:
        grant = arrived.holder.grant(arrived.patient)
        filed = await entries(self._around, grant, arrived.patient, arrived.documents, now)
        answered = await self._answered(arrived)
        make = partial(_message, arrived, filed, answered)
        message = make() if len(raw) < _SHORT else await asyncio.to_thread(make)
        if filed:
            bundle = {"resourceType": "Bundle", "type": "transaction"}
            bundle["entry"] = [posted(f"urn:uuid:{uuid.uuid4()}", message), *filed]  # type: ignore[assignment]
            request = Request("POST", (), body=serialize(bundle), content_type=_JSON, resource=None)
        else:
            request = Request("POST", ("Communication",), content_type=_JSON, resource=message)
        await self._want_receipt(arrived, raw)
        await self._around.exchange(request, grant)

    async def _want_receipt(self, arrived: _Arrived, raw: bytes) -> None:
        """Note, before the message is there, that its sender wants to know when it is read."""
        mail = arrived.mail
        if not _wants_receipt(mail):
            return
        kept = msgspec.json.encode(_wanted(arrived, raw))
        key = receipt_key(mail.message_id, arrived.holder.reference)
        await self._around.records.put(RECEIPTS, key, kept, _RECEIPT_SECONDS)

    async def _tell_sender(self, arrived: _Arrived, raw: bytes, refused: Refused) -> None:
        """Send software that files documents by mail the code for which they were not, where it wants to know."""
        code = re.search(r"mss-(90[0-6])", refused.line)
        if code is None or not _wants_receipt(arrived.mail):
            return
        now = time()
        out = Out("", arrived.mail.sender, now, now, receipt=_wanted(arrived, raw, code[1]))
        name = f"{receipt_key(arrived.mail.message_id, arrived.holder.reference)}/error"
        kept = Keep(OUT, name, msgspec.json.encode(out))
        await self._around.records.apply([Keep(FOUND, name, b"", _RECEIPT_SECONDS, new=True), kept])

    async def _answered(self, arrived: _Arrived) -> Message | None:
        """The message of this patient that the mail answers, of those that its sender sees."""
        names = arrived.mail.answers[:_MOST_ANSWERED]
        if not names:
            return None
        seen = await self._around.seen_by(arrived.holder.grant(arrived.patient))
        domain = self._around.settings.mail_domain
        where = both(named(names, domain), Refers("subject", f"Patient/{arrived.patient}"))
        page = await seen.find({"Communication": where}, count=_MOST_ANSWERED)
        messages = [message_of(parse(each.body), seen.base) for each in page.versions]
        # Of two that are called alike, the sender's own.
        messages.sort(key=lambda one: one.sender == arrived.holder.reference)
        found = {name_of(one, domain): one for one in messages}
        return next((found[one] for one in names if one in found), None)

    async def _here(self, arrived: _Arrived) -> Message | None:
        """The sender's message that has its Message-ID already."""
        own = self._around.repository()
        named = Token("identifier", arrived.mail.message_id, MESSAGE_ID)
        where = both(named, Refers("sender", arrived.holder.reference))
        page = await own.find({"Communication": where}, count=1)
        return next((message_of(parse(each.body), own.base) for each in page.versions), None)


_JSON = "application/fhir+json"


def _wants_receipt(mail: Mail) -> bool:
    # RFC 8098 §2.1: a receipt goes to the sender alone, and never to what a machine sent.
    return not mail.is_automatic and mail.wants_receipt == (mail.sender,)


def _wanted(arrived: _Arrived, raw: bytes, error: str = "") -> Wanted:
    mail = arrived.mail
    head, holder = parsing.head(raw), arrived.holder.reference
    return Wanted(mail.message_id, arrived.to.ins, mail.sender, mail.subject, head, holder, error)


async def _read(raw: bytes) -> tuple[Mail, list[Document]]:
    # What is short is read sooner than a thread would begin; an archive may be long in any mail.
    mail = _parsed(raw) if len(raw) < _SHORT else await asyncio.to_thread(_parsed, raw)
    archives = [one for one in mail.files if is_archive(one)]
    if len(archives) > 1:
        raise Refused("xdm-archive", "There are several of them.")
    return mail, await asyncio.to_thread(opened, archives[0].content) if archives else []


def _parsed(raw: bytes) -> Mail:
    parsing.require_lines(raw)
    return parsing.read(raw)


def _message(arrived: _Arrived, filed: Sequence[dict[str, Any]], answered: Message | None) -> dict[str, Any]:
    """The Communication of a mail."""
    mail = arrived.mail
    patient = f"Patient/{arrived.patient}"
    documents = [
        {"contentReference": {"reference": one["fullUrl"], "display": one["resource"]["description"]}}
        for one in filed
        if one["resource"]["resourceType"] == "DocumentReference"
    ]
    return communication(
        patient,
        arrived.holder.reference,
        [patient],
        (shown_subject(mail.subject) or _NO_SUBJECT)[:LONGEST_SUBJECT],
        [*_texts(mail.text), *documents, *(_attached(one) for one in mail.files if not is_archive(one))],
        answers=answered,
        ends=ends(mail),
        message_id=mail.message_id,
    )


def _texts(text: str) -> list[dict[str, Any]]:
    """The words of a mail; of longer ones the rest is a file, so that nothing is lost."""
    found: list[dict[str, Any]] = [{"contentString": text[:LONGEST_TEXT].strip() or _NO_TEXT}]
    if len(text) > LONGEST_TEXT:
        found.append(_attached(File("message.txt", "text/plain", text.encode())))
    return found


def _attached(file: File) -> dict[str, Any]:
    data = b64encode(file.content).decode()
    said = {"contentType": file.kind, "data": data, "title": file.name}
    return {"contentAttachment": {name: value for name, value in said.items() if value}}


def _refused(error: FhirError) -> Refused:
    """What FHIR refuses, as SMTP says it: later, or never, with the code of the rule."""
    if error.status >= 500 or error.status in (408, 429):
        return Refused("busy")
    first = next((one for one in error.issues if one.severity in ("error", "fatal")), error.issues[0])
    return Refused("rules", f"{first.key}: {first.diagnostics}" if first.key else first.diagnostics)
