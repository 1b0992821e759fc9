"""Which part of the data a resource belongs to: what a sharded cluster is told with each question about one resource.

The first five signs of an id that this engine gave are the part of the patient whose it is, so that one patient's
resources lie together and an id alone says where. There are about a million parts: of a part's id nobody learns whose
a resource is. Ids that others chose are spread by a digest of theirs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from hashlib import blake2b

from fhir_server.store.chain import CHAINED
from fhir_server.store.random_ids import random_id

#: Hexadecimal digits of a part.
_DIGITS = 5
_OURS = re.compile(rf"([0-9a-f]{{{_DIGITS}}})-[0-9a-f]{{24,36}}")


def part(type: str, id: str) -> str:
    """The part that a resource belongs to, for ever: five hexadecimal digits."""
    ours = _OURS.fullmatch(id)
    return ours[1] if ours is not None else blake2b(f"{type}/{id}".encode(), digest_size=4).hexdigest()[:_DIGITS]


def new_id(type: str, owner: Callable[[], str | None] | None) -> str:
    """As `Store.new_id`: the part of whose it is, then 96 random bits; in traces after the time (ms)."""
    random = random_id()
    of, _, id = ((owner() if owner else None) or "").partition("/")
    at = f"{time.time_ns() // 1_000_000:012x}" if type == CHAINED else ""
    return f"{part(of, id) if id else random[-_DIGITS:]}-{at}{random}"
