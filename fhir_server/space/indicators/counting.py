"""The counts as they are kept, moved by what is committed: each version once, in the commit that moves the place.

Kept are numbers, one record a cell; and of persons who are counted once, a mark under a digest with a key of this
store: how many of their things are in the cell. What a version adds, the version before it added otherwise: the
difference moves the counts, so that a document that is masked, replaced, corrected or deleted moves those it was in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from fhir_server.audit.reading import WITNESSED_HERE
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.indicators.facts import TYPES, Cell, Counted, counted
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import Id, both
from fhir_server.store.protocol import Drop, Keep, Records

#: Kind of the records: key = generation and cell, value = how many, in decimal.
CELL = "indicator"
#: Kind of the records: key = generation, cell and a person's digest, value = how many of their things are there.
MARK = "indicator-mark"
#: Kind of the records: "generation" → the one in force (`Generation`); "key" → of the digests.
STATE = "indicator-state"
#: Names its place in the feed.
FEED_NAME = "indicators"
#: Bytes of versions read at a time.
MOST_BYTES = 16_000_000
_PAGE = 1_000


class Generation(msgspec.Struct, frozen=True):
    """A whole set of counts: its number, the `FORMAT` it was counted by, and when, seconds since 1970."""

    number: int
    format: int
    at: float = 0.0


class Moved:
    """Differences, not kept yet: cell → how many more; (cell, digest) → likewise."""

    def __init__(self, key: bytes) -> None:
        """`key` is of the digests of persons."""
        self._key = key
        self._digests: dict[str, str] = {}
        self.cells: Counter[Cell] = Counter()
        self.marks: Counter[tuple[Cell, str]] = Counter()

    def add(self, one: Counted, sign: int = 1) -> None:
        """Count what a resource adds, or with -1 take it away."""
        for cell in one.cells:
            self.cells[cell] += sign
        for cell, whom in one.persons:
            self.marks[cell, self._digest(whom)] += sign

    def _digest(self, whom: str) -> str:
        found = self._digests.get(whom)
        if found is None:
            found = hashlib.blake2b(whom.encode(), key=self._key, digest_size=16).hexdigest()
            self._digests[whom] = found
        return found


async def digest_key(records: Records) -> bytes:
    """The key of this store, made when it is first asked for."""
    await records.add(STATE, "key", secrets.token_bytes(32))
    found = await records.get(STATE, "key")
    assert found is not None
    return found


async def generation(records: Records) -> Generation | None:
    """The counts in force; None where nothing was counted yet."""
    found = await records.get(STATE, "generation")
    return None if found is None else msgspec.json.decode(found, type=Generation)


async def cells(records: Records, fact: str) -> dict[Cell, int]:
    """Every cell of a fact without its name → how many; none of zero. Empty where nothing was counted yet."""
    now = await generation(records)
    if now is None:
        return {}
    prefix, after = f"{now.number}|{fact}|", ""
    found: dict[Cell, int] = {}
    while rows := await records.list(CELL, prefix, after, _PAGE):
        found |= {tuple(key.removeprefix(prefix).split("|")): int(value) for key, value in rows}
        after = rows[-1][0]
        if len(rows) < _PAGE:
            break
    return {cell: count for cell, count in found.items() if count}


def cell_key(number: int, cell: Cell) -> str:
    """Key of a cell's record in a generation."""
    return f"{number}|{'|'.join(cell)}"


class Following:
    """Goes on in the feed of one opened store."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._records = around.records
        self._repository = around.repository()
        self._feed = FeedReader(around.records, around.changes, FEED_NAME, TYPES)

    async def follow(self, now: datetime) -> int:
        """Count what was committed since it was last looked; how many versions."""
        return await self._feed.read(self._take)

    async def _take(self, changed: Sequence[Changed]) -> Taken:
        current = await generation(self._records)
        if current is None:
            return Taken()
        moved = Moved(await digest_key(self._records))
        await self.move(moved, changed)
        return Taken(len(changed), tuple(await self._kept(current.number, moved)))

    async def move(self, moved: Moved, changed: Sequence[Changed]) -> None:
        """Add what each of these versions adds, and take away what the one before it added."""
        steps = [((one.type, one.id, one.version), 1) for one in changed]
        steps += [((one.type, one.id, one.version - 1), -1) for one in changed if one.version > 1]
        await self.weigh(moved, steps)

    async def weigh(self, moved: Moved, steps: Sequence[tuple[tuple[str, str, int], int]]) -> None:
        """Count versions, (type, id, number), each with a sign; one that is a deletion adds nothing."""
        for key, sign, body in await self._bodies([one for one in steps if one[0][0] != "AuditEvent"]):
            moved.add(counted(key[0], body), sign)
        ids = [key[1] for key, sign in steps if key[0] == "AuditEvent" and key[2] == 1]
        for at in range(0, len(ids), _PAGE):
            where = both(WITNESSED_HERE, Id(tuple(ids[at : at + _PAGE])))
            page = await self._repository.find({"AuditEvent": where}, count=_PAGE)
            for version in page.versions:
                moved.add(counted("AuditEvent", version.body))

    async def _bodies(
        self, steps: Sequence[tuple[tuple[str, str, int], int]]
    ) -> list[tuple[tuple[str, str, int], int, bytes]]:
        found: list[tuple[tuple[str, str, int], int, bytes]] = []
        while len(found) < len(steps):
            rest = steps[len(found) :]
            versions = await self._repository.vread_many([key for key, _ in rest], MOST_BYTES)
            found += [
                (key, sign, b"" if version is None or version.deleted else version.body)
                for (key, sign), version in zip(rest, versions, strict=False)
            ]
        return found

    async def _kept(self, number: int, moved: Moved) -> Iterable[Keep | Drop]:
        marks = [(cell, digest, by) for (cell, digest), by in moved.marks.items() if by]
        names = [f"{cell_key(number, cell)}|{digest}" for cell, digest, _ in marks]
        there = await self._records.get_each([(MARK, name) for name in names])
        changes: list[Keep | Drop] = []
        for (cell, _, by), name, value in zip(marks, names, there, strict=True):
            before = int(value or 0)
            moved.cells[cell] += (before + by > 0) - (before > 0)
            changes.append(Keep(MARK, name, str(before + by).encode()) if before + by else Drop(MARK, name))
        changed = [(cell, by) for cell, by in moved.cells.items() if by]
        keys = [cell_key(number, cell) for cell, _ in changed]
        values = await self._records.get_each([(CELL, key) for key in keys])
        for (_, by), key, value in zip(changed, keys, values, strict=True):
            count = int(value or 0) + by
            changes.append(Keep(CELL, key, str(count).encode()) if count else Drop(CELL, key))
        return changes
