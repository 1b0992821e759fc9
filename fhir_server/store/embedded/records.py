"""Short-lived and secret things: a table of keys and values, changed only inside the writer's transactions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import apsw

from fhir_server.store.embedded.batch import Batch
from fhir_server.store.embedded.notes import note
from fhir_server.store.embedded.readers import Readers
from fhir_server.store.embedded.search import Search
from fhir_server.store.embedded.sql import conjunction, starting
from fhir_server.store.embedded.writer import Writer
from fhir_server.store.notes import NOTED
from fhir_server.store.protocol import Drop, Keep

_PUT = "INSERT OR REPLACE INTO record(kind, key, value, expires) VALUES(?, ?, ?, ?)"
_REPLACE = "UPDATE record SET value=? WHERE kind=? AND key=?"
_GET = "SELECT value FROM record WHERE kind=? AND key=? AND (expires IS NULL OR expires>?)"
_DELETE = "DELETE FROM record WHERE kind=? AND key=?"


class EmbeddedRecords:
    """`Records` on SQLite: a change is one task of the writer, so of several callers one is first."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        """Changes go to `writer`, reads to `readers`."""
        self._writer = writer
        self._readers = readers

    async def apply(self, changes: Sequence[Keep | Drop]) -> bool:
        """As `Records.apply`."""

        def task(_: Batch, connection: apsw.Connection) -> bool:
            # Judged before anything is written: the writer's transaction holds other callers' changes too.
            there = {place: _get(connection, *place) for place in {(one.kind, one.key) for one in changes}}
            was = dict(there)
            for change in changes:
                place = (change.kind, change.key)
                if isinstance(change, Keep) and not change.fits(there[place]):
                    return False
                there[place] = change.value if isinstance(change, Keep) else None
            for change in changes:
                before = was[change.kind, change.key]
                if before is not None or isinstance(change, Keep):
                    note(connection, change.kind, change.key, before is None)
                if isinstance(change, Keep) and change.old is not None and change.ttl_seconds is None:
                    connection.execute(_REPLACE, (change.value, change.kind, change.key))
                elif isinstance(change, Keep):
                    row = (change.kind, change.key, change.value, _expiry(change.ttl_seconds))
                    connection.execute(_PUT, row)
                else:
                    connection.execute(_DELETE, (change.kind, change.key))
            return True

        done: bool = await self._writer.perform(task)
        return done

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """As `Records.get_each`."""

        def read(search: Search) -> list[bytes | None]:
            with search.clock.snapshot():
                return [_get(search.connection, kind, key) for kind, key in keys]

        return await self._readers.quickly(read)

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        """As `Records.put`."""

        def task(_: Batch, connection: apsw.Connection) -> None:
            if kind in NOTED:
                note(connection, kind, key, _get(connection, kind, key) is None)
            connection.execute(_PUT, (kind, key, value, _expiry(ttl_seconds)))

        await self._writer.perform(task)

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """As `Records.add`."""

        def task(_: Batch, connection: apsw.Connection) -> bool:
            if _get(connection, kind, key) is not None:
                return False
            note(connection, kind, key, True)
            connection.execute(_PUT, (kind, key, value, _expiry(ttl_seconds)))
            return True

        kept: bool = await self._writer.perform(task)
        return kept

    async def get(self, kind: str, key: str) -> bytes | None:
        """As `Records.get`."""
        return await self._readers.quickly(lambda search: _get(search.connection, kind, key))

    async def take(self, kind: str, key: str) -> bytes | None:
        """As `Records.take`."""

        def task(_: Batch, connection: apsw.Connection) -> bytes | None:
            value = _get(connection, kind, key)
            if value is not None:
                note(connection, kind, key, False)
                connection.execute(_DELETE, (kind, key))
            return value

        taken: bytes | None = await self._writer.perform(task)
        return taken

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        """As `Records.swap`; what was to expire still does."""

        def task(_: Batch, connection: apsw.Connection) -> bool:
            if _get(connection, kind, key) != old:
                return False
            note(connection, kind, key, False)
            connection.execute(_REPLACE, (new, kind, key))
            return True

        swapped: bool = await self._writer.perform(task)
        return swapped

    async def list_by(
        self, kind: str, rows: str, prefix: str, after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """As `Records.list_by`."""
        here = conjunction([starting("row.key", prefix)])
        text = (
            "SELECT record.key, record.value FROM record AS row CROSS JOIN record"
            " ON record.kind=? AND record.key=substr(row.key, ?) AND (record.expires IS NULL OR record.expires>?)"
            f" WHERE row.kind=? AND (row.expires IS NULL OR row.expires>?) AND {here.text} AND row.key>?"
            " ORDER BY row.key LIMIT ?"
        )
        now = time.time()
        some = -1 if count is None else count
        values = (kind, len(prefix) + 1, now, rows, now, *here.values, prefix + after, some)
        found: list[Any] = await self._readers.quickly(
            lambda search: search.connection.execute(text, values).fetchall()
        )
        return found

    async def list(
        self, kind: str, prefix: str = "", after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """As `Records.list`."""
        here = conjunction([starting("key", prefix)])
        text = (
            "SELECT key, value FROM record WHERE kind=? AND (expires IS NULL OR expires>?)"
            f" AND {here.text} AND key>? ORDER BY key LIMIT ?"
        )
        values: tuple[Any, ...] = (kind, time.time(), *here.values, after, -1 if count is None else count)
        found: list[Any] = await self._readers.quickly(
            lambda search: search.connection.execute(text, values).fetchall()
        )
        return found


def _get(connection: apsw.Connection, kind: str, key: str) -> bytes | None:
    value: bytes | None = connection.execute(_GET, (kind, key, time.time())).get
    return value


def _expiry(ttl_seconds: float | None) -> float | None:
    return None if ttl_seconds is None else time.time() + ttl_seconds
