"""Versions in the reverse order of their commits, deletions included.

https://hl7.org/fhir/R4/http.html#history. A version is there when the resource as it is now satisfies the filter, and
so did the version itself: what was corrected since must not say what it was. Rows of `log` are that order.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.filters import EVERYTHING, Id
from fhir_server.store.mongo.bodies import Bodies
from fhir_server.store.mongo.candidates import Matching, groups, judged_by
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import WANTED, Document, past_key
from fhir_server.store.mongo.links import judged
from fhir_server.store.mongo.search import Search, fitting
from fhir_server.store.protocol import Page, Position, Scope, Version, Want

#: Up to this many resources, their rows are asked for by name; beyond, all rows are gone through.
_FEW = 1_000
#: Rows that are judged together.
_LOT = 500

Interval = tuple[int, int]


class History:
    """Reads versions, in one session."""

    def __init__(self, stored: Collections, session: Any) -> None:
        """`session` is of a snapshot."""
        self._stored = stored
        self._session = session
        self._search = Search(stored, session)

    async def page(
        self,
        scope: Scope,
        id: str | None,
        since: int | None,
        at: Interval | None,
        after: Position | None,
        count: int,
        most_bytes: int | None,
        want: Want,
    ) -> Page:
        """Arguments and result as `Store.history`."""
        before = _before(after)
        met: list[tuple[Document, Document]] = []
        if count > 0:
            async with aclosing(self._rows(scope, id, since, at, before, count + 1)) as rows:
                async for one in rows:
                    met.append(one)
                    if len(met) > count:
                        break
        there = fitting([one for one, _ in met[:count]], most_bytes) if met else 0
        await Bodies(self._stored, self._session).fill([one for one, _ in met[:there]], want)
        more = len(met) > there > 0
        versions = tuple([_given(one, one is head) for one, head in met[:there]])
        return Page(versions, (int(met[there - 1][0]["q"]),) if more else None)

    async def count(self, scope: Scope, id: str | None, since: int | None, at: Interval | None) -> int:
        """Arguments and result as `Store.history_count`."""
        if id is None and at is None and all(where == EVERYTHING for where in scope.values()):
            asked: Document = {"t": {"$in": sorted(scope)}}
            if since is not None:
                asked["at"] = {"$gte": since}
            pipeline = [{"$match": asked}, {"$count": "n"}]
            cursor = await self._stored.log.aggregate(pipeline, session=self._session)
            return sum([one["n"] async for one in cursor])
        met = 0
        async for _ in self._rows(scope, id, since, at, None, _LOT):
            met += 1
        return met

    async def _rows(
        self, scope: Scope, id: str | None, since: int | None, at: Interval | None, before: int | None, lot: int
    ) -> AsyncGenerator[tuple[Document, Document], None]:
        """Versions that satisfy, newest first, each with the document of its resource; without bodies."""
        asked = await self._asked(scope, id)
        if asked is None:
            return
        bounds = {"$and": [asked, *_bounds(since, at, before)]}
        rows: list[Document] = []
        async with self._stored.log.find(bounds, session=self._session).sort("_id", -1) as cursor:
            async for row in cursor:
                rows.append(row)
                if len(rows) == min(lot, _LOT):
                    for one in await self._judged(scope, rows, at):
                        yield one
                    rows = []
        for one in await self._judged(scope, rows, at):
            yield one

    async def _asked(self, scope: Scope, id: str | None) -> Document | None:
        """What is asked of rows of `log`: all of some types, or of resources that satisfy; None: there are none."""
        kinds: Document = {"t": {"$in": sorted(scope)}}
        if id is not None:
            return {"k": {"$in": [f"{type}/{id}" for type in sorted(scope)]}}
        if not scope or all(where == EVERYTHING for where in scope.values()):
            return kinds if scope else None
        found = await self._search.candidates.matching(scope)
        if found is None:
            return None
        names = await self._few(found)
        return kinds if names is None else {"k": {"$in": names}}

    async def _few(self, found: Matching) -> list[str] | None:
        """The `_id`s of what may satisfy; None: more than `_FEW`."""
        steps = [{"$match": found.text}, {"$limit": _FEW + 1}, {"$project": {"_id": 1}}]
        cursor = await self._stored.res.aggregate(steps, session=self._session)
        names = [one["_id"] async for one in cursor]
        return names if len(names) <= _FEW else None

    async def _judged(
        self, scope: Scope, rows: Sequence[Document], at: Interval | None
    ) -> list[tuple[Document, Document]]:
        """The documents of those rows whose resource satisfies now and whose version did, in the same order."""
        heads = await self._search.documents([row["k"] for row in rows], judged_by(scope))
        fit = {one["_id"] for one in await self._search.candidates.fitting(scope, list(heads.values()))}
        rows = [row for row in rows if row["k"] in fit]
        gone = {row["_id"]: _name(row) for row in rows if heads[row["k"]]["q"] != row["_id"]}
        pasts = await self._search.documents([*gone.values()], WANTED["index"], self._stored.hist)
        if at is not None:
            # Current at some time in the interval: not replaced before it, nor at its very start.
            pasts = {name: one for name, one in pasts.items() if one["until"] > at[0]}
        pasts = await self._satisfied(scope, pasts)
        found: list[tuple[Document, Document]] = []
        for row in rows:
            head = heads[row["k"]]
            one = head if row["_id"] not in gone else pasts.get(gone[row["_id"]])
            if one is not None:
                found.append((one, head))
        return found

    async def _satisfied(self, scope: Scope, pasts: dict[str, Document]) -> dict[str, Document]:
        """Those past versions that satisfied the filter of their type; texts of the past are not kept."""
        found: dict[str, Document] = {}
        for where, types in groups(scope):
            some = [one for one in pasts.values() if one["t"] in types]
            if where == EVERYTHING or isinstance(where, Id):
                kept = some
            else:
                kept = await judged(self._search.candidates, where, some, with_texts=False)
            found |= {one["_id"]: one for one in kept}
        return found


def _given(one: Document, is_current: bool) -> Version:
    return Version(one["t"], one["id"], int(one["v"]), int(one["at"]), one["m"], one["b"], one["x"], is_current)


def _bounds(since: int | None, at: Interval | None, before: int | None) -> list[Document]:
    bounds: list[Document] = []
    if before is not None:
        bounds.append({"_id": {"$lt": before}})
    if since is not None:
        bounds.append({"at": {"$gte": since}})
    if at is not None:
        bounds.append({"at": {"$lte": at[1]}})
    return bounds


def _name(row: Document) -> str:
    return past_key(row["t"], row["id"], row["v"])


def _before(position: Position | None) -> int | None:
    if position is None:
        return None
    if len(position) != 1 or not isinstance(position[0], int) or not 0 <= position[0] < 2**62:
        raise InvalidParameter("The page asked for is not one of this history.", "http.cursor")
    return position[0]
