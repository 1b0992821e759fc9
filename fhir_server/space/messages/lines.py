"""What of a message becomes a line of a mail is one line: its subject, the names of its files, its Message-ID.

RFC 5322 §2.2 (a header has no CR or LF of its own), §3.6.4 (msg-id); RFC 2183 §2.3 (a file name is no path). Control
and format characters are refused too, since they show a reader something else than what is written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.fhir.outcome import Issue
from fhir_server.space.messages.attachments import files
from fhir_server.space.messages.model import message_id

#: Unicode's categories of control, line, paragraph and format characters, and of halves of a pair.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Format characters that words are spelled with: joiners of letters and of emoji, and the hyphen that may break.
_SPELLING = frozenset("\u00ad\u200c\u200d")
#: As mails are read (`messages.mail.headers`): the atoms of RFC 5322 §3.6.4, without angle brackets.
_message_id = re.compile(r"[^\s<>@\"()\\\x00-\x1f\x7f]{1,250}@[^\s<>@\"()\\\x00-\x1f\x7f]{1,250}").fullmatch


def astray(tree: Mapping[str, Any]) -> Iterator[Issue]:
    """What of a Communication could not be written in a header as it is."""
    topic, name = tree.get("topic"), message_id(tree)
    if not is_line(str(topic.get("text") or "") if isinstance(topic, dict) else ""):
        yield _issue("The subject of a message is one line, without control characters.", "topic.text")
    if name is not None and not _message_id(name):
        yield _issue("A Message-ID is as RFC 5322 §3.6.4 spells it, without angle brackets.", "identifier[0].value")
    for attachment, where in files(tree):
        title = attachment.get("title")
        if isinstance(title, str) and not is_line(title):
            words = "The name of a file is one line, without control characters."
            yield _issue(words, f"{where.removeprefix('Communication.')}.title")


def is_line(text: str) -> bool:
    """Whether a text is one line, and all of it is seen."""
    return all(one in _SPELLING or unicodedata.category(one) not in _UNSEEN for one in text)


def _issue(words: str, element: str) -> Issue:
    return Issue("error", "value", words, f"Communication.{element}", "message-line")
