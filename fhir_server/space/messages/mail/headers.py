"""Headers of mails: what they say decoded, and those of secure messaging.

RFC 5322 §3.6.4, RFC 2047; MSSanté "Référentiel socle" #2, ECO.2.2 and ECO.2.4.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from email.errors import HeaderParseError
from email.header import decode_header

#: Codes of the CDA documents inside IHE_XDM, a comma between two; absent without one.
CODECDA = "X-MSS-CODECDA"
#: "O" where the documents are about a qualified INS, else "N"; absent without documents.
INS = "X-MSS-INS"
#: The software that sends.
NIL = "X-MSS-NIL"
#: "FIN": the professional ends the exchange.
MES = "X-MSS-MES"
END = "FIN"
MSS = (CODECDA, INS, NIL, MES)
#: A subject of a mail with documents begins with this; people are shown the rest.
XDM_SUBJECT = "XDM/1.0/DDM+"

#: RFC 5322 §3.6.4, its atoms only: what else the grammar allows nobody writes.
_MESSAGE_ID = re.compile(r"<([^\s<>@\"()\\]{1,250}@[^\s<>@\"()\\]{1,250})>")
_MOST_IDS = 200


def message_ids(value: str) -> list[str]:
    """The Message-IDs of a header, without angle brackets, in order; the last two hundred."""
    return _MESSAGE_ID.findall(value)[-_MOST_IDS:]


def words(value: str) -> str:
    """A header as people read it: encoded words decoded, on one line, without control characters."""
    if value.isascii() and value.isprintable() and "=?" not in value:
        return " ".join(value.split())
    try:
        parts = decode_header(value)
        whole = "".join(_decoded(one, said) for one, said in parts)
    except (HeaderParseError, LookupError, ValueError):
        whole = value
    line = "".join(" " if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp") else one for one in whole)
    return " ".join(line.split())


def charset(said: str) -> str:
    """A character set that text may be in, by the name that Python's codec has.

    Raises:
        LookupError: there is none of that name, or it is none of mails (https://www.iana.org/assignments/character-sets).
    """
    found = codecs.lookup(said).name
    if found in _NO_CHARSETS:
        raise LookupError(said)
    return found


#: Codecs of Python that are no character sets; what of them are for names of hosts take hours for a few MB.
_NO_CHARSETS = frozenset(
    {"punycode", "idna", "unicode_escape", "unicode-escape", "raw_unicode_escape", "undefined"} | {"raw-unicode-escape"}
)


def _decoded(part: bytes | str, said: str | None) -> str:
    if isinstance(part, str):
        return part.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return part.decode("utf-8" if said in (None, "unknown-8bit") else charset(said), "replace")


def shown_subject(subject: str) -> str:
    """A subject as people are shown it: without the mark of documents."""
    start, mark, rest = subject.partition(XDM_SUBJECT)
    return f"{start}{rest}".strip() if mark else subject
