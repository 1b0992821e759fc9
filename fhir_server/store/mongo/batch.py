"""One transaction that holds many callers' writes: judged one after the other, written in a few commands.

It begins by changing the one document of `state`. Who changed it since the transaction's snapshot makes it fail, and it
is begun anew: so transactions go on one after the other, whichever process they are of. That is what makes a guard
exact, gives versions and instants the order of commits, and lets the traces be one chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.fhir.json import instant
from fhir_server.store.chain import CHAINED, linked
from fhir_server.store.filters import Index
from fhir_server.store.mongo.bodies import pieces
from fhir_server.store.mongo.claims import Claims, claimed
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import Document, current, indexed, key, logged, made, moved, past_key
from fhir_server.store.mongo.links import links
from fhir_server.store.mongo.routing import routed
from fhir_server.store.mongo.schema import STANDS
from fhir_server.store.mongo.search import Search
from fhir_server.store.protocol import Delete, Guard, Method, Put, Stale, Version, Write

#: Of a resource that is written anew: all that moves to `hist`, and its claims.
_BEFORE = {"s": 0, "d": 0, "w": 0}
#: By the database's clock, which all servers share; a clock that goes back must not make a later version look older.
_TURN = [{"$set": {"turn": {"$add": ["$turn", 1]}, "at": {"$max": ["$at", {"$toLong": "$$NOW"}]}}}]


class Batch:
    """The writes of one transaction.

    Attributes:
        at: the instant of every version in it, ms since 1970 UTC.
        session: of the transaction.
        stored: the collections it writes to.
    """

    def __init__(self, stored: Collections, session: Any) -> None:
        """Nothing is read or written before `begin`."""
        self.stored = stored
        self.session = session
        self.at = 0
        self._stands: Document = {}
        self._began: Document = {}
        self._claims = Claims(stored.claims, session)
        self._current: dict[str, Document] = {}
        # Waiting for `flush`.
        self._new: dict[str, Document] = {}
        self._changed: dict[str, Document] = {}
        self._past: list[Document] = []
        self._log: list[Document] = []
        self._parts: list[Document] = []
        self._notes: list[Document] = []

    async def begin(self, writes: Iterable[Write]) -> None:
        """Take the turn, and read what is held of all the resources that `writes` name.

        Args:
            writes: all those that `apply` will be given.
        """
        self._stands = await self.stored.state.find_one_and_update(
            {"_id": STANDS}, _TURN, session=self.session, return_document=True
        )
        self._began = _place(self._stands)
        self.at = int(self._stands["at"])
        self._stamp = instant(self.at).encode()
        writes = list(writes)
        if writes:
            search = Search(self.stored, self.session)
            self._current = await search.documents([key(one.type, one.id) for one in writes], _BEFORE)
            # What is deleted is found, in histories, by the index that it had.
            gone = [key(one.type, one.id) for one in writes if isinstance(one, Delete)]
            self._current |= await search.documents(gone, {})
            await self._claims.read(writes)

    async def apply(self, writes: Sequence[Write], guards: Sequence[Guard]) -> list[Version]:
        """One caller's writes, all or none.

        Raises:
            Stale: a guard, an `expected` or a claim does not hold; nothing of it was taken.
        """
        for guard in guards:
            if not await self._holds(guard):
                raise Stale(guard=guard)
        latest: dict[str, int] = {}
        for write in writes:
            name = key(write.type, write.id)
            there = self._current.get(name)
            expected = latest.get(name, there["v"] if there else 0)
            if write.expected != expected or (isinstance(write, Delete) and not write.expected):
                raise Stale(write)
            latest[name] = expected + 1
        wanted = claimed(writes)
        self._claims.require_free(writes, wanted)
        versions = [self._write(write) for write in writes]
        self._claims.settle(wanted, self._current)
        return versions

    async def reindex(self, version: Version, index: Index) -> bool:
        """Replace the index of a version; says whether it is the current one."""
        await self.flush()
        found, at = indexed(index), key(version.type, version.id)
        there = {**routed([at]), "v": version.version}
        done = await self.stored.res.update_one(there, {"$set": found}, session=self.session)
        if done.matched_count:
            self._current.get(at, {}).update(found)
            return True
        past = routed([past_key(version.type, version.id, version.version)])
        await self.stored.hist.update_one(past, {"$set": {"x": found["x"]}}, session=self.session)
        return False

    def note(self, kind: str, key: str, new: bool) -> None:
        """Note that a record is changed by this transaction."""
        self._stands["note"] += 1
        self._notes.append({"_id": self._stands["note"], "kind": kind, "key": key, "new": new, "at": self.at})

    def forget(self, names: Iterable[str], claims: Iterable[str]) -> None:
        """Resources that were written, and what they claimed, are gone from the collections."""
        for name in names:
            self._current.pop(name, None)
        self._claims.forget(claims)

    async def flush(self) -> None:
        """Write what waits, so that the transaction sees it."""
        waiting: tuple[tuple[Any, list[Document]], ...] = (
            (self.stored.hist, self._past),
            (self.stored.log, self._log),
            (self.stored.parts, self._parts),
            (self.stored.notes, self._notes),
        )
        if self._new:
            await self.stored.res.insert_many(list(self._new.values()), session=self.session)
            self._new.clear()
        if self._changed:
            await self.stored.res.bulk_write(_replacing(self._changed.values()), session=self.session)
            self._changed.clear()
        for collection, rows in waiting:
            if rows:
                await collection.insert_many(rows, session=self.session)
                rows.clear()
        await self._claims.flush()

    async def end(self) -> None:
        """Write all that waits, and where the store stands then."""
        await self.flush()
        stands = _place(self._stands)
        if stands != self._began:
            await self.stored.state.update_one({"_id": STANDS}, {"$set": stands}, session=self.session)

    async def _holds(self, guard: Guard) -> bool:
        if self._log and (any(row["t"] == guard.type for row in self._log) or any(links(guard.where))):
            await self.flush()
        search = Search(self.stored, self.session)
        found = {one["id"] async for one in search.candidates.few({guard.type: guard.where}, len(guard.ids) + 1)}
        return found == guard.ids

    def _write(self, write: Write) -> Version:
        before = self._current.get(key(write.type, write.id))
        if isinstance(write, Put):
            body = b"%b%b%b" % (write.body[: write.stamp], self._stamp, write.body[write.stamp + 24 :])
            return self._add(write, before, body, write.method, indexed(write.index))
        # It is there: `apply` has seen that the version expected is.
        kept = {name: before[name] for name in ("x", "s", "d", "w")} if before is not None else {}
        return self._add(write, before, b"", "DELETE", kept)

    def _add(self, write: Write, before: Document | None, body: bytes, method: Method, found: Document) -> Version:
        self._stands["seq"] = seq = int(self._stands["seq"]) + 1
        one = made(write.type, write.id, before["n"] if before is not None else seq, method, body)
        name = one["_id"]
        held = before.get("c", []) if before is not None else []
        one |= {"q": seq, "v": write.expected + 1, "at": self.at, **found, "c": held}
        if before is not None:
            self._past.append(moved(before, self.at))
        waits = self._new if before is None or name in self._new else self._changed
        waits[name] = self._current[name] = one
        digest = None
        if write.type == CHAINED:
            self._stands["digest"] = digest = linked(self._stands["digest"], write.id, one["v"], method, body)
        self._log.append(logged(one, digest))
        version = current(one)
        if long := pieces(seq, body):
            self._parts += long
            one["b"] = b""
        return version


def _place(stands: Document) -> Document:
    return {name: stands[name] for name in ("seq", "note", "digest")}


def _replacing(documents: Iterable[Document]) -> list[Any]:
    from pymongo import ReplaceOne

    return [ReplaceOne({"_id": one["_id"], "rk": one["rk"]}, one) for one in documents]
