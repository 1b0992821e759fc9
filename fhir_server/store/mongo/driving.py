"""By which of its conditions a query is looked up: the rarest, as they are counted.

An index of an array answers one condition on that array, and MongoDB takes whichever it meets: all the laboratory
results of everybody, to find one patient's. So the conditions are counted, no further than it takes to tell which is
the rarest, and the others are written in a form that no index answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from fhir_server.store.mongo.documents import Document
from fhir_server.store.mongo.routing import routed

#: How far conditions are counted, at first and where all are as many.
_FAR = (300, 10_000)
#: How long a condition that many satisfy is taken for one, in seconds, and how many are remembered.
_REMEMBERED_SECONDS, _REMEMBERED = 600.0, 2_000
#: Signs of a condition that is remembered: one of thousands of codes is not.
_LONGEST = 1_000
#: Fields that have an index.
_INDEXED = frozenset({"s", "d", "w", "_id"})


class Driving:
    """Chooses by what a query is looked up, and remembers what is common."""

    def __init__(self, resources: Any) -> None:
        """Counts in the collection `resources`."""
        self._resources = resources
        self._common: dict[tuple[str, str], tuple[float, int]] = {}

    async def driven(self, text: Document, types: Sequence[str], first: Document | None = None) -> Document:
        """A query that finds the same, to be looked up by its rarest condition, or by `first`, which it has besides."""
        parts = [*_parts(text)]
        there = [part for part in parts if _is_indexed(part)]
        if first is None and not there:
            return text
        chosen = first if first is not None else await self._rarest(there, types)
        others = [_hidden(part) if part in there else part for part in parts if part is not chosen]
        if "_id" in chosen and chosen["_id"]["$in"]:
            chosen = routed(chosen["_id"]["$in"])
        return {"$and": [chosen, *others]} if others else chosen

    async def _rarest(self, parts: Sequence[Document], types: Sequence[str]) -> Document:
        for part in parts:
            if "_id" in part or len(parts) == 1:
                return part
        counts: list[int] = []
        for far in _FAR:
            counts = await self._counted(parts, types, far)
            if min(counts) < far:
                break
        return parts[counts.index(min(counts))]

    async def _counted(self, parts: Sequence[Document], types: Sequence[str], far: int) -> list[int]:
        """How many satisfy each of `parts`, `far` at most."""
        kind = {"t": types[0] if len(types) == 1 else {"$in": list(types)}}
        names = [(",".join(types), repr(part)) for part in parts]
        now = time.monotonic()
        known = [self._common.get(name, (0.0, 0)) for name in names]
        counts = [many if until > now and many >= far else 0 for until, many in known]
        asked = [place for place, many in enumerate(counts) if not many]
        pipeline: list[Document] = []
        for place in asked:
            steps: list[Document] = [
                {"$match": {**kind, **parts[place]}},
                {"$limit": far},
                {"$count": "n"},
                {"$set": {"place": place}},
            ]
            pipeline += [{"$unionWith": {"coll": self._resources.name, "pipeline": steps}}] if pipeline else steps
        if pipeline:
            # Not of the moment that is read of: which is the rarest is a guess, and a wrong one costs time alone.
            async for one in await self._resources.aggregate(pipeline):
                counts[one["place"]] = one["n"]
                if one["n"] >= far:
                    self._remember(names[one["place"]], one["n"], now)
        return counts

    def _remember(self, name: tuple[str, str], many: int, now: float) -> None:
        if len(name[0]) + len(name[1]) > _LONGEST:
            return
        if len(self._common) >= _REMEMBERED:
            self._common.clear()
        self._common[name] = (now + _REMEMBERED_SECONDS, many)


def _parts(text: Document) -> Iterator[Document]:
    if len(text) == 1 and "$and" in text:
        for part in text["$and"]:
            yield from _parts(part)
    elif text:
        yield text


def _is_indexed(part: Document) -> bool:
    field = next(iter(part))
    return field in _INDEXED and not (isinstance(part[field], dict) and "$ne" in part[field])


def _hidden(part: Document) -> Document:
    """The same, asked of each document that is found otherwise."""
    return {"$nor": [{"$nor": [part]}]}
