"""Names that one resource of a type alone holds, kept under a unique key beside the resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw
import msgspec

from fhir_server.store.embedded.names import Names
from fhir_server.store.protocol import Delete, Put, Stale, Write

#: (type, id) of a resource, and (type, name) of a claim.
Key = tuple[str, str]
Claim = tuple[str, str]

_HELD = """
SELECT j.key, c.rid FROM json_each(?) j CROSS JOIN claim c ON c.type = j.value->>0 AND c.name = j.value->>1"""
_FREE = "DELETE FROM claim WHERE rid IN (SELECT value FROM json_each(?))"
_TAKE = "INSERT INTO claim(type, name, rid) SELECT value->>0, value->>1, value->>2 FROM json_each(?)"


def claimed(writes: Iterable[Write]) -> dict[Key, frozenset[str]]:
    """The names that each resource holds after `writes`, of those whose names they settle: (type, id) → names."""
    found: dict[Key, frozenset[str]] = {}
    for write in writes:
        if isinstance(write, Delete):
            found[write.type, write.id] = frozenset()
        elif write.claims is not None:
            found[write.type, write.id] = write.claims
    return found


class Claims:
    """Who holds the names that one batch of writes asks for, as it goes on: asked once, and written down once."""

    def __init__(self, connection: apsw.Connection, names: Names, writes: Iterable[Write]) -> None:
        """Read who holds what `writes` claim.

        Args:
            connection: in its transaction.
            names: gives types their numbers.
            writes: of all callers of the batch.
        """
        self._connection = connection
        self._names = names
        self._holders: dict[Claim, int] = {}
        self._held: dict[int, set[Claim]] = {}
        # Waiting for `flush`: whose stored names are free, and who took which.
        self._freed: set[int] = set()
        self._taken: dict[Claim, int] = {}
        asked = [
            *dict.fromkeys((one.type, name) for one in writes if isinstance(one, Put) for name in one.claims or ())
        ]
        if asked:
            rows = [(names.add(connection, type), name) for type, name in asked]
            found: list[Any] = connection.execute(_HELD, (msgspec.json.encode(rows).decode(),)).fetchall()
            for place, rid in found:
                self._hold(asked[place], rid)

    def require_free(
        self, writes: Sequence[Write], wanted: Mapping[Key, frozenset[str]], numbers: Mapping[Key, int]
    ) -> None:
        """Refuse a name that two of the writes want, or that a resource has which none of them frees it from.

        Args:
            writes: of one caller.
            wanted: what `claimed` says of them.
            numbers: of the resources of `wanted` that are there already.

        Raises:
            Stale: naming the write and the claim.
        """
        first: dict[Claim, Key] = {}
        free = set(numbers.values())
        for key, names in wanted.items():
            for name in sorted(names):
                claim = (key[0], name)
                if first.setdefault(claim, key) != key or self._holders.get(claim, -1) not in (-1, *free):
                    raise _refused(writes, key, name)

    def settle(self, wanted: Mapping[Key, frozenset[str]], before: Iterable[int], numbers: Mapping[Key, int]) -> None:
        """Note who holds what from now on.

        Args:
            wanted: as for `require_free`.
            before: the numbers of those resources of it that were there already, and let go of what they had.
            numbers: of all of them.
        """
        for rid in before:
            self._freed.add(rid)
            for claim in self._held.pop(rid, ()):
                del self._holders[claim]
                self._taken.pop(claim, None)
        for key, names in wanted.items():
            for name in names:
                self._hold((key[0], name), numbers[key])
                self._taken[key[0], name] = numbers[key]

    def forget(self, numbers: Iterable[int]) -> None:
        """These resources are no more, and the names they had are free already."""
        for rid in numbers:
            for claim in self._held.pop(rid, ()):
                del self._holders[claim]

    def flush(self) -> None:
        """Write down what waits, after the resources have numbers."""
        if self._freed:
            self._connection.execute(_FREE, (msgspec.json.encode(sorted(self._freed)).decode(),))
            self._freed.clear()
        if self._taken:
            rows = [(self._names.add(self._connection, type), name, rid) for (type, name), rid in self._taken.items()]
            self._connection.execute(_TAKE, (msgspec.json.encode(rows).decode(),))
            self._taken.clear()

    def _hold(self, claim: Claim, rid: int) -> None:
        self._holders[claim] = rid
        self._held.setdefault(rid, set()).add(claim)


def _refused(writes: Sequence[Write], key: Key, name: str) -> Stale:
    last = [w for w in writes if isinstance(w, Put) and (w.type, w.id) == key and w.claims is not None]
    return Stale(last[-1], claim=name)
