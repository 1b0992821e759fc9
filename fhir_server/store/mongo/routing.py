"""Which part of the data a resource belongs to: what a sharded cluster is told with each question about one resource.

The first five signs of an id that this engine gave are the part of the patient whose it is, so that one patient's
resources lie together and an id alone says where. There are about a million parts: of a part's id nobody learns whose
a resource is. Ids that others chose are spread by a digest of theirs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from fhir_server.store.chain import CHAINED
from fhir_server.store.random_ids import random_id

#: Hexadecimal digits of a part.
_DIGITS = 5
_OURS = re.compile(rf"([0-9a-f]{{{_DIGITS}}})-[0-9a-f]{{24,36}}")


def part(type: str, id: str) -> str:
    """The part that a resource belongs to, for ever: five hexadecimal digits."""
    ours = _OURS.fullmatch(id)
    return ours[1] if ours is not None else blake2b(f"{type}/{id}".encode(), digest_size=4).hexdigest()[:_DIGITS]


def routed(names: Sequence[str]) -> dict[str, Any]:
    """A query of the documents of these `_id`s ("Type/id", or with a version behind) that says where they lie."""
    if len(names) == 1:
        return {"rk": _part_of(names[0]), "_id": names[0]}
    return {"rk": {"$in": sorted({*map(_part_of, names)})}, "_id": {"$in": list(names)}}


def _part_of(name: str) -> str:
    type, id, *_ = name.split("/")
    return part(type, id)


def new_id(type: str, owner: Callable[[], str | None] | None) -> str:
    """As `Store.new_id`: the part of whose it is, then 96 random bits; in traces after the time (ms)."""
    random = random_id()
    of, _, id = ((owner() if owner else None) or "").partition("/")
    at = f"{time.time_ns() // 1_000_000:012x}" if type == CHAINED else ""
    return f"{part(of, id) if id else random[-_DIGITS:]}-{at}{random}"
