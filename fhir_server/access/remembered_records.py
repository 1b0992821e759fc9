"""Records of which one worker remembers some kinds: those whose every change is followed by `revision.changed`."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.access.revision import Lasting
from fhir_server.store.protocol import Drop, Keep, Records

#: Kinds that each request of a person or an app asks for, and that hardly ever change.
KINDS = frozenset({"client", "account", "family"})


class Remembered:
    """`Records` as a worker remembers them: at most `revision.LOOK` seconds older than the store, for `KINDS` alone.

    What decides once and for all (a code, a session, an attempt) is asked of the store each time.
    """

    def __init__(self, records: Records, lasting: Lasting) -> None:
        """Everything is kept in `records`."""
        self._records = records
        self._lasting = lasting

    async def get(self, kind: str, key: str) -> bytes | None:
        """As `Records.get`."""
        if kind not in KINDS:
            return await self._records.get(kind, key)
        return await self._lasting.get((kind, key), lambda: self._records.get(kind, key))

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """As `Records.get_each`, of the store and not of what is remembered; what it gives is, from then on."""
        found = await self._records.get_each(keys)
        for key, value in zip(keys, found, strict=True):
            self._lasting.forget(key)
            if key[0] in KINDS and value is not None:
                self._lasting.put(key, value)
        return found

    async def list(self, kind: str, prefix: str = "") -> list[tuple[str, bytes]]:
        """As `Records.list`."""
        return await self._records.list(kind, prefix)

    async def apply(self, changes: Sequence[Keep | Drop]) -> bool:
        """As `Records.apply`."""
        done = await self._records.apply(changes)
        for change in changes:
            self._lasting.forget((change.kind, change.key))
            if done and isinstance(change, Keep) and change.new and change.kind in KINDS:
                self._lasting.put((change.kind, change.key), change.value)
        return done

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        """As `Records.put`."""
        await self._records.put(kind, key, value, ttl_seconds)
        self._lasting.forget((kind, key))

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """As `Records.add`."""
        return await self.apply([Keep(kind, key, value, ttl_seconds, new=True)])

    async def take(self, kind: str, key: str) -> bytes | None:
        """As `Records.take`."""
        taken = await self._records.take(kind, key)
        self._lasting.forget((kind, key))
        return taken

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        """As `Records.swap`."""
        done = await self._records.swap(kind, key, old, new)
        self._lasting.forget((kind, key))
        return done
