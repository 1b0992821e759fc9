"""An engine whose commits the follower of the same worker hears of at once: a write is in force before its answer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from fhir_server.changes.follower import Follower
from fhir_server.fhir.outcome import FhirError
from fhir_server.store.engine import Engine
from fhir_server.store.notes import NOTED, Noted
from fhir_server.store.protocol import Drop, Guard, Keep, Put, Records, Store, Version, Write


class FollowedStore:
    """A `Store` that tells the follower what it committed; all else is the engine's own."""

    def __init__(self, store: Store, follower: Follower) -> None:
        """What is asked of it is asked of `store`."""
        self._store = store
        self._follower = follower

    def __getattr__(self, name: str) -> object:
        found = getattr(self._store, name)
        # Looked up once: from then on it costs what the engine's own does.
        setattr(self, name, found)
        return found

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """As `Store.transact`; what goes by these types has taken them over when this returns."""
        versions = await self._store.transact(writes, guards)
        if changes := self._follower.concerned(versions):
            self._follower.tell(changes)
            # They are committed, whatever becomes of following them: the next look tries again.
            with suppress(FhirError):
                await self._follower.catch_up()
        return versions


class FollowedRecords:
    """`Records` that tell the follower what they changed; all else is the engine's own."""

    def __init__(self, records: Records, follower: Follower) -> None:
        """What is asked of it is asked of `records`."""
        self._records = records
        self._follower = follower

    def __getattr__(self, name: str) -> object:
        found = getattr(self._records, name)
        setattr(self, name, found)
        return found

    async def apply(self, changes: Sequence[Keep | Drop], appended: Sequence[Put] = ()) -> bool:
        """As `Records.apply`."""
        try:
            return await self._records.apply(changes, appended)
        finally:
            self._tell([Noted(c.kind, c.key, isinstance(c, Keep) and c.new) for c in changes if c.kind in NOTED])

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        """As `Records.put`."""
        try:
            await self._records.put(kind, key, value, ttl_seconds)
        finally:
            self._told(kind, key)

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """As `Records.add`."""
        try:
            return await self._records.add(kind, key, value, ttl_seconds)
        finally:
            self._told(kind, key, new=True)

    async def take(self, kind: str, key: str) -> bytes | None:
        """As `Records.take`."""
        try:
            return await self._records.take(kind, key)
        finally:
            self._told(kind, key)

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        """As `Records.swap`."""
        try:
            return await self._records.swap(kind, key, old, new)
        finally:
            self._told(kind, key)

    def _told(self, kind: str, key: str, new: bool = False) -> None:
        if kind in NOTED:
            self._tell([Noted(kind, key, new)])

    def _tell(self, changes: list[Noted]) -> None:
        # Whatever came of it: one that was given up may have been committed all the same.
        if changes:
            self._follower.tell(changes)


class FollowedEngine:
    """An engine that a worker reads and writes through.

    Attributes:
        follower: hears of what is committed through it.
        store, records: the engine's, that tell it.
    """

    def __init__(self, engine: Engine) -> None:
        """Nothing is followed before the follower's first look."""
        self._engine = engine
        self.follower = Follower(engine)
        # What they do not have themselves they ask the engine's own for.
        self.store = cast("Store", FollowedStore(engine.store, self.follower))
        self.records = cast("Records", FollowedRecords(engine.records, self.follower))

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)


def followed(engine: Engine) -> tuple[Engine, Follower]:
    """An engine that is `engine`, and the follower that hears of what is committed through it."""
    made = FollowedEngine(engine)
    return cast("Engine", made), made.follower
