"""The engine on MongoDB put together: a `Store` and a `Records` on one database of a replica set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.chain import Stretch
from fhir_server.store.changes import Changes
from fhir_server.store.filters import Index
from fhir_server.store.mongo import feed, routing
from fhir_server.store.mongo.batch import Batch
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import WANTED, current, key
from fhir_server.store.mongo.explaining import explained
from fhir_server.store.mongo.history import History
from fhir_server.store.mongo.purging import purge
from fhir_server.store.mongo.reading import Reading
from fhir_server.store.mongo.records import MongoRecords
from fhir_server.store.mongo.search import Search
from fhir_server.store.mongo.traces import stretch
from fhir_server.store.mongo.writer import Writer
from fhir_server.store.notes import News
from fhir_server.store.protocol import NEWEST, Guard, Page, Position, Put, Scope, Sort, Version, Want, Write

#: How long, in seconds, it is looked whether the database takes writes: whoever asks waits for it.
_LOOKED = 3.0
#: How often, in seconds, a process throws away notes that nobody needs any more.
_PRUNED = 600.0


class MongoStore:
    """`Store` on MongoDB: transactions one after the other, each reading from a snapshot of its own."""

    def __init__(self, stored: Collections, writer: Writer, reading: Reading) -> None:
        """Writes go to `writer`; `reading` runs all that reads."""
        self._stored = stored
        self._writer = writer
        self._reading = reading

    def new_id(self, type: str, owner: Callable[[], str | None] | None = None) -> str:
        """As `Store.new_id`: led by the part of the data where it will lie."""
        return routing.new_id(type, owner)

    async def read(self, type: str, id: str) -> Version | None:
        """As `Store.read`."""
        name = routing.routed([key(type, id)])
        found = await self._reading.plainly(lambda: self._stored.res.find_one(name, WANTED["body"]))
        # A body that is longer than a document lies elsewhere.
        if found is not None and found["z"] != len(found["b"]):
            return (await self.read_many([(type, id)]))[0]
        return None if found is None else current(found)

    async def read_many(self, keys: Sequence[tuple[str, str]], want: Want = "body") -> list[Version | None]:
        """As `Store.read_many`."""
        if not keys:
            return []
        return await self._reading(lambda session: Search(self._stored, session).named(keys, want))

    async def vread_many(
        self, keys: Sequence[tuple[str, str, int]], want: Want = "body", most_bytes: int | None = None
    ) -> list[Version | None]:
        """As `Store.vread_many`."""
        if not keys:
            return []
        want = "body" if want == "bare" else want
        return await self._reading(lambda session: Search(self._stored, session).numbered(keys, want, most_bytes))

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """As `Store.find`."""
        return await self._reading(
            lambda session: Search(self._stored, session).find(scope, sort, after, count, most_bytes, want)
        )

    async def find_each(self, scopes: Sequence[Scope], count: int = 50, want: Want = "body") -> list[Page]:
        """As `Store.find_each`."""

        async def read(session: Any) -> list[Page]:
            search = Search(self._stored, session)
            return [await search.find(scope, NEWEST, None, count, None, want) for scope in scopes]

        return await self._reading(read) if scopes else []

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        """As `Store.count`."""
        return await self._reading(lambda session: Search(self._stored, session).count(scope, limit))

    async def history(
        self,
        scope: Scope,
        id: str | None = None,
        since: int | None = None,
        at: tuple[int, int] | None = None,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """As `Store.history`."""
        return await self._reading(
            lambda session: History(self._stored, session).page(scope, id, since, at, after, count, most_bytes, want)
        )

    async def history_count(
        self, scope: Scope, id: str | None = None, since: int | None = None, at: tuple[int, int] | None = None
    ) -> int:
        """As `Store.history_count`."""
        return await self._reading(lambda session: History(self._stored, session).count(scope, id, since, at))

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """As `Store.transact`."""
        versions: list[Version] = await self._writer.transact(writes, guards)
        return versions

    async def changes(self, after: Position | None, types: Sequence[str] = (), count: int = 1_000) -> Changes:
        """As `Store.changes`."""
        return await self._reading(lambda session: feed.changes(self._stored, session, after, types, count))

    async def append(self, puts: Sequence[Put]) -> None:
        """As `Store.append`: what many callers append is one commit, as all writes are."""
        await self._writer.transact(puts, ())

    async def chain(self, after: int | None = None, since: int | None = None, count: int = 1_000) -> Stretch:
        """As `Store.chain`."""
        return await self._reading(lambda session: stretch(self._stored, session, after, since, count))

    async def walk(self, scope: Scope, after: Position | None = None, count: int = 500, want: Want = "body") -> Page:
        """As `Store.walk`."""
        return await self._reading(lambda session: Search(self._stored, session).walk(scope, after, count, want))

    async def reindex(self, entries: Sequence[tuple[Version, Index]]) -> int:
        """As `Store.reindex`."""

        async def task(batch: Batch) -> int:
            return sum([await batch.reindex(version, index) for version, index in entries])

        replaced: int = await self._writer.perform(task)
        return replaced

    async def purge(self, keys: Sequence[tuple[str, str]], under: str = "") -> int:
        """As `Store.purge`."""
        return int(await self._writer.perform(lambda batch: purge(batch, keys, under)))

    async def scour(self) -> bool:
        """As `Store.scour`: at once, since the database itself lets go of what is deleted."""
        return True

    async def explain(self, scope: Scope, sort: Sequence[Sort] = NEWEST) -> Sequence[str]:
        """As `Store.explain`."""
        return await self._reading(lambda session: explained(self._stored, session, scope, tuple(sort) or NEWEST))


class MongoEngine:
    """`Engine` on one database of a replica set.

    Attributes:
        store, records: both protocols.
    """

    def __init__(
        self, client: Any, stored: Collections, max_pending: int, waiting_seconds: float, deadline_seconds: float
    ) -> None:
        """`client` is this engine's own, to be closed with it."""
        self._client = client
        self._stored = stored
        self._writer = Writer(client, stored, max_pending, waiting_seconds)
        self._reading = Reading(client, deadline_seconds)
        self._looking = Reading(client, _LOOKED)
        self._pruned = time.monotonic()
        self.store = MongoStore(stored, self._writer, self._reading)
        self.records = MongoRecords(self._writer, stored.records, self._reading)

    @property
    def maintenance(self) -> None:
        """None: a database is copied and looked through by its own tools."""
        return None

    @property
    def pending(self) -> int:
        """How many writes wait."""
        return self._writer.pending

    async def changes(
        self, after: Position | None, types: Sequence[str] = (), kinds: Sequence[str] = (), count: int = 1_000
    ) -> News:
        """As `Engine.changes`."""
        if time.monotonic() - self._pruned > _PRUNED:
            self._pruned = time.monotonic()
            await self._reading.written(lambda: feed.prune(self._stored))
        return await self._reading(lambda session: feed.news(self._stored, session, after, types, kinds, count))

    async def unwritable(self) -> str | None:
        """As `Engine.unwritable`: there is no primary, or the last write failed and one tried now does."""
        try:
            await self._looking.written(lambda: self._client.admin.command("ping"))
            if self._writer.refused:
                async with asyncio.timeout(_LOOKED):
                    await self._writer.perform(_tried)
        except FhirError as error:
            return f"{error} Writing does not go on."
        except TimeoutError:
            return "The database of the store takes no writes now."
        return None

    async def close(self) -> None:
        """Finish what was accepted, then let go of the connections."""
        await self._writer.close()
        await self._reading.close()
        await self._looking.close()
        await self._client.close()


async def _tried(batch: Batch) -> None:
    """Nothing more than the turn that every transaction takes."""
