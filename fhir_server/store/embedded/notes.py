"""Notes of changed records: written in the transaction of the change, numbered in the order of commits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import apsw

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.embedded.feed import Feed, place
from fhir_server.store.embedded.search import Search
from fhir_server.store.notes import NOTED, NOTES_SECONDS, News, Noted
from fhir_server.store.protocol import Position

_NOTE = "INSERT INTO record_change(kind, key, new, at) VALUES(?, ?, ?, ?)"
_LAST = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name='record_change'), 0)"
_FIRST = "SELECT min(seq) FROM record_change"
_ROWS = "SELECT seq, kind, key, new FROM record_change WHERE seq > ? ORDER BY seq LIMIT ?"
_PRUNE = "DELETE FROM record_change WHERE seq IN (SELECT seq FROM record_change WHERE at < ? ORDER BY seq LIMIT 10000)"


def note(connection: apsw.Connection, kind: str, key: str, new: bool) -> None:
    """Note that a record is changed by the transaction under way, where somebody may remember it."""
    if kind in NOTED:
        connection.execute(_NOTE, (kind, key, new, time.time()))


def pruned(connection: apsw.Connection) -> None:
    """Throw away notes that are older than anybody needs."""
    connection.execute(_PRUNE, (time.time() - NOTES_SECONDS,))


def news(search: Search, after: Position | None, types: Sequence[str], kinds: Sequence[str], count: int) -> News:
    """Arguments and result as `Engine.changes`."""
    if after is not None and len(after) != 2:
        raise InvalidParameter(_NO_PLACE, "http.cursor")
    connection = search.connection
    with search.clock.snapshot():
        changes = Feed(search).read(None if after is None else after[:1], types, count)
        last: int = connection.execute(_LAST).get
        since = last if after is None else place(after[1:])
        if since > last:
            # Another store's, or this one's before a backup was restored over it.
            raise InvalidParameter(_NO_PLACE, "http.cursor")
        first: int | None = connection.execute(_FIRST).get
        rows: list[Any] = connection.execute(_ROWS, (since, count)).fetchall() if since < last else []
    return News(
        changes.changed,
        tuple([Noted(kind, key, bool(new)) for _, kind, key, new in rows if not kinds or kind in kinds]),
        (*changes.position, rows[-1][0] if len(rows) == count else last),
        more=len(rows) == count or len(changes.changed) == count,
        whole=since == last or (first is not None and first <= since + 1),
    )


_NO_PLACE = "The place is not one of this store's changes."
