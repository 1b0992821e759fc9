"""Files that stand inside a document: what they are by their first bytes, and which of them a page may show itself.

Sizes of pictures: PNG, RFC 2083 §3; JPEG, ITU T.81 annex B; GIF89a §18. What a file is called in the document is
believed only as far as its bytes agree.
"""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass

from fhir_server.space.record.content.kinds import HEAD, told

#: Pixels of a picture: beyond, a browser's memory would be what it costs.
MOST_PIXELS = 40_000_000
#: Bytes of all pictures that one page shows itself; the others are files to open.
MOST_SHOWN = 5_000_000


@dataclass(frozen=True, slots=True)
class File:
    """One file.

    Attributes:
        label: what it is called, in the document's words; "" where it has none.
        media_type: by its bytes; application/octet-stream where they do not say.
        content: its bytes.
    """

    label: str
    media_type: str
    content: bytes

    @property
    def is_picture(self) -> bool:
        """Whether a page may show it: a picture of a size that it says itself."""
        size = _SIZES.get(self.media_type, _none)(self.content)
        return size is not None and 0 < size[0] * size[1] <= MOST_PIXELS

    @property
    def address(self) -> str:
        """The picture itself, as an address that loads nothing."""
        return f"data:{self.media_type};base64,{b64encode(self.content).decode()}"


def decoded(text: str) -> bytes | None:
    """The bytes of base64 in which blanks may stand; None where it is no base64, or empty."""
    try:
        return b64decode("".join(text.split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def kind(content: bytes) -> str:
    """The media type of a file, by its first bytes; application/octet-stream where they do not say."""
    found = told(content[:HEAD])
    # A page of its own is nothing to open out of a document.
    return "application/octet-stream" if found in (None, "text/html") else found


Size = tuple[int, int]


def _none(_: bytes) -> Size | None:
    return None


def _png(content: bytes) -> Size | None:
    return struct.unpack(">II", content[16:24]) if content[12:16] == b"IHDR" and len(content) >= 24 else None


def _gif(content: bytes) -> Size | None:
    return struct.unpack("<HH", content[6:10]) if len(content) >= 10 else None


def _jpeg(content: bytes) -> Size | None:
    """From the first frame header (SOF); markers before it say how long they are."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + max(length, 2)
    return None


_SIZES: dict[str, Callable[[bytes], Size | None]] = {"image/png": _png, "image/gif": _gif, "image/jpeg": _jpeg}
