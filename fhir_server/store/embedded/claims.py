"""Names that one resource of a type alone holds, kept under a unique key beside the resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw
import msgspec

from fhir_server.store.embedded.names import Names
from fhir_server.store.protocol import Delete, Put, Stale, Write

Key = tuple[str, str]

_HELD = """
SELECT j.key, c.rid FROM json_each(?) j CROSS JOIN claim c ON c.type = j.value->>0 AND c.name = j.value->>1"""
_FREE = "DELETE FROM claim WHERE rid IN (SELECT value FROM json_each(?))"
_TAKE = "INSERT INTO claim(type, name, rid) VALUES(?, ?, ?)"


def claimed(writes: Iterable[Write]) -> dict[Key, frozenset[str]]:
    """The names that each resource holds after `writes`, of those whose names they settle: (type, id) → names."""
    found: dict[Key, frozenset[str]] = {}
    for write in writes:
        if isinstance(write, Delete):
            found[write.type, write.id] = frozenset()
        elif write.claims is not None:
            found[write.type, write.id] = write.claims
    return found


def require_free(
    connection: apsw.Connection,
    names: Names,
    writes: Sequence[Write],
    wanted: Mapping[Key, frozenset[str]],
    numbers: Mapping[Key, int],
) -> None:
    """Refuse a name that two of the writes want, or that a resource has which none of them frees it from.

    Args:
        connection: in its transaction, everything before written.
        names: gives types their numbers.
        writes: of one caller.
        wanted: what `claimed` says of them.
        numbers: of the resources of `wanted` that are there already.

    Raises:
        Stale: naming the write and the claim.
    """
    asked = [(key, name) for key, all_names in wanted.items() for name in sorted(all_names)]
    if not asked:
        return
    first: dict[tuple[str, str], Key] = {}
    for key, name in asked:
        if first.setdefault((key[0], name), key) != key:
            raise _refused(writes, key, name)
    rows = [(names.add(connection, key[0]), name) for key, name in asked]
    free = {numbers[key] for key in wanted if key in numbers}
    found: list[Any] = connection.execute(_HELD, (msgspec.json.encode(rows).decode(),)).fetchall()
    for place, rid in found:
        if rid not in free:
            raise _refused(writes, *asked[place])


def settle(
    connection: apsw.Connection, names: Names, wanted: Mapping[Key, frozenset[str]], rids: Mapping[Key, int]
) -> None:
    """Write down who holds what, after the resources have numbers."""
    connection.execute(_FREE, (msgspec.json.encode([rids[key] for key in wanted]).decode(),))
    for key, all_names in wanted.items():
        for name in all_names:
            connection.execute(_TAKE, (names.add(connection, key[0]), name, rids[key]))


def _refused(writes: Sequence[Write], key: Key, name: str) -> Stale:
    last = [w for w in writes if isinstance(w, Put) and (w.type, w.id) == key and w.claims is not None]
    return Stale(last[-1], claim=name)
