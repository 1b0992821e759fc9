"""The embedded engine put together: `open_engine` gives a `Store` and a `Records` on one SQLite file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import apsw

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.chain import Stretch
from fhir_server.store.changes import Changes
from fhir_server.store.embedded.batch import METHODS, Batch
from fhir_server.store.embedded.chain import stretch
from fhir_server.store.embedded.checkpoints import Checkpoints
from fhir_server.store.embedded.conditions import Frame
from fhir_server.store.embedded.connections import Clock, open_writer, said
from fhir_server.store.embedded.costs import shape
from fhir_server.store.embedded.feed import Feed
from fhir_server.store.embedded.history import History
from fhir_server.store.embedded.maintenance import EmbeddedMaintenance
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.notes import news
from fhir_server.store.embedded.numbered import numbered
from fhir_server.store.embedded.outstanding import DEFERRED, any_outstanding, asks
from fhir_server.store.embedded.purging import emptied, is_scoured, merged, purge
from fhir_server.store.embedded.readers import Readers
from fhir_server.store.embedded.records import EmbeddedRecords
from fhir_server.store.embedded.schema import prepare
from fhir_server.store.embedded.search import Search
from fhir_server.store.embedded.traversal import traverse
from fhir_server.store.embedded.turnstile import Turnstile
from fhir_server.store.embedded.writer import Writer
from fhir_server.store.filters import Index
from fhir_server.store.notes import News
from fhir_server.store.protocol import NEWEST, Guard, Page, Position, Put, Scope, Sort, Version, Want, Write
from fhir_server.store.random_ids import random_id

_READ = """
SELECT r.vid, r.at, r.method, r.size, c.bytes
FROM resource r CROSS JOIN content c ON c.seq=r.seq WHERE r.type=? AND r.id=?"""

#: What finding costs depends on how much is read of what is found.
_FIND: dict[Want, str] = {"head": "find-heads", "index": "find-indexes", "bare": "find", "body": "find"}
#: With less than this left on its disk, in bytes, the store is not sent any more to be written.
_LEAST_FREE = 16_000_000


class EmbeddedStore:
    """`Store` on one SQLite file: one writer, several readers."""

    def __init__(self, writer: Writer, readers: Readers, path: Path) -> None:
        """Writes go to `writer`, reads to `readers`, both of the file at `path`."""
        self._writer = writer
        self._readers = readers
        self._path = path

    def new_id(self, type: str, owner: Callable[[], str | None] | None = None) -> str:
        """As `Store.new_id`: 96 bits in 24 characters that sort alike everywhere, in traces after the time (ms)."""
        if type != DEFERRED:
            return random_id()
        # Traces of one commit stand together in the index of ids: else each has a page written, nearly half of all.
        return f"{time.time_ns() // 1_000_000:012x}{random_id()}"

    async def read(self, type: str, id: str) -> Version | None:
        """As `Store.read`."""
        return await self._readers.quickly(lambda search: _read(search, type, id))

    async def read_many(self, keys: Sequence[tuple[str, str]], want: Want = "body") -> list[Version | None]:
        """As `Store.read_many`."""
        return await self._readers.quickly(lambda search: search.versions_of(keys, want))

    async def vread_many(
        self, keys: Sequence[tuple[str, str, int]], want: Want = "body", most_bytes: int | None = None
    ) -> list[Version | None]:
        """As `Store.vread_many`."""
        return await self._readers.quickly(lambda search: numbered(search, keys, most_bytes))

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
        await self._indexed(scope)
        return await self._readers.quickly(
            lambda search: search.find(scope, sort, after, count, most_bytes, want), shape(_FIND[want], scope, sort)
        )

    async def find_each(self, scopes: Sequence[Scope], count: int = 50, want: Want = "body") -> list[Page]:
        """As `Store.find_each`."""
        await self._indexed(*scopes)
        return await self._readers.quickly(lambda search: search.find_each(scopes, count, want))

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        """As `Store.count`."""
        await self._indexed(scope)
        kind = "count" if limit is None else "count-some"
        return await self._readers.quickly(lambda search: search.count(scope, limit), shape(kind, scope))

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
        await self._indexed(scope)
        return await self._readers.quickly(
            lambda search: History(search).page(scope, id, since, at, after, count, most_bytes),
            None if id is not None else shape("history", scope),
        )

    async def history_count(
        self, scope: Scope, id: str | None = None, since: int | None = None, at: tuple[int, int] | None = None
    ) -> int:
        """As `Store.history_count`."""
        await self._indexed(scope)
        return await self._readers.quickly(
            lambda search: History(search).count(scope, id, since, at),
            None if id is not None else shape("history-count", scope),
        )

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """As `Store.transact`."""
        versions: list[Version] = await self._writer.transact(writes, guards)
        return versions

    async def changes(self, after: Position | None, types: Sequence[str] = (), count: int = 1_000) -> Changes:
        """As `Store.changes`."""
        return await self._readers.quickly(lambda search: Feed(search).after(after, types, count))

    async def append(self, puts: Sequence[Put]) -> None:
        """As `Store.append`: what many callers append is one commit, as all writes are."""
        await self._writer.transact(puts, ())

    async def chain(self, after: int | None = None, since: int | None = None, count: int = 1_000) -> Stretch:
        """As `Store.chain`."""
        return await self._readers.slowly(lambda search: stretch(search, after, since, count), patient=True)

    async def walk(self, scope: Scope, after: Position | None = None, count: int = 500, want: Want = "body") -> Page:
        """As `Store.walk`."""
        await self._indexed(scope)
        return await self._readers.slowly(lambda search: traverse(search, scope, after, count, want))

    async def reindex(self, entries: Sequence[tuple[Version, Index]]) -> int:
        """As `Store.reindex`."""

        def task(batch: Batch, _: apsw.Connection) -> int:
            return sum(batch.reindex(v.type, v.id, v.version, index) for v, index in entries)

        replaced: int = await self._writer.perform(task)
        return replaced

    async def purge(self, keys: Sequence[tuple[str, str]], under: str = "") -> int:
        """As `Store.purge`."""
        return int(await self._writer.perform(lambda batch, connection: purge(batch, connection, keys, under)))

    async def scour(self) -> bool:
        """As `Store.scour`."""
        if await self._readers.quickly(lambda search: is_scoured(search.connection)):
            return True
        if not await self._writer.perform(lambda _, connection: merged(connection)):
            return False
        return await self._readers.aside(lambda: emptied(self._path))

    async def explain(self, scope: Scope, sort: Sequence[Sort] = NEWEST) -> Sequence[str]:
        """As `Store.explain`."""
        await self._indexed(scope)
        return await self._readers.quickly(lambda search: search.explain(scope, sort))

    async def _indexed(self, *scopes: Scope) -> None:
        """Whatever was committed until now, and these scopes ask for, has its index rows."""
        if any(map(asks, scopes)) and await self._readers.quickly(lambda search: any_outstanding(search.connection)):
            await self._writer.index()


@dataclass(frozen=True, slots=True)
class EmbeddedEngine:
    """`Engine` on one SQLite file."""

    store: EmbeddedStore
    records: EmbeddedRecords
    maintenance: EmbeddedMaintenance
    _path: Path
    _writer: Writer
    _readers: Readers
    _connection: apsw.Connection
    _checkpoints: Checkpoints

    @property
    def pending(self) -> int:
        """How many writes wait."""
        return self._writer.pending

    async def changes(
        self, after: Position | None, types: Sequence[str] = (), kinds: Sequence[str] = (), count: int = 1_000
    ) -> News:
        """As `Engine.changes`."""
        return await self._readers.quickly(lambda search: news(search, after, types, kinds, count))

    async def unwritable(self) -> str | None:
        """As `Engine.unwritable`: there is hardly room on the disk, or the last write failed and one tried now does."""
        try:
            if await self._readers.aside(lambda: shutil.disk_usage(self._path.parent).free) < _LEAST_FREE:
                return "The disk of the store is full, or nearly: reading goes on, writing does not."
            if self._writer.refused:
                await self._writer.perform(_tried)
        except FhirError as error:
            return f"{error} Reading goes on."
        except OSError:
            return "The folder of the store cannot be reached."
        return None

    async def close(self) -> None:
        """Finish what was accepted, then let go of the files."""
        await self._readers.aside(self._writer.close)
        await self._readers.aside(self._checkpoints.close)
        self._readers.close()
        self._connection.close()


def open_engine(
    path: Path,
    *,
    max_pending: int = 2_000,
    busy_seconds: float = 5.0,
    waiting_seconds: float | None = None,
    deadline_seconds: float = 30.0,
    threads: int = 2,
) -> EmbeddedEngine:
    """Open the store at `path`, creating it when there is none. Several processes may have it open.

    Args:
        path: the SQLite file; `-wal` and `-shm` stand beside it while it is open.
        max_pending: writes that may wait; more are refused with 503.
        busy_seconds: how long to wait for another process that is writing.
        waiting_seconds: how long writes wait for it; None for as long as all else.
        deadline_seconds: how long one read may take.
        threads: how many long reads run at once.

    Raises:
        Unavailable: the file cannot be opened, is not a store, or is a newer server's.
    """
    waiting = busy_seconds if waiting_seconds is None else waiting_seconds
    connection = open_writer(path, waiting)
    try:
        prepare(connection)
    except apsw.Error as error:
        # Said while the connection still knows what the system answered.
        refusal = said(error, connection)
        connection.close()
        raise refusal from error
    except BaseException:
        connection.close()
        raise
    names = Names()
    search = Search(connection, names, Clock(connection))
    readers = Readers(path, names, threads, busy_seconds, deadline_seconds)
    turnstile = Turnstile(path, connection, waiting)
    writer = Writer(connection, names, lambda _, guard: _holds(search, guard, deadline_seconds), max_pending, turnstile)
    checkpoints = Checkpoints(path, connection, busy_seconds)
    return EmbeddedEngine(
        EmbeddedStore(writer, readers, path),
        EmbeddedRecords(writer, readers),
        EmbeddedMaintenance(path, readers),
        path,
        writer,
        readers,
        connection,
        checkpoints,
    )


def _tried(_: Batch, connection: apsw.Connection) -> None:
    """Write about as much as a resource takes, again in the same place each time."""
    connection.execute(
        "INSERT OR REPLACE INTO record(kind, key, value, expires) VALUES('trial', 'write', randomblob(32768), 0)"
    )


def _read(search: Search, type: str, id: str) -> Version | None:
    row = search.connection.execute(_READ, (search.compiler.type(type), id)).fetchone()
    if row is None:
        return None
    vid, at, method, size, blob = row
    return Version(type, id, vid, at, METHODS[method], blob[:size], blob[size:])


def _holds(search: Search, guard: Guard, seconds: float) -> bool:
    """Whether the current resources that match are exactly those of the guard, as its transaction sees them."""
    search.clock.start(seconds)
    try:
        return search.ids(guard.where, Frame((guard.type,)), len(guard.ids) + 1) == guard.ids
    finally:
        # What the transaction goes on to write is not to be ended.
        search.clock.start(inf)
