"""How much a message may say, in whichever element: notes, captions and extensions are shown as its text is.

https://hl7.org/fhir/R4/datatypes.html#string: 1 MB for each, and no bound to how many. The content of files is bounded
where files are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.fhir.outcome import Issue
from fhir_server.space.messages.model import LONGEST_TEXT

#: Characters of all strings of a message together: its text, five times.
MOST_SAID = 100_000
_KEY = "message-length"


def beyond(tree: Mapping[str, Any]) -> Iterator[Issue]:
    """What of a Communication is longer than a message is, content inside attachments apart."""
    said: Counter[str] = Counter()
    for element, value in tree.items():
        for where, text in _strings(value, f"Communication.{element}"):
            said[element] += len(text)
            if len(text) > LONGEST_TEXT:
                words = f"A text of a message has {LONGEST_TEXT} characters at most."
                yield Issue("error", "too-long", words, where, _KEY)
    if said.total() > MOST_SAID:
        [(element, _)] = said.most_common(1)
        words = f"What a message says has {MOST_SAID} characters together at most, its files apart."
        yield Issue("error", "too-long", words, f"Communication.{element}", _KEY)


def _strings(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string in a value, and where it stands."""
    left = [(value, where)]
    while left:
        node, where = left.pop()
        if isinstance(node, str):
            yield where, node
        elif isinstance(node, list):
            left += [(one, f"{where}[{n}]") for n, one in enumerate(node)]
        elif isinstance(node, dict):
            inside = where.endswith(".contentAttachment")
            left += [(one, f"{where}.{name}") for name, one in node.items() if not (inside and name == "data")]
