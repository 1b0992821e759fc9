"""What the headers of a mail must say, and what of them contradicts the envelope or the content. Pure.

RFC 5322 §3.6, RFC 5321 §6.3; MSSanté "Référentiel socle" #2, ECO.2.4.1 to 2.4.3 (X-MSS-CODECDA, X-MSS-INS).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from fhir_server.space.messages.mail.headers import CODECDA, END, INS, MES
from fhir_server.space.messages.mail.parsing import MOST_HOPS, Mail
from fhir_server.space.messages.mail.refusals import Refused, Rule
from fhir_server.space.messages.mail.xdm.opening import Document

#: A mail waits for five days at most (RFC 5321 §4.5.4.1); clocks differ by less than a day.
_OLDEST, _EARLIEST = timedelta(days=30), timedelta(days=1)


def require_sound(mail: Mail, sender: str, now: datetime) -> None:
    """Refuse a mail whose headers are not those of a mail of now, from whom the envelope says.

    Args:
        mail: as it was read.
        sender: of the envelope; "" for the null one, which reports have.
        now: when it arrived.

    Raises:
        Refused: with the first rule that it breaks.
    """
    for rule, detail, breaks in _RULES:
        if breaks(mail, sender, now):
            raise Refused(rule, detail)


def _old(mail: Mail, _: str, now: datetime) -> bool:
    return mail.date is None or not now - _OLDEST <= mail.date <= now + _EARLIEST


def _other_sender(mail: Mail, sender: str, _: datetime) -> bool:
    return bool(sender) and mail.sender != sender.lower()


#: Rule, what is told beside it, whether a mail breaks it.
_RULES: tuple[tuple[Rule, str, Callable[[Mail, str, datetime], bool]], ...] = (
    ("loop", "", lambda mail, *_: mail.hops > MOST_HOPS),
    ("message-id", "", lambda mail, *_: not mail.message_id),
    ("headers-disagree", "From is not who the envelope says, or is several.", _other_sender),
    ("date", "", _old),
    ("headers-disagree", f"{MES} is FIN or absent.", lambda mail, *_: mail.mss.get(MES, END).upper() != END),
    ("headers-disagree", f"{INS} is O or N.", lambda mail, *_: mail.mss.get(INS, "O").upper() not in ("O", "N")),
    # A report, or what has the null sender, is no message of anybody's.
    ("sender", "A message has a sender.", lambda mail, sender, _: not sender and not mail.report),
)


def require_agreeing(mail: Mail, documents: Sequence[Document], ins: str) -> None:
    """Refuse headers that contradict the documents, and documents about somebody else than the recipient.

    Args:
        mail: as it was read.
        documents: of its archive; none where it has none.
        ins: of the recipient.

    Raises:
        Refused: with the rule.
    """
    said = {one.strip() for one in mail.mss.get(CODECDA, "").split(",") if one.strip()}
    codes = {code.code for one in documents for code in one.entry.codes.get("type", ())}
    if said and said != codes:
        raise Refused("headers-disagree", f"{CODECDA} is not the types of the documents.")
    if INS in mail.mss and not documents:
        raise Refused("headers-disagree", f"{INS} stands there without documents.")
    for one in documents:
        if _patient(one) != ins:
            raise Refused("xdm-patient", "(mss-904)")


def _patient(document: Document) -> str:
    return document.entry.patient_id.partition("^")[0].upper()


def ends(mail: Mail) -> bool:
    """Whether the professional ends the exchange with it."""
    return mail.mss.get(MES, "").upper() == END
