"""Taking a parameter's value apart: commas, `$`, `|` and the escapes that make them ordinary characters.

https://hl7.org/fhir/R4/search.html#escaping. Percent-encoding has been undone before.
"""

from __future__ import annotations

import re

from fhir_server.fhir.outcome import InvalidParameter

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
#: What may stand behind a backslash.
_SPECIAL = frozenset("\\,|$")


def split(text: str, separator: str) -> list[str]:
    """`text` cut at each `separator` without a backslash before it; escapes are left in the parts."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, at, end = [], 0, 0, len(text)
    while at < end:
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return parts


def unescape(text: str) -> str:
    """`text` with its escapes undone.

    Raises:
        InvalidParameter: a backslash before anything but a backslash, `,`, `|` or `$`: R4 calls such a value illegal.
    """
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def escape(text: str) -> str:
    """`text` such that `unescape` gives it back and no `split` cuts it."""
    return re.sub(r"([\\,|$])", r"\\\1", text)


def _character(found: re.Match[str]) -> str:
    if found[1] not in _SPECIAL or not found[1]:
        raise InvalidParameter(r"A backslash stands only before one of \ , | $ in a search value.")
    return found[1]
