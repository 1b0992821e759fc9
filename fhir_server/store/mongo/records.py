"""Short-lived and secret things: a document each. One that changes alone does so by itself, several in one transaction.

A change that is told of (`notes.NOTED`) is always of a transaction, which numbers it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.errors import DuplicateKeyError

from fhir_server.store.mongo.batch import Batch
from fhir_server.store.mongo.documents import Document
from fhir_server.store.mongo.reading import Reading
from fhir_server.store.mongo.rows import after_all
from fhir_server.store.mongo.writer import Writer
from fhir_server.store.notes import NOTED
from fhir_server.store.protocol import Drop, Keep, Put

#: (kind, key).
Place = tuple[str, str]
_TOGETHER = 1_000


class MongoRecords:
    """`Records` in the collection `records`."""

    def __init__(self, writer: Writer, collection: Any, reader: Reading) -> None:
        """Changes of several go to `writer`, of one to `collection`; `reader` reads."""
        self._writer = writer
        self._collection = collection
        self._reader = reader

    async def apply(self, changes: Sequence[Keep | Drop], appended: Sequence[Put] = ()) -> bool:
        """As `Records.apply`."""
        if len(changes) == 1 and not appended and changes[0].kind not in NOTED:
            return await self._alone(changes[0])

        async def task(batch: Batch) -> bool:
            places = [*dict.fromkeys((one.kind, one.key) for one in changes)]
            was = await _there(batch.stored.records, batch.session, places)
            there = _after(changes, {place: _value(was.get(place)) for place in places})
            if there is None:
                return False
            await batch.apply(appended, ())
            for kind, key in places:
                before = _value(was.get((kind, key)))
                if kind in NOTED and (before is not None or there[kind, key] is not None):
                    batch.note(kind, key, before is None)
            if changes:
                await batch.stored.records.bulk_write(_written(changes), session=batch.session)
            return True

        done: bool = await self._writer.perform(task, appended)
        return done

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """As `Records.get_each`."""

        async def read(session: Any) -> list[bytes | None]:
            found = await _there(self._collection, session, keys)
            return [_value(found.get(place)) for place in keys]

        given: list[bytes | None] = await self._reader(read) if keys else []
        return given

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        """As `Records.put`."""
        await self.apply([Keep(kind, key, value, ttl_seconds)])

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """As `Records.add`."""
        return await self.apply([Keep(kind, key, value, ttl_seconds, new=True)])

    async def get(self, kind: str, key: str) -> bytes | None:
        """As `Records.get`."""
        name = {"_id": _name(kind, key)}
        return _value(await self._reader.plainly(lambda: self._collection.find_one(name)))

    async def take(self, kind: str, key: str) -> bytes | None:
        """As `Records.take`."""
        if kind not in NOTED:
            found = await self._reader.written(lambda: self._collection.find_one_and_delete({"_id": _name(kind, key)}))
            return _value(found)

        async def task(batch: Batch) -> bytes | None:
            name = {"_id": _name(kind, key)}
            value = _value(await batch.stored.records.find_one_and_delete(name, session=batch.session))
            if value is not None:
                batch.note(kind, key, False)
            return value

        taken: bytes | None = await self._writer.perform(task)
        return taken

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        """As `Records.swap`; what was to expire still does."""
        return await self.apply([Keep(kind, key, new, old=old)])

    async def list_by(
        self, kind: str, rows: str, prefix: str, after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """As `Records.list_by`."""

        async def read(session: Any) -> Any:
            found: Any = []
            lot: list[str] = []
            async for one in self._rows(session, rows, prefix, prefix + after):
                lot.append(one["key"][len(prefix) :])
                if len(lot) == (_TOGETHER if count is None else min(_TOGETHER, count + 1)):
                    found += await self._led_to(session, kind, lot)
                    lot = []
                    if count is not None and len(found) >= count:
                        break
            found += await self._led_to(session, kind, lot)
            return found[:count]

        listed: list[tuple[str, bytes]] = await self._reader(read) if count != 0 else []
        return listed

    async def list(
        self, kind: str, prefix: str = "", after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """As `Records.list`."""

        async def read(session: Any) -> Any:
            found: Any = []
            async for one in self._rows(session, kind, prefix, after):
                if count is not None and len(found) >= count:
                    break
                found.append((one["key"], one["v"]))
            return found

        listed: list[tuple[str, bytes]] = await self._reader(read) if count != 0 else []
        return listed

    async def sweep(self, after: tuple[str, str] | None, count: int) -> Sequence[tuple[str, str, bytes]]:
        """As `Records.sweep`."""

        async def read(session: Any) -> Any:
            asked = {} if after is None else {"_id": {"$gt": _name(*after)}}
            rows = self._collection.find(asked, session=session).sort("_id", 1).limit(count)
            return [(one["kind"], one["key"], one["v"]) async for one in rows]

        swept: Sequence[tuple[str, str, bytes]] = await self._reader(read)
        return swept

    async def _rows(self, session: Any, kind: str, prefix: str, after: str) -> Any:
        """Unexpired documents of a kind whose key begins with `prefix` and follows `after`, in order."""
        start, end = _name(kind, prefix), after_all(_name(kind, prefix))
        bounds: Document = {"$gte": start, "$gt": _name(kind, after)}
        if end is not None:
            bounds["$lt"] = end
        async for one in self._collection.find({"_id": bounds}, session=session).sort("_id", 1):
            if _value(one) is not None:
                yield one

    async def _led_to(self, session: Any, kind: str, keys: Sequence[str]) -> Any:
        found = await _there(self._collection, session, [(kind, key) for key in keys])
        values = [(key, _value(found.get((kind, key)))) for key in keys]
        return [(key, value) for key, value in values if value is not None]

    async def _alone(self, change: Keep | Drop) -> bool:
        """One change that nobody is told of, by one command that is a matter of its document alone."""
        name = _name(change.kind, change.key)
        if isinstance(change, Drop):
            await self._reader.written(lambda: self._collection.delete_one({"_id": name}))
            return True
        row = _row(change)
        if change.old is not None:
            there: Document = {"_id": name, "v": change.old, **_unexpired()}
            fields = row if change.ttl_seconds is not None else {"v": change.value}
            if change.new:
                return False
            done = await self._reader.written(lambda: self._collection.update_one(there, {"$set": fields}))
            return bool(done.matched_count)
        if not change.new:
            await self._reader.written(lambda: self._collection.replace_one({"_id": name}, row, upsert=True))
            return True
        gone = {"_id": name, "e": {"$ne": None, "$lte": time.time()}}
        try:
            await self._reader.written(lambda: self._collection.replace_one(gone, row, upsert=True))
        except DuplicateKeyError:
            return False
        return True


def _name(kind: str, key: str) -> str:
    """The `_id` of a record: those of a kind stand together, in the order of their keys."""
    return f"{kind}\0{key}"


def _row(keep: Keep) -> Document:
    ends = None if keep.ttl_seconds is None else time.time() + keep.ttl_seconds
    row: Document = {"kind": keep.kind, "key": keep.key, "v": keep.value, "e": ends}
    return row if ends is None else {**row, "gone": datetime.fromtimestamp(min(ends, _LATEST), UTC)}


#: An instant that a date can say.
_LATEST = 253_000_000_000.0


def _unexpired() -> Document:
    return {"$or": [{"e": None}, {"e": {"$gt": time.time()}}]}


def _value(document: Document | None) -> bytes | None:
    """What a record holds, unless it has expired."""
    if document is None or (document["e"] is not None and document["e"] <= time.time()):
        return None
    value: bytes = document["v"]
    return value


async def _there(collection: Any, session: Any, places: Sequence[Place]) -> dict[Place, Document]:
    found: dict[Place, Document] = {}
    for begin in range(0, len(places), _TOGETHER):
        names = [_name(*place) for place in places[begin : begin + _TOGETHER]]
        async for one in collection.find({"_id": {"$in": names}}, session=session):
            found[one["kind"], one["key"]] = one
    return found


def _after(changes: Sequence[Keep | Drop], was: Mapping[Place, bytes | None]) -> dict[Place, bytes | None] | None:
    """What is at each place then; None where one of the changes does not hold."""
    there = dict(was)
    for change in changes:
        place = (change.kind, change.key)
        if isinstance(change, Keep) and not change.fits(there[place]):
            return None
        there[place] = change.value if isinstance(change, Keep) else None
    return there


def _written(changes: Sequence[Keep | Drop]) -> list[Any]:
    """The changes as commands, in their order; a `Keep` with an `old` value leaves the expiry where it says none."""
    commands: list[Any] = []
    for change in changes:
        name = {"_id": _name(change.kind, change.key)}
        if isinstance(change, Drop):
            commands.append(DeleteOne(name))
        elif change.old is not None and change.ttl_seconds is None:
            commands.append(UpdateOne(name, {"$set": {"v": change.value}}))
        else:
            commands.append(ReplaceOne(name, _row(change), upsert=True))
    return commands
