"""Every reason for which a mail is refused, with the SMTP answer that says it.

RFC 5321 §4.2 (reply codes), RFC 3463 (enhanced status codes). Codes from 400 ask the sender's server to come again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Rule = Literal[
    "busy",
    "flood",
    "loop",
    "size",
    "lines",
    "mime",
    "parts",
    "headers",
    "headers-disagree",
    "date",
    "message-id",
    "recipient",
    "recipients",
    "sender",
    "peer",
    "report",
    "xdm-archive",
    "xdm-metadata",
    "xdm-hash",
    "xdm-patient",
    "xdm-replaced",
    "rules",
]


class Answer(NamedTuple):
    """What SMTP says: the reply code, the enhanced status code, and the rule in words."""

    code: int
    status: str
    words: str


ANSWERS: Mapping[Rule, Answer] = {
    "busy": Answer(451, "4.3.0", "Not now: try again later."),
    "flood": Answer(451, "4.7.1", "Too many messages from this sender or server: try again later."),
    "loop": Answer(554, "5.4.6", "The message went through too many servers."),
    "size": Answer(552, "5.3.4", "The message is longer than this server takes."),
    "lines": Answer(550, "5.5.2", "A line does not end in CR LF, or is too long."),
    "mime": Answer(550, "5.6.0", "The message is not well-formed MIME."),
    "parts": Answer(550, "5.6.0", "The message has more parts, or parts inside one another, than this server reads."),
    "headers": Answer(550, "5.6.0", "The message has more or longer headers than this server reads."),
    "headers-disagree": Answer(550, "5.7.1", "The headers contradict the envelope or the content."),
    "date": Answer(550, "5.6.0", "The date of the message is missing, or is not about now."),
    "message-id": Answer(550, "5.6.0", "The message has no Message-ID, or that of another message."),
    "recipient": Answer(550, "5.1.1", "Nobody here has this address."),
    "recipients": Answer(550, "5.5.3", "A message is about one patient: send one to each."),
    "sender": Answer(550, "5.7.1", "The sender's address is not a mailbox of the directory."),
    "peer": Answer(550, "5.7.1", "This server takes messages from servers of the trust space alone."),
    "report": Answer(550, "5.6.0", "The report does not say which message it is about."),
    "xdm-archive": Answer(550, "5.6.0", "IHE_XDM.ZIP is damaged, or holds what it must not."),
    "xdm-metadata": Answer(550, "5.6.0", "METADATA.XML is not what IHE XDM says it is."),
    "xdm-hash": Answer(550, "5.6.0", "A document is not the one that METADATA.XML describes (hash or size)."),
    "xdm-patient": Answer(550, "5.7.1", "The documents are about somebody else than the patient of this address."),
    "xdm-replaced": Answer(550, "5.6.0", "The document to be replaced is not here, or not the latest (mss-900)."),
    "rules": Answer(550, "5.7.1", "The message is not allowed."),
}


class Refused(Exception):
    """A mail, or a part of a conversation with another server, that is refused.

    Attributes:
        rule: why, a key of `ANSWERS`.
        detail: which part of it, in words without a person's data; "" for the rule's own words alone.
    """

    def __init__(self, rule: Rule, detail: str = "") -> None:
        super().__init__(rule)
        self.rule: Rule = rule
        self.detail = detail

    @property
    def is_final(self) -> bool:
        """Whether to come again is of no use."""
        return ANSWERS[self.rule].code >= 500

    @property
    def line(self) -> str:
        """The SMTP reply: code, enhanced status, words, and the rule's name in brackets."""
        code, status, words = ANSWERS[self.rule]
        return f"{code} {status} {words}{' ' + _plain(self.detail) if self.detail else ''} [{self.rule}]"


#: RFC 5321 §4.5.3.1.5: a reply line has 512 octets at most.
_LONGEST_DETAIL = 320


def _plain(detail: str) -> str:
    """One line of ASCII: what a reply may hold without SMTPUTF8 (RFC 5321 §4.2)."""
    line = " ".join(detail.split())[:_LONGEST_DETAIL]
    return "".join(one if " " <= one <= "~" else "?" for one in line)
