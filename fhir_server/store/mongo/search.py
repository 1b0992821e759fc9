"""Finding, counting and reading as of one moment: everything is read from one snapshot, or inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.mongo.bodies import Bodies
from fhir_server.store.mongo.candidates import Candidates, Matching
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import WANTED, Document, current, key, past, past_key
from fhir_server.store.mongo.routing import routed
from fhir_server.store.mongo.sorting import checked, place, stages
from fhir_server.store.protocol import NEWEST, Page, Position, Scope, Sort, Version, Want

#: Names in one question.
_TOGETHER = 1_000
#: Up to so many, those that are found are counted with the first page: whoever asks is told how many there are.
_TOTAL = 300
#: Bytes of the resources met in one step of a walk.
_WALKED_BYTES = 64_000_000


class Search:
    """Reads what is stored, in one session.

    Attributes:
        candidates: what filters find.
    """

    def __init__(self, stored: Collections, session: Any) -> None:
        """`session` is of a snapshot, or of a transaction under way."""
        self._stored = stored
        self._session = session
        self._bodies = Bodies(stored, session)
        self.candidates = Candidates(stored, session)

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort],
        after: Position | None,
        count: int,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """Arguments and result as `Store.find`."""
        sort = tuple(sort) or NEWEST
        if after is not None:
            checked(after, sort)
        found = await self.candidates.matching(scope)
        if found is None or count < 1:
            return Page(())
        ordered = stages(sort, after)
        page = await self._page(found, [{"live": True}], ordered, count, most_bytes, want, sort)
        return page if after is not None else replace(page, total=await self._total(found, page, scope))

    async def count(self, scope: Scope, limit: int | None) -> int:
        """Arguments and result as `Store.count`."""
        found = await self.candidates.matching(scope)
        return 0 if found is None or limit == 0 else await self._counted(found, limit)

    async def _counted(self, found: Matching, limit: int | None) -> int:
        steps: list[Document] = [{"$match": {"$and": [{"live": True}, found.text]}}]
        if not found.exact:
            met = 0
            async with aclosing(self.candidates.documents(found, steps, found.judged)) as documents:
                async for _ in documents:
                    met += 1
                    if met == limit:
                        break
            return met
        if limit is not None:
            steps.append({"$limit": limit})
        cursor = await self._stored.res.aggregate([*steps, {"$count": "n"}], session=self._session)
        return sum([one["n"] async for one in cursor])

    async def _total(self, found: Matching, page: Page, scope: Scope) -> int | None:
        """How many there are in all, where the first page or a short count tells."""
        if page.next is None:
            return len(page.versions)
        if not found.exact or EVERYTHING in scope.values():
            return None
        many = await self._counted(found, _TOTAL + 1)
        return many if many <= _TOTAL else None

    async def walk(self, scope: Scope, after: Position | None, count: int, want: Want) -> Page:
        """Arguments and result as `Store.walk`: in the order in which resources were first written."""
        since = _start(after)
        found = await self.candidates.matching(scope)
        if found is None or count < 1:
            return Page(())
        ordered: list[Document] = [{"$sort": {"n": 1}}]
        return await self._page(found, [{"n": {"$gt": since}}], ordered, count, _WALKED_BYTES, want, None)

    async def named(self, keys: Sequence[tuple[str, str]], want: Want) -> list[Version | None]:
        """Arguments and result as `Store.read_many`."""
        found = await self.documents([key(*one) for one in keys], WANTED[want])
        await self._bodies.fill(found.values(), want)
        return [current(found[name]) if (name := key(*one)) in found else None for one in keys]

    async def numbered(
        self, keys: Sequence[tuple[str, str, int]], want: Want, most_bytes: int | None
    ) -> list[Version | None]:
        """Arguments and result as `Store.vread_many`."""
        heads = await self.documents([key(type, id) for type, id, _ in keys], WANTED["index"])
        asked = [(key(type, id), past_key(type, id, version), version) for type, id, version in keys]
        gone = [long for name, long, version in asked if name in heads and heads[name]["v"] != version]
        pasts = await self.documents(gone, WANTED["index"], self._stored.hist)
        rows: list[tuple[Document | None, bytes | None]] = []
        for name, long, version in asked:
            head = heads.get(name)
            if head is not None and head["v"] == version:
                rows.append((head, None))
            else:
                rows.append((pasts.get(long), head["x"] if head is not None else b""))
        rows = rows[: fitting([row for row, _ in rows], most_bytes)]
        await self._bodies.fill([row for row, _ in rows if row is not None], want)
        return [None if row is None else current(row) if now is None else past(row, now) for row, now in rows]

    async def documents(
        self, names: Sequence[str], fields: Mapping[str, int], collection: Any = None
    ) -> dict[str, Document]:
        """The documents of these `_id`s, of `res` where nothing else is said."""
        found: dict[str, Document] = {}
        asked = [*dict.fromkeys(names)]
        where = self._stored.res if collection is None else collection
        for begin in range(0, len(asked), _TOGETHER):
            some = routed(asked[begin : begin + _TOGETHER])
            async for one in where.find(some, dict(fields), session=self._session):
                found[one["_id"]] = one
        return found

    async def _page(
        self,
        found: Matching,
        extra: Sequence[Document],
        ordered: Sequence[Document],
        count: int,
        most_bytes: int | None,
        want: Want,
        sort: Sequence[Sort] | None,
    ) -> Page:
        """So many of what is found, in order; with `sort`, a position says its keys, else a resource's number alone."""
        steps = [{"$match": {"$and": [*extra, found.text]}}, *ordered]
        if found.exact:
            steps.append({"$limit": count + 1})
        fields = WANTED[want] if found.exact else found.judged
        met: list[Document] = []
        left = most_bytes if most_bytes is not None and want in ("bare", "body") else None
        async with aclosing(self.candidates.documents(found, steps, fields)) as documents:
            async for one in documents:
                met.append(one)
                left = None if left is None else left - one["z"]
                if len(met) > count or (left is not None and left < 0 and len(met) > 1):
                    break
        there = min(len(met), count)
        if left is not None:
            there = fitting(met[:there], most_bytes)
        await self._bodies.fill(met[:there], want)
        versions = tuple([current(_as_wanted(one, want)) for one in met[:there]])
        more = len(met) > there > 0
        last = met[there - 1] if more else None
        return Page(versions, None if last is None else place(last, sort) if sort is not None else (int(last["n"]),))


def fitting(documents: Sequence[Document | None], most_bytes: int | None) -> int:
    """How many of these, at least one if there are any, are together no longer than `most_bytes`."""
    if most_bytes is None:
        return len(documents)
    left = most_bytes
    for n, one in enumerate(documents):
        left -= one["z"] if one is not None else 0
        if left < 0:
            return max(n, 1)
    return len(documents)


def _as_wanted(one: Document, want: Want) -> Document:
    return {**one, "x": b""} if want == "head" else one


def _start(after: Position | None) -> int:
    if after is None:
        return 0
    if len(after) != 1 or not isinstance(after[0], int) or not 0 <= after[0] < 2**62:
        raise InvalidParameter("The page asked for is not one of this walk.", "http.cursor")
    return after[0]
