"""`Engine` in memory: opened anew under the same URL, it finds what was left there."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.matching import unpack
from fhir_server.store.notes import News
from fhir_server.store.protocol import Position
from tests.store.memory.data import Data, Distance
from tests.store.memory.order import place
from tests.store.memory.records import MemoryRecords
from tests.store.memory.store import MemoryStore, changed


class MemoryEngine:
    """`Engine` over some data."""

    def __init__(self, data: Data | None = None, seconds: float = 0.0, seed: int = 1) -> None:
        """A call takes up to `seconds` each way; `seed` decides how long each takes."""
        held = data or Data()
        self.distance = Distance(seconds, random.Random(seed))
        self.store = MemoryStore(held, self.distance)
        self.records = MemoryRecords(held, self.distance, self.store)
        self._data = held

    @property
    def maintenance(self) -> None:
        """None: what is in memory has no file to copy or to look through."""
        return None

    @property
    def pending(self) -> int:
        return 0

    async def changes(
        self, after: Position | None, types: Sequence[str] = (), kinds: Sequence[str] = (), count: int = 1_000
    ) -> News:
        await self.distance.there()
        held = self._data
        versions = changed(held, None if after is None else after[:1], types, count)
        since = len(held.notes) if after is None else place(after[1:], "changes")
        if since > len(held.notes):
            raise InvalidParameter("The place is not one of this store's changes.", "http.cursor")
        notes = held.notes[since : since + count]
        records = tuple(one for one in notes if not kinds or one.kind in kinds)
        more = len(notes) == count or len(versions.changed) == count
        await self.distance.back()
        return News(versions.changed, records, (*versions.position, since + len(notes)), more)

    async def unwritable(self) -> str | None:
        return None

    def defects(self) -> Iterator[str]:
        """What no test may leave behind, in words."""
        for (type, id), one in self._data.resources.items():
            if [version.version for _, version in one.versions] != list(range(1, len(one.versions) + 1)):
                yield f"the versions of {type}/{id} have a gap"
            if unpack(one.current.packed) != one.index:
                yield f"the index of {type}/{id} is not the one it is found by"
        for (type, claim), id in self._data.claims.items():
            if (type, id) not in self._data.resources or self._data.resources[type, id].current.deleted:
                yield f"{claim} is held by {type}/{id}, which is not there"

    async def close(self) -> None:
        self.distance.closed = True


#: URL of a store → what it holds, so that it is there again when it is opened again.
_opened: dict[str, Data] = {}


def reopened(url: str, seconds: float = 0.0) -> MemoryEngine:
    """An engine over what was kept under this URL in this process."""
    return MemoryEngine(_opened.setdefault(url, Data()), seconds)
