"""The numbers that stand for resource types, search parameters and URIs in the rows, and a cache of them.

A number, once committed, never changes its meaning, so what is cached stays true in every process. What a transaction
adds is staged until it commits.
"""

from __future__ import annotations

import apsw

#: More qualifiers than any set of code systems in use; beyond, the cache starts anew.
_MOST_CACHED = 100_000


def is_uri(qualifier: str) -> bool:
    """Whether a qualifier is kept as a number: code systems repeat on every row, anything else hardly."""
    return ("://" in qualifier or qualifier.startswith("urn:")) and " " not in qualifier and len(qualifier) < 250


class Names:
    """The numbers known so far. One for each process: the readers look up, the writer also adds."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._systems: dict[str, int] = {}
        self._new_numbers: dict[tuple[str, str], int] = {}
        self._new_systems: dict[str, int] = {}

    def find(self, connection: apsw.Connection, type: str, code: str = "") -> int | None:
        """The number of a parameter of `type`, or of the type itself; None when no row has ever had it."""
        number = self._numbers.get((type, code))
        if number is None:
            number = connection.execute("SELECT id FROM name WHERE type=? AND code=?", (type, code)).get
            if number is not None and not is_writing(connection):
                self._numbers[type, code] = number
        return number

    def find_qualifier(self, connection: apsw.Connection, qualifier: str) -> int | str | None:
        """How rows write `qualifier`; None when no row has ever had it."""
        number = self._systems.get(qualifier)
        if number is None:
            if not is_uri(qualifier):
                return qualifier
            number = connection.execute("SELECT id FROM system WHERE uri=?", (qualifier,)).get
            if number is not None and not is_writing(connection):
                self._keep(qualifier, number)
        return number

    def add(self, connection: apsw.Connection, type: str, code: str = "") -> int:
        """The number of a parameter or type, given one in this transaction if it has none."""
        number = self._numbers.get((type, code)) or self._new_numbers.get((type, code))
        if number is None:
            number = connection.execute("SELECT id FROM name WHERE type=? AND code=?", (type, code)).get
            if number is None:
                connection.execute("INSERT INTO name(type, code) VALUES(?, ?)", (type, code))
                number = connection.last_insert_rowid()
            self._new_numbers[type, code] = number
        return number

    def add_qualifier(self, connection: apsw.Connection, qualifier: str) -> int | str:
        """How rows write `qualifier`, a URI given its number in this transaction if it has none."""
        number = self._systems.get(qualifier) or self._new_systems.get(qualifier)
        if number is None:
            if not is_uri(qualifier):
                return qualifier
            number = connection.execute("SELECT id FROM system WHERE uri=?", (qualifier,)).get
            if number is None:
                connection.execute("INSERT INTO system(uri) VALUES(?)", (qualifier,))
                number = connection.last_insert_rowid()
            self._new_systems[qualifier] = number
        return number

    def commit(self) -> None:
        """The transaction that added is durable: others may now use its numbers."""
        self._numbers.update(self._new_numbers)
        for uri, number in self._new_systems.items():
            self._keep(uri, number)
        self.rollback()

    def rollback(self) -> None:
        """The transaction that added is undone."""
        self._new_numbers.clear()
        self._new_systems.clear()

    def _keep(self, uri: str, number: int) -> None:
        if len(self._systems) >= _MOST_CACHED:
            self._systems.clear()
        self._systems[uri] = number


def is_writing(connection: apsw.Connection) -> bool:
    """Whether what the connection sees may be undone yet; a reader's snapshot holds only what is committed."""
    return connection.txn_state() == apsw.SQLITE_TXN_WRITE
