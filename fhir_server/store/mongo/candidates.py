"""What a scope finds, document by document: by one query where that says all, and judged in lots where it does not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from fhir_server.store.filters import EVERYTHING, Filter
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import Document
from fhir_server.store.mongo.links import asks_texts, judged, resolved
from fhir_server.store.mongo.queries import NONE, query
from fhir_server.store.protocol import Scope

#: Documents that are judged together.
_LOT = 200
#: Of a candidate: what it is judged by.
_JUDGED = {"s": 0, "d": 0, "w": 0, "c": 0, "b": 0}
_JUDGED_WITH_TEXTS = {"s": 0, "d": 0, "c": 0, "b": 0}
#: Of what a link leads to.
_LINKED = {"_id": 1, "t": 1, "id": 1, "at": 1, "x": 1}
_LINKED_WITH_TEXTS = {**_LINKED, "w": 1}


class Matching:
    """A scope as one query of `res`.

    Attributes:
        text: the query.
        exact: whether it says all; else what it finds is judged.
        judged: the fields that it is judged by.
    """

    def __init__(self, scope: Scope, text: Document, exact: bool) -> None:
        """As `Candidates.matching` makes it."""
        self.scope = scope
        self.text = text
        self.exact = exact
        self.judged = judged_by(scope)


class Candidates:
    """Reads `res` as of one moment."""

    def __init__(self, stored: Collections, session: Any) -> None:
        """Reads in a session, of a snapshot or a transaction."""
        self._resources = stored.res
        self._driving = stored.driving
        self._session = session

    async def matching(self, scope: Scope, depth: int = 0, first: Document | None = None) -> Matching | None:
        """A scope as a query, deletions included, and `first` besides, by which it is looked up; None: nothing matches.

        Raises:
            TooCostly: its links follow one another too far.
        """
        parts: list[Document] = []
        exact = True
        for where, types in groups(scope):
            asked = query(where, types, await resolved(self, where, types, depth))
            if asked.text == NONE.text:
                continue
            kind: Document = {"t": types[0] if len(types) == 1 else {"$in": list(types)}}
            text = await self._driving.driven(asked.text, types, first)
            parts.append(kind if not text else {"$and": [kind, text]})
            exact = exact and asked.exact
        if not parts:
            return None
        return Matching(scope, parts[0] if len(parts) == 1 else {"$or": parts}, exact)

    async def documents(
        self, found: Matching, stages: Sequence[Document], fields: Mapping[str, int], depth: int = 0
    ) -> AsyncGenerator[Document, None]:
        """What satisfies, in the order of `stages`.

        Args:
            found: as `matching` says.
            stages: begin with a `$match` of it and what else is asked; no limit unless `found.exact`.
            fields: what of each document is given; with what it is judged by, where it is.
            depth: how many links lead here.
        """
        cursor = await self._resources.aggregate(
            [*stages, {"$project": dict(fields)}], session=self._session, allowDiskUse=True
        )
        async with cursor:
            if found.exact:
                async for one in cursor:
                    yield one
                return
            lot: list[Document] = []
            async for one in cursor:
                lot.append(one)
                if len(lot) >= _LOT:
                    for fit in await self.fitting(found.scope, lot, depth):
                        yield fit
                    lot = []
            for fit in await self.fitting(found.scope, lot, depth):
                yield fit

    async def fitting(self, scope: Scope, lot: Sequence[Document], depth: int = 0) -> list[Document]:
        """Those of `lot` that satisfy the filter of their type, in the same order."""
        kept: set[str] = set()
        for where, types in groups(scope):
            some = [one for one in lot if one["t"] in types]
            fit = some if where == EVERYTHING else await judged(self, where, some, depth)
            kept |= {one["_id"] for one in fit}
        return [one for one in lot if one["_id"] in kept]

    async def few(
        self, scope: Scope, most: int | None, depth: int = 0, extra: Document | None = None
    ) -> AsyncGenerator[Document, None]:
        """Current resources that satisfy, `most` of them at most, with their indexes, in no order."""
        found = await self.matching(scope, depth, extra)
        if found is None:
            return
        stages: list[Document] = [{"$match": {"$and": [{"live": True}, found.text]}}]
        if found.exact and most is not None:
            stages.append({"$limit": most})
        fields = _LINKED if found.judged is _JUDGED else _LINKED_WITH_TEXTS
        met = 0
        async with aclosing(self.documents(found, stages, fields, depth)) as documents:
            async for one in documents:
                yield one
                met += 1
                if met == most:
                    return


def judged_by(scope: Scope) -> Mapping[str, int]:
    """The fields by which resources of a scope are judged."""
    return _JUDGED_WITH_TEXTS if any(map(asks_texts, scope.values())) else _JUDGED


def groups(scope: Scope) -> list[tuple[Filter, tuple[str, ...]]]:
    """The types of each distinct filter."""
    found: dict[Filter, list[str]] = {}
    for type, where in scope.items():
        found.setdefault(where, []).append(type)
    return [(where, tuple(types)) for where, types in found.items()]
