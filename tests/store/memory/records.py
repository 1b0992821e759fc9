"""`Records` in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fhir_server.store.notes import NOTED, Noted
from fhir_server.store.protocol import Drop, Keep, Put
from tests.store.memory.data import Data, Distance
from tests.store.memory.store import MemoryStore


class MemoryRecords:
    """`Records` in a dictionary."""

    def __init__(self, data: Data, distance: Distance, store: MemoryStore) -> None:
        self._records = data.records
        self._notes = data.notes
        self._distance = distance
        self._store = store

    async def apply(self, changes: Sequence[Keep | Drop], appended: Sequence[Put] = ()) -> bool:
        await self._distance.there()
        done = self._hold(changes)
        if done:
            # Before the records: what is refused leaves them as they are.
            self._store.written(appended)
            self._change(changes)
        await self._distance.back()
        return done

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        await self._distance.there()
        found = [self._get(*key) for key in keys]
        await self._distance.back()
        return found

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        await self.apply([Keep(kind, key, value, ttl_seconds)])

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        return await self.apply([Keep(kind, key, value, ttl_seconds, new=True)])

    async def get(self, kind: str, key: str) -> bytes | None:
        return (await self.get_each([(kind, key)]))[0]

    async def take(self, kind: str, key: str) -> bytes | None:
        await self._distance.there()
        value = self._get(kind, key)
        self._note(kind, key, gone=True)
        self._records.pop((kind, key), None)
        await self._distance.back()
        return value

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        await self._distance.there()
        done = self._get(kind, key) == old
        if done:
            self._note(kind, key)
            self._records[kind, key] = (new, self._records[kind, key][1])
        await self._distance.back()
        return done

    async def list_by(
        self, kind: str, rows: str, prefix: str, after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        found = await self.list(rows, prefix, prefix + after)
        keys = [row.removeprefix(prefix) for row, _ in found]
        there = [(key, value) for key in keys if (value := self._get(kind, key)) is not None]
        return there if count is None else there[:count]

    async def list(
        self, kind: str, prefix: str = "", after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        await self._distance.there()
        keys = sorted(key for own, key in self._records if own == kind and key.startswith(prefix) and key > after)
        found = [(key, value) for key in keys if (value := self._get(kind, key)) is not None]
        await self._distance.back()
        return found if count is None else found[:count]

    async def sweep(self, after: tuple[str, str] | None, count: int) -> list[tuple[str, str, bytes]]:
        await self._distance.there()
        found = sorted((*place, value) for place, (value, _) in self._records.items() if place > (after or ("", "")))
        await self._distance.back()
        return found[:count]

    def _hold(self, changes: Sequence[Keep | Drop]) -> bool:
        there: dict[tuple[str, str], bytes | None] = {}
        for change in changes:
            place = (change.kind, change.key)
            if isinstance(change, Keep) and not change.fits(there.get(place, self._get(*place))):
                return False
            there[place] = change.value if isinstance(change, Keep) else None
        return True

    def _change(self, changes: Sequence[Keep | Drop]) -> None:
        for change in changes:
            place = (change.kind, change.key)
            self._note(*place, gone=isinstance(change, Drop))
            if isinstance(change, Keep):
                ends = None if change.ttl_seconds is None else time.time() + change.ttl_seconds
                if change.old is not None and change.ttl_seconds is None:
                    ends = self._records[place][1]
                self._records[place] = (change.value, ends)
            else:
                self._records.pop(place, None)

    def _note(self, kind: str, key: str, gone: bool = False) -> None:
        before = self._get(kind, key)
        if kind in NOTED and not (gone and before is None):
            self._notes.append(Noted(kind, key, before is None))

    def _get(self, kind: str, key: str) -> bytes | None:
        value, ends = self._records.get((kind, key), (None, None))
        return value if ends is None or ends > time.time() else None
