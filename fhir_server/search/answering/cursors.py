"""Where a page of results starts, as a signed token: it fits only the query it was made for, and cannot be forged.

https://hl7.org/fhir/R4/http.html#paging. Keyset paging: a cursor holds the sort values of the last row of the page
before, so that no resource is shown twice or left out while others are written.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import msgspec

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.protocol import Position

#: How many pages back `previous` links can go. Each costs a position (30 to 100 bytes) in the URL.
MAX_BACK = 8
#: Longest token read: nine positions of several sort keys fit; longer is not ours.
MAX_LENGTH = 16_384
#: Bytes of the HMAC kept: 128 bits cannot be guessed.
_TAG = 16


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where this page starts, and where the pages before it started.

    Attributes:
        after: position of the last row of the page before; None for the first page.
        back: `after` of the pages before, oldest first, at most `MAX_BACK`; None stands for the first page.
    """

    after: Position | None = None
    back: tuple[Position | None, ...] = ()

    def following(self, next: Position) -> Cursor:
        """The cursor of the page that starts after `next`."""
        return Cursor(next, (*self.back, self.after)[-MAX_BACK:])

    @property
    def previous(self) -> Cursor | None:
        """The cursor of the page before this one; None where that is not known."""
        return Cursor(self.back[-1], self.back[:-1]) if self.back else None


START = Cursor()


class _Content(msgspec.Struct, array_like=True):
    after: Position | None
    back: tuple[Position | None, ...]


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Content).decode


def sign(cursor: Cursor, query: bytes, key: bytes) -> str:
    """`cursor` as a token of URL-safe characters.

    Args:
        cursor: where to go on.
        query: what identifies the query (its types, parameters and order); only the same bytes open the token.
        key: the server's secret.
    """
    content = _pack(_Content(cursor.after, cursor.back))
    return urlsafe_b64encode(_tag(content, query, key) + content).rstrip(b"=").decode()


def open_cursor(token: str, query: bytes, key: bytes) -> Cursor:
    """The cursor in `token`.

    Raises:
        InvalidParameter: not made by this server, or for another query.
    """
    try:
        if len(token) > MAX_LENGTH:
            raise ValueError("too long")
        signed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        content = signed[_TAG:]
        if not hmac.compare_digest(signed[:_TAG], _tag(content, query, key)):
            raise ValueError("another query or another key")
        read = _unpack(content)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidParameter("This page link is not one this server gave for this query.") from None
    return Cursor(read.after, read.back)


def _tag(content: bytes, query: bytes, key: bytes) -> bytes:
    return hmac.digest(key, query + content, "sha256")[:_TAG]
