"""Content kept outside the resource that it belongs to, and the form in which such a resource is stored.

https://hl7.org/fhir/R4/binary.html. The `data` of a Binary may be many megabytes of base64. What is longer than a row
should be lies in a `Blobs` as bytes; the stored body says where, in front of JSON that has no `data`. No client can
write such a front, since what they send is JSON and begins with a brace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

#: What no JSON begins with.
_MARK = b"\0"
#: Bytes of the length that follows the mark.
_LENGTH = 2
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes kept in a `Blobs`.

    Attributes:
        handle: names them there, 64 hexadecimal digits. It tells nothing of the bytes.
        size: how many.
        sha256: of the bytes, 64 hexadecimal digits.
        checked: what the table of their checksums is checked by.
    """

    handle: str
    size: int
    sha256: str
    checked: int


class Outline(NamedTuple):
    """A stored body without its content.

    Attributes:
        content: what it is without.
        at: where in `json` the member `,"data":"…"` belongs.
        json: the resource's JSON without `data`.
    """

    content: Content
    at: int
    json: bytes


class _Front(msgspec.Struct, array_like=True):
    handle: str
    size: int
    sha256: str
    checked: int
    at: int


_decode = msgspec.msgpack.Decoder(_Front).decode


def stored(outline: Outline) -> tuple[bytes, int]:
    """The body as an engine keeps it, and by how much the JSON in it is shifted."""
    content = outline.content
    front = _encode(_Front(content.handle, content.size, content.sha256, content.checked, outline.at))
    head = _MARK + len(front).to_bytes(_LENGTH)
    return b"%b%b%b" % (head, front, outline.json), len(head) + len(front)


def is_outlined(body: bytes) -> bool:
    """Whether it is what `stored` made."""
    return body[:1] == _MARK


def outlined(body: bytes) -> Outline | None:
    """What `stored` was given; None of a body that holds all that belongs to it."""
    if not is_outlined(body):
        return None
    begin = 1 + _LENGTH
    end = begin + int.from_bytes(body[1:begin])
    front = _decode(body[begin:end])
    return Outline(Content(front.handle, front.size, front.sha256, front.checked), front.at, body[end:])


def json_of(body: bytes) -> bytes:
    """The JSON of a stored body, without what is kept outside it."""
    outline = outlined(body)
    return body if outline is None else outline.json
