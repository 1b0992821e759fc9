"""Short-lived and secret things: a table of keys and values, changed only inside the writer's transactions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import apsw

from fhir_server.store.embedded.batch import Batch
from fhir_server.store.embedded.notes import note
from fhir_server.store.embedded.readers import Readers
from fhir_server.store.embedded.search import Search
from fhir_server.store.embedded.sql import conjunction, starting
from fhir_server.store.embedded.writer import Writer
from fhir_server.store.notes import NOTED
from fhir_server.store.protocol import Drop, Keep, Put

#: (kind, key).
Place = tuple[str, str]

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

    async def apply(self, changes: Sequence[Keep | Drop], appended: Sequence[Put] = ()) -> bool:
        """As `Records.apply`."""

        def task(batch: Batch, connection: apsw.Connection) -> bool:
            # Judged before anything is written: the writer's transaction holds other callers' changes too.
            was = _there(connection, list({(one.kind, one.key): None for one in changes if _is_looked_at(one)}))
            there = _after(changes, was)
            if there is None:
                return False
            batch.apply(appended, ())
            for place, before in was.items():
                if before is not None or there[place] is not None:
                    note(connection, *place, before is None)
            _write(connection, changes)
            return True

        done: bool = await self._writer.perform(task, appended)
        return done

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """As `Records.get_each`."""

        def read(search: Search) -> list[bytes | None]:
            if len(keys) <= _TOGETHER:
                found = _there(search.connection, keys)
                return [found[place] for place in keys]
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

    async def sweep(self, after: tuple[str, str] | None, count: int) -> Sequence[tuple[str, str, bytes]]:
        """As `Records.sweep`."""
        text = "SELECT kind, key, value FROM record WHERE (kind, key)>(?, ?) ORDER BY kind, key LIMIT ?"
        values = (*(after or ("", "")), count)
        found: list[Any] = await self._readers.quickly(
            lambda search: search.connection.execute(text, values).fetchall()
        )
        return found


#: Records that are looked up, or put, by one statement: between two the writer gives way to the event loop.
_TOGETHER = 32


def _is_conditional(change: Keep | Drop) -> bool:
    return isinstance(change, Keep) and (change.new or change.old is not None)


def _is_looked_at(change: Keep | Drop) -> bool:
    """Whether what was there before is of any matter."""
    return change.kind in NOTED or _is_conditional(change)


def _is_plain(change: Keep | Drop) -> bool:
    """Whether it is kept as something new, with an expiry of its own."""
    return isinstance(change, Keep) and (change.old is None or change.ttl_seconds is not None)


def _after(changes: Sequence[Keep | Drop], was: Mapping[Place, bytes | None]) -> dict[Place, bytes | None] | None:
    """What is at each place then; None where one of the changes does not hold."""
    there = dict(was)
    for change in changes:
        place = (change.kind, change.key)
        if isinstance(change, Keep) and _is_conditional(change) and not change.fits(there[place]):
            return None
        there[place] = change.value if isinstance(change, Keep) else None
    return there


def _write(connection: apsw.Connection, changes: Sequence[Keep | Drop]) -> None:
    for plain, some in groupby(changes, _is_plain):
        if plain:
            _put_each(connection, [one for one in some if isinstance(one, Keep)])
            continue
        for change in some:
            if isinstance(change, Keep):
                connection.execute(_REPLACE, (change.value, change.kind, change.key))
            else:
                connection.execute(_DELETE, (change.kind, change.key))


def _there(connection: apsw.Connection, places: Sequence[Place]) -> dict[Place, bytes | None]:
    """What is at each of `places`."""
    found: dict[Place, bytes | None] = dict.fromkeys(places)
    for start in range(0, len(places), _TOGETHER):
        some = places[start : start + _TOGETHER]
        rows = ",".join(["(?,?)"] * len(some))
        text = (
            f"WITH asked(kind, key) AS (VALUES {rows}) SELECT r.kind, r.key, r.value FROM asked a"
            " CROSS JOIN record r ON r.kind=a.kind AND r.key=a.key WHERE r.expires IS NULL OR r.expires>?"
        )
        values: tuple[Any, ...] = (*[part for place in some for part in place], time.time())
        for kind, key, value in connection.execute(text, values):
            found[kind, key] = value
    return found


def _put_each(connection: apsw.Connection, kept: Sequence[Keep]) -> None:
    for start in range(0, len(kept), _TOGETHER):
        some = kept[start : start + _TOGETHER]
        rows = ",".join(["(?,?,?,?)"] * len(some))
        values: list[Any] = []
        for one in some:
            values += (one.kind, one.key, one.value, _expiry(one.ttl_seconds))
        connection.execute(f"INSERT OR REPLACE INTO record(kind, key, value, expires) VALUES {rows}", tuple(values))


def _get(connection: apsw.Connection, kind: str, key: str) -> bytes | None:
    value: bytes | None = connection.execute(_GET, (kind, key, time.time())).get
    return value


def _expiry(ttl_seconds: float | None) -> float | None:
    return None if ttl_seconds is None else time.time() + ttl_seconds
