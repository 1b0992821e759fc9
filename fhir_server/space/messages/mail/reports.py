"""Reports about mails that were sent: that one was read or filed (MDN), that one did not arrive (DSN).

RFC 6522 (multipart/report), RFC 8098 (MDN), RFC 3464 (DSN); the French guide for documents by mail 1.1.3, "Structure du
MDN": errors 900 to 906, once in the line `Disposition` and now in one of their own. Both are read, the new is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from fhir_server.space.messages.mail.headers import message_ids
from fhir_server.space.messages.mail.refusals import Refused

if TYPE_CHECKING:
    from datetime import datetime

    from fhir_server.space.messages.mail.parsing import Mail

#: What became of a mail: read or filed; deleted, perhaps unread; could not be filed; did not arrive; is on its way.
Outcome = Literal["received", "deleted", "error", "failed", "delayed"]

MDN, DSN = "disposition-notification", "delivery-status"
#: Errors of the national guide → what is said of them.
ERRORS: Mapping[str, str] = {
    "900": "La version visée n'est pas la dernière",
    "901": "L'émetteur n'est ni l'auteur ni de son organisation",
    "902": "Patient inconnu",
    "903": "Pas d'INS",
    "904": "L'INS ou les traits diffèrent",
    "905": "Traits incomplets",
    "906": "Autre erreur",
}
_CODE = re.compile(r"(?<!\d)(90[0-6])(?!\d)")
#: Disposition types of RFC 8098 §3.2.6.2, and what they say of a mail. What else older ones have says nothing of it:
#: "denied", that the reader tells nothing, and "failed", that no receipt could be made (RFC 2298 §3.2.6.2).
_DISPOSITIONS: Mapping[str, Outcome] = {
    "displayed": "received",
    "processed": "received",
    "dispatched": "received",
    "deleted": "deleted",
}
#: Action of a DSN (RFC 3464 §2.3.3); delivered, relayed and expanded say that it arrived, not that it was read.
_ACTIONS: Mapping[str, Outcome] = {"failed": "failed", "delayed": "delayed"}
#: Bytes of the machine-readable part, and recipients of one report, that are looked at.
_LONGEST, _MOST = 65_536, 100


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says of one mail.

    Attributes:
        message_id: of the mail that it is about, without angle brackets.
        outcome: what became of it; None where it says nothing that is kept.
        code: of the national guide ("902"), or the enhanced status of a DSN ("5.1.1"); "" without one.
        recipient: the address that it is about, lower case; "" where it does not say.
    """

    message_id: str
    outcome: Outcome | None
    code: str = ""
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """The mail that a receipt is about: its Message-ID without angle brackets, and its subject."""

    message_id: str
    subject: str


def report_of(mail: Mail) -> Report | None:
    """What a mail reports; None where it is no report.

    Raises:
        Refused: it is one, and does not say of which mail.
    """
    if mail.report not in (MDN, DSN):
        return None
    said = next((content for kind, content in mail.report_parts if kind == f"message/{mail.report}"), None)
    if said is None:
        raise Refused("report")
    groups = _groups(said)
    found = _receipt(groups) if mail.report == MDN else _delivery(groups)
    about = found.message_id or _original(mail)
    if not about:
        raise Refused("report")
    return Report(about, found.outcome, found.code, found.recipient)


def _receipt(groups: Sequence[Mapping[str, str]]) -> Report:
    fields = {name: value for group in reversed(groups) for name, value in group.items()}
    disposition = fields.get("disposition", "")
    kind, _, modifier = disposition.partition(";")[2].strip().lower().partition("/")
    # Until 1.1.3 the code stood behind the modifier: "processed/Error: 902^label" (RFC 8098 has no place for it).
    code = _CODE.search(fields.get("error", "")) or (_CODE.search(modifier) if "error" in modifier else None)
    # Of several modifiers one may be "error", and what follows it the label of the guide's older form.
    is_error = "error" in fields or any(one.strip().startswith("error") for one in modifier.split(","))
    outcome = "error" if is_error else _DISPOSITIONS.get(kind.strip())
    return Report(
        _id(fields.get("original-message-id", "")),
        outcome,
        code[1] if code else ("906" if is_error else ""),
        _address(fields.get("final-recipient", "")),
    )


def _delivery(groups: Sequence[Mapping[str, str]]) -> Report:
    outcomes = [(_ACTIONS.get(group.get("action", "").lower()), group) for group in groups if "action" in group]
    worst = next((one for one in outcomes if one[0] == "failed"), None) or next(iter(outcomes), (None, {}))
    outcome, group = worst
    return Report("", outcome, group.get("status", "").split(" ")[0][:12], _address(group.get("final-recipient", "")))


