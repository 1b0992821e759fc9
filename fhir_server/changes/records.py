"""Records of which one worker remembers some kinds."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.changes.cache import Cache, hangs_on
from fhir_server.store.notes import NOTED
from fhir_server.store.protocol import Drop, Keep, Put, Records

#: Kinds that each request of a person or an app asks for, and that hardly ever change. Each must be noted.
KINDS = frozenset({"client", "account", "family"})


class CachedRecords:
    """`Records` as a worker remembers them, for `KINDS` alone.

    What decides once and for all (a code, a session, an attempt) is asked of the store each time.
    """

    def __init__(self, records: Records, cache: Cache) -> None:
        """Everything is kept in `records`, which tell the follower what is changed through them."""
        self._records = records
        self._cache = cache

    async def get(self, kind: str, key: str) -> bytes | None:
        """As `Records.get`."""
        if kind in NOTED:
            hangs_on((kind, key))
        if kind not in KINDS:
            return await self._records.get(kind, key)

        async def read() -> bytes | None:
            hangs_on((kind, key))
            return await self._records.get(kind, key)

        return await self._cache.get((kind, key), read)

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """As `Records.get_each`, of the store and not of what is remembered; what it gives is, from then on."""
        hangs_on(*[key for key in keys if key[0] in NOTED])
        moment = self._cache.moment()
        found = await self._records.get_each(keys)
        for key, value in zip(keys, found, strict=True):
            if key[0] in KINDS and value is not None:
                self._cache.put(key, value, [key], moment)
            elif key[0] in KINDS:
                self._cache.forget(key)
        return found

    async def list_by(
        self, kind: str, rows: str, prefix: str, after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """As `Records.list_by`."""
        return await self._records.list_by(kind, rows, prefix, after, count)

    async def list(
        self, kind: str, prefix: str = "", after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """As `Records.list`."""
        return await self._records.list(kind, prefix, after, count)

    async def sweep(self, after: tuple[str, str] | None, count: int) -> Sequence[tuple[str, str, bytes]]:
        """As `Records.sweep`."""
        return await self._records.sweep(after, count)

    async def apply(self, changes: Sequence[Keep | Drop], appended: Sequence[Put] = ()) -> bool:
        """As `Records.apply`; what is new is remembered, since it is soon asked for."""
        moment = self._cache.moment()
        done = await self._records.apply(changes, appended)
        for change in changes if done else ():
            if isinstance(change, Keep) and change.new and change.kind in KINDS:
                key = (change.kind, change.key)
                self._cache.put(key, change.value, [key], moment)
        return done

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        """As `Records.put`."""
        await self._records.put(kind, key, value, ttl_seconds)

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """As `Records.add`."""
        return await self.apply([Keep(kind, key, value, ttl_seconds, new=True)])

    async def take(self, kind: str, key: str) -> bytes | None:
        """As `Records.take`."""
        return await self._records.take(kind, key)

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        """As `Records.swap`."""
        return await self._records.swap(kind, key, old, new)
