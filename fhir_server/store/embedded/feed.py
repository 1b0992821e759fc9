"""The feed of changes: versions in the order of their commits, each named without its content.

`seq` is given under the write lock and rises by one a version, whichever process writes: what has a greater one was
committed later, and none is ever filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.changes import Changed, Changes
from fhir_server.store.embedded.batch import METHODS
from fhir_server.store.embedded.search import Search
from fhir_server.store.embedded.sql import FALSE, TRUE
from fhir_server.store.protocol import Position

_LAST = "SELECT max(coalesce((SELECT max(seq) FROM version), 0), seq) FROM stood"
_ROWS = """
SELECT v.seq, v.type, r.id, v.vid, v.at, v.method FROM version v NOT INDEXED JOIN resource r ON r.rid = v.rid
WHERE v.seq > ? AND v.seq <= ? AND {kinds} ORDER BY v.seq LIMIT ?"""


class Feed:
    """Reads changes on the connection of a `Search`."""

    def __init__(self, search: Search) -> None:
        """`search` lends its connection and its names."""
        self._search = search

    def after(self, position: Position | None, types: Sequence[str], count: int) -> Changes:
        """Arguments and result as `Store.changes`."""
        with self._search.clock.snapshot():
            return self.read(position, types, count)

    def read(self, position: Position | None, types: Sequence[str], count: int) -> Changes:
        """As `after`, inside a snapshot."""
        last: int = self._search.connection.execute(_LAST).get
        if position is None:
            return Changes((), (last,))
        since = place(position)
        kinds = self._search.compiler.types(tuple(types), "v.type") if types else TRUE
        if since > last:
            # Another store's, or this one's before a backup was restored over it.
            raise InvalidParameter("The place is not one of this store's changes.", "http.cursor")
        if kinds == FALSE or since == last:
            return Changes((), (last,))
        query = _ROWS.format(kinds=kinds.text)
        rows: list[Any] = self._search.connection.execute(query, (since, last, *kinds.values, count)).fetchall()
        changed = tuple([Changed(self._search.kind(t), id, vid, at, METHODS[m]) for _, t, id, vid, at, m in rows])
        return Changes(changed, (rows[-1][0],) if len(rows) == count else (last,))


def place(position: Position) -> int:
    """The number that a position is.

    Raises:
        InvalidParameter: it is none.
    """
    if len(position) != 1 or not isinstance(position[0], int) or not 0 <= position[0] < 2**62:
        raise InvalidParameter("The place is not one of this store's changes.", "http.cursor")
    return position[0]
