"""What is to leave as mail: records of it until it was handed on, and of receipts until what they tell has happened."""

from __future__ import annotations

import msgspec

#: Kinds of the records: receipts that are wanted, by the mail's Message-ID; what is to be sent; that it was found once.
RECEIPTS, OUT, FOUND = "mail-receipt", "mail-out", "mail-found"


def receipt_key(message_id: str, holder: str) -> str:
    """Under what a receipt is kept: what others call by the same Message-ID does not touch it.

    Args:
        message_id: of the mail, without angle brackets.
        holder: who sent it, a reference.
    """
    return f"{message_id} {holder}"


class Wanted(msgspec.Struct, frozen=True):
    """A receipt to be written.

    Attributes:
        message_id: of the mail, without angle brackets.
        ins: of the patient whom the mail is to.
        to: the sender's address.
        subject: of the mail.
        head: its headers as they came, which go back with the receipt.
        holder: whose mail it was, a reference.
        error: why its documents were not filed, a code of `reports.ERRORS`; "" where it was read.
    """

    message_id: str
    ins: str
    to: str
    subject: str
    head: bytes
    holder: str
    error: str = ""


class Out(msgspec.Struct, frozen=True):
    """A mail to be sent.

    Attributes:
        message: id of the message that it is, or of whose reading it tells; "" of a mail that was refused.
        to: the recipient's address.
        since: when it was found, in seconds since 1970.
        due: when it is tried next, likewise.
        tried: how often sending it has failed.
        receipt: what it answers, where it is a receipt.
    """

    message: str
    to: str
    since: float
    due: float
    tried: int = 0
    receipt: Wanted | None = None
