"""Many resources counted at once, in the process beside a worker: what comes back is as short as what is kept."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from fhir_server.audit.recording import WITNESSED
from fhir_server.space.indicators.facts import Cell, adds
from fhir_server.space.indicators.seen import Key, seen
from fhir_server.store.protocol import Version

#: Index row of what this server witnessed, as it is packed: what follows the name is no text of UTF-8.
_WITNESSED = WITNESSED.encode() + b"\xa11"
#: Bytes of the digest of a person.
DIGEST = 16
#: Cell → how many more, and cell → digests of persons, one after the other.
Tally = tuple[dict[Cell, int], dict[Cell, bytes]]


def countable(type: str, version: Version) -> bytes:
    """The body of what counts of a type; b"" of the others: traces that this server did not make, deletions."""
    if version.deleted or (type == "AuditEvent" and _WITNESSED not in version.packed):
        return b""
    return version.body


def tallied(type: str, bodies: Sequence[bytes], key: bytes) -> Tally:
    """What these resources add to the counts; `key` is of the digests."""
    keys: Counter[Key] = Counter()
    persons: dict[Key, list[tuple[str, ...]]] = defaultdict(list)
    for body in bodies:
        found = seen(type, body)
        if found is None:
            continue
        keys[found.key] += 1
        if found.whom:
            persons[found.key].append(found.whom)
    cells: Counter[Cell] = Counter()
    for one, many in keys.items():
        for cell in adds(one).cells:
            cells[cell] += many
    marks: dict[Cell, list[bytes]] = defaultdict(list)
    digests: dict[str, bytes] = {}
    for one, whom in persons.items():
        for cell, first, last in adds(one).persons:
            names = [who for each in whom for who in each[first:last] if who]
            marks[cell] += [digests.get(who) or digests.setdefault(who, digest(who, key)) for who in names]
    return dict(cells), {cell: b"".join(said) for cell, said in marks.items()}


def digest(whom: str, key: bytes) -> bytes:
    """Under which a person is known where they are counted once."""
    return hashlib.blake2b(whom.encode(), key=key, digest_size=DIGEST).digest()