def _groups(content: bytes) -> list[dict[str, str]]:
    """The groups of fields of the machine-readable part, by lower-case name; blank lines stand between two."""
    text = content[:_LONGEST].decode("utf-8", "replace").replace("\r\n", "\n")
    found = []
    for block in re.split(r"\n\s*\n", text)[: _MOST + 1]:
        lines = re.sub(r"\n[ \t]+", " ", block).splitlines()
        pairs = (line.partition(":") for line in lines if ":" in line)
        found.append({name.strip().lower(): value.strip() for name, _, value in pairs})
    return found


def _original(mail: Mail) -> str:
    """The Message-ID of the mail that a report holds, whole or its headers (RFC 6522 §3)."""
    for kind, content in mail.report_parts:
        if kind in ("message/rfc822", "text/rfc822-headers", "message/global"):
            try:
                inside = BytesParser(policy=policy.compat32).parsebytes(content[:_LONGEST], headersonly=True)
            except (MessageError, ValueError):
                continue
            if ids := message_ids(str(inside.get("Message-ID", ""))):
                return ids[0]
    return mail.answers[0] if mail.answers else ""


def _id(value: str) -> str:
    return next(iter(message_ids(value)), value.strip().strip("<>") if "@" in value else "")


def _address(value: str) -> str:
    """ "rfc822; someone@here" as an address."""
    return value.partition(";")[2].strip().strip("<>").lower()[:320]


def receipt(
    original: bytes, about: About, reader: str, to: str, now: datetime, *, error: str = "", nil: str = ""
) -> bytes:
    """The receipt of a mail: that it was read or filed, or why it could not be (RFC 8098, the guide's three parts).

    Args:
        original: the mail as it came, or its headers, which go back.
        about: the same, as far as it is named.
        reader: the address that received it.
        to: whom the receipt goes to.
        now: when it is written.
        error: a code of `ERRORS`; "" for success.
        nil: the software, for `X-MSS-NIL`; "" without.
    """
    made = EmailMessage(policy=policy.SMTP)
    made["From"], made["To"], made["Date"] = reader, to, format_datetime(now)
    made["Subject"] = f"[KO Intégration système !][{error}] {about.subject}" if error else about.subject
    name = sha256(f"{reader} {about.message_id} {error}".encode()).hexdigest()[:40]
    made["Message-ID"] = f"<{name}@{reader.rpartition('@')[2]}>"
    made["In-Reply-To"] = made["References"] = f"<{about.message_id}>"
    # RFC 3834 §5, RFC 8098 §2.1: nothing answers it, and its envelope has the null sender.
    made["Auto-Submitted"] = "auto-replied"
    if nil:
        made["X-MSS-NIL"] = nil
    boundary = f"=_mdn_{sha256(original).hexdigest()[:32]}"
    kind = f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={MDN};\r\n boundary="{boundary}"\r\n'
    words = f"Erreur {error} : {ERRORS[error]}." if error else "Le message a été lu."
    parts = (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + words.encode(),
        f"Content-Type: message/{MDN}\r\n\r\n{_notification(about, reader, error)}".encode("ascii", "replace"),
        # As it came, byte for byte: the sender compares it with what they sent. Headers alone are RFC 6522 §4's.
        (_WHOLE if _SPLIT.search(original) else _HEAD) + original,
    )
    between = b"\r\n--" + boundary.encode()
    head = made.as_bytes().rstrip(b"\r\n") + b"\r\n" + kind.encode()
    return head + b"".join(between + b"\r\n" + part for part in parts) + between + b"--\r\n"


_SPLIT = re.compile(rb"\r?\n\r?\n")
_WHOLE = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
_HEAD = b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"


def _notification(about: About, reader: str, error: str) -> str:
    lines = [
        "Reporting-UA: fhir-server; messages",
        f"Original-Recipient: rfc822;{reader}",
        f"Final-Recipient: rfc822;{reader}",
        f"Original-Message-ID: <{about.message_id}>",
    ]
    if error:
        lines.append("Disposition: automatic-action/MDN-sent-automatically; processed/error")
        lines.append(f"Error: {error}^{ERRORS[error]}")
    else:
        lines.append("Disposition: manual-action/MDN-sent-manually; displayed")
    return "".join(f"{line}\r\n" for line in lines)
