"""What makes a query the same as another: a page's link fits the query that it was given for, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec

_pack = msgspec.msgpack.Encoder().encode


def identity(parts: Sequence[str]) -> bytes:
    """Bytes that two queries share only when all their `parts` are the same."""
    return sha256(_pack(tuple(parts))).digest()
