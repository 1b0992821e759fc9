"""Takes the `data` out of a Binary's JSON as it is written, and puts it back.

https://hl7.org/fhir/R4/binary.html, https://hl7.org/fhir/R4/datatypes.html#base64Binary. Only what comes back the same
is taken out: base64 that is not canonical, but for white space between its characters, stays where it is.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from binascii import Error, a2b_base64
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

#: How `data` stands in JSON without white space between its tokens, as bodies are stored; another member comes first.
BEFORE, AFTER = b',"data":"', b'"'
#: Characters of base64 read at once: a multiple of four.
_PART = 262_144
_WHITE = str.maketrans("", "", " \t\r\n")
_text = msgspec.json.Decoder(str).decode
_tree = msgspec.json.Decoder(dict[str, Any]).decode


class Taken(NamedTuple):
    """What was taken out.

    Attributes:
        json: the resource without its `data`.
        at: where that was, with the comma before it.
        base64: what it said, canonical.
    """

    json: bytes
    at: int
    base64: bytes

    def bytes_of(self) -> Iterator[bytes]:
        """What it means, in pieces."""
        for start in range(0, len(self.base64), _PART):
            yield a2b_base64(self.base64[start : start + _PART])


def taken_out(body: bytes, least: int) -> Taken | None:
    """What is kept outside a stored Binary; None where there is less than `least` bytes of content, or none to be had.

    Args:
        body: as `fhir.json.stamped` gives it.
        least: bytes of content.
    """
    if len(body) < least:
        return None
    start = body.find(BEFORE)
    while start >= 0:
        first = start + len(BEFORE)
        end = body.find(AFTER, first)
        if 0 < (end - first) * 3 // 4 >= least and _is_own(body[:start], body[end + 1 :]):
            canonical = _canonical(body[first:end])
            return None if canonical is None else Taken(body[:start] + body[end + 1 :], start, canonical)
        start = body.find(BEFORE, first)
    return None


def put_back(json: bytes, at: int, content: bytes) -> bytes:
    """The JSON with `content` as its `data`."""
    return b"".join((json[:at], BEFORE, b64encode(content), AFTER, json[at:]))


def _is_own(before: bytes, after: bytes) -> bool:
    """Whether the member between is the resource's own, and not one of something inside it."""
    # What nobody can have written there shows where it is.
    mark = secrets.token_hex(16)
    try:
        return bool(_tree(b"".join((before, BEFORE, mark.encode(), AFTER, after))).get("data") == mark)
    except msgspec.DecodeError:
        return False


def _canonical(literal: bytes) -> bytes | None:
    """The base64 of a JSON string without white space; None where it could be written otherwise, or means nothing."""
    if b"\\" in literal or b" " in literal:
        try:
            literal = _text(b'"%b"' % literal).translate(_WHITE).encode("ascii")
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None
    try:
        for start in range(0, len(literal), _PART):
            part = a2b_base64(literal[start : start + _PART], strict_mode=True)
            # Padding ends it, and only there.
            if len(part) % 3 and start + _PART < len(literal):
                return None
    except Error:
        return None
    tail = literal[-4:]
    return literal if len(literal) % 4 == 0 and b64encode(a2b_base64(tail)) == tail else None
