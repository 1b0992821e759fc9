"""The counts as they are kept, moved by what is committed: each version once, in the commit that moves the place.

Kept are numbers, one record a cell; and of persons who are counted once, a mark under a digest with a key of this
store: how many of their things are in the cell. What a version adds, the version before it added otherwise: the
difference moves the counts, so that a document that is masked, replaced, corrected or deleted moves those it was in.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from fhir_server.audit.erasures import told
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.indicators.facts import LASTING, TYPES, Cell
from fhir_server.space.indicators.tallying import DIGEST, Tally, countable, tallied
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed
from fhir_server.store.protocol import Drop, Keep, Records
from fhir_server.work.beside import Busy, Ended, Lost, aside

#: Kind of the records: key = generation and cell, value = how many, in decimal.
CELL = "indicator"
#: Kind of the records: key = generation, cell and a person's digest, value = how many of their things are there.
MARK = "indicator-mark"
#: Kind of the records: "generation" → the one in force (`Generation`); "key" → of the digests.
STATE = "indicator-state"
#: Key of such a record: there where something was erased since everything was counted.
ERASED = "erased"
#: Names its place in the feed.
FEED_NAME = "indicators"
#: Bytes of versions read at a time.
MOST_BYTES = 16_000_000
_PAGE = 1_000
#: So many are counted where the worker is: it takes less than a millisecond.
_FEW = 100
#: Type, id and number of a version.
Numbered = tuple[str, str, int]


class Generation(msgspec.Struct, frozen=True):
    """A whole set of counts: its number, the `FORMAT` it was counted by, and when, seconds since 1970."""

    number: int
    format: int
    at: float = 0.0


class Moved:
    """Differences, not kept yet.

    Attributes:
        cells: cell → how many more, but for persons.
        marks: cell → digest of a person → how many more of their things.
        erased: something was erased in all versions: what it added is found nowhere any more, and is still counted.
    """

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.cells: Counter[Cell] = Counter()
        self.marks: dict[Cell, Counter[bytes]] = defaultdict(Counter)
        self.erased = False

    def add(self, tally: Tally, sign: int = 1) -> None:
        """Count what resources add, or with -1 take it away."""
        cells, marks = tally
        for cell, many in cells.items():
            self.cells[cell] += sign * many
            self.erased |= cell[:2] == ("lives", "erased")
        for cell, joined in marks.items():
            there = self.marks[cell]
            for at in range(0, len(joined), DIGEST):
                there[joined[at : at + DIGEST]] += sign


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


def mark_key(number: int, cell: Cell, digest: bytes) -> str:
    """Key of a person's record in a cell of a generation."""
    return f"{cell_key(number, cell)}|{digest.hex()}"


async def several(type: str, bodies: Sequence[bytes], key: bytes) -> Tally:
    """As `tallied`: many of them without holding the event loop."""
    if len(bodies) <= _FEW:
        return tallied(type, bodies, key)
    try:
        return await aside(tallied, type, bodies, key)
    except (Busy, Ended, Lost):
        # Others have long work there, or it is being stopped: a thread gives way to the loop too, if less often.
        return await asyncio.to_thread(tallied, type, bodies, key)


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
        moved = Moved()
        await self.move(moved, changed)
        erased = (Keep(STATE, ERASED, b"1"),) if moved.erased else ()
        return Taken(len(changed), (*await self._kept(current.number, moved), *erased))

    async def move(self, moved: Moved, changed: Sequence[Changed]) -> None:
        """Add what each of these versions adds, and take away what the one before it added."""
        steps = [((one.type, one.id, one.version), 1) for one in changed]
        steps += [((one.type, one.id, one.version - 1), -1) for one in changed if one.version > 1]
        await self.weigh(moved, steps)

    async def weigh(self, moved: Moved, steps: Sequence[tuple[Numbered, int]]) -> None:
        """Count versions, (type, id, number), each with a sign; one that is a deletion adds nothing."""
        key = await digest_key(self._records)
        # A trace is what was seen once: it never changes.
        left = deque([one for one in steps if one[0][0] != "AuditEvent" or (one[0][2] == 1 and one[1] > 0)])
        while left:
            part = [left[n] for n in range(min(len(left), _PAGE))]
            versions = await self._repository.vread_many([named for named, _ in part], MOST_BYTES)
            bodies: dict[tuple[str, int], list[bytes]] = defaultdict(list)
            for (named, sign), version in zip(part, versions, strict=False):
                left.popleft()
                # A version that was there, or the trace that tells of traces: `space.accounts.erasing`.
                moved.erased |= version is None or (named[0] == "AuditEvent" and told(version.body) > 0)
                if version is not None and (body := countable(named[0], version)):
                    bodies[named[0], sign].append(body)
            for (type, sign), many in bodies.items():
                moved.add(await several(type, many, key), sign)

    async def _kept(self, number: int, moved: Moved) -> Iterable[Keep | Drop]:
        marks = [(cell, digest, by) for cell, each in moved.marks.items() for digest, by in each.items() if by]
        names = [mark_key(number, cell, digest) for cell, digest, _ in marks]
        there = await self._records.get_each([(MARK, name) for name in names])
        changes: list[Keep | Drop] = []
        for (cell, _, by), name, value in zip(marks, names, there, strict=True):
            before = int(value or 0)
            if before and cell[0] in LASTING:
                continue
            moved.cells[cell] += (before + by > 0) - (before > 0)
            changes.append(Keep(MARK, name, str(before + by).encode()) if before + by else Drop(MARK, name))
        changed = [(cell, by) for cell, by in moved.cells.items() if by]
        keys = [cell_key(number, cell) for cell, _ in changed]
        values = await self._records.get_each([(CELL, key) for key in keys])
        for (_, by), key, value in zip(changed, keys, values, strict=True):
            count = int(value or 0) + by
            changes.append(Keep(CELL, key, str(count).encode()) if count else Drop(CELL, key))
        return changes
