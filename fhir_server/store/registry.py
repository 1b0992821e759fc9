"""Typed records that are found by more than their key, without looking through all of a kind.

What a record is found by beside its key is written with it, in the same `apply`: a row for each, without value, whose
key is what is looked for and then the record's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from fhir_server.store.protocol import Drop, Keep, Records

T = TypeVar("T")

#: Kind of the records that say which rows were written of what was there before: key = their kind.
BUILT = "registry"
#: Records read, and written, at once.
PAGE = 500

#: (key, value) of a record → what it is found by; None: by nothing.
Found = Callable[[str, T], str | None]


class Registry(Generic[T]):
    """The records of one kind.

    What a record is found by does not change while it is there.
    """

    def __init__(
        self,
        records: Records,
        kind: str,
        type: type[T],
        by: Mapping[str, Found[T]] | None = None,
        lasts_seconds: float | None = None,
    ) -> None:
        """`by`: name → what records are found by under it; none of them is kept longer than `lasts_seconds`."""
        self._records = records
        self._kind = kind
        self._type = type
        self._by = dict(by or {})
        self._lasts_seconds = lasts_seconds
        self._built: set[str] = set()

    async def get(self, key: str) -> T | None:
        """The record under a key."""
        value = await self._records.get(self._kind, key)
        return None if value is None else self.read(value)

    def read(self, value: bytes) -> T:
        """A record as it was kept."""
        return msgspec.json.decode(value, type=self._type)

    def kept(self, key: str, value: T, ttl_seconds: float | None = None, *, new: bool = False) -> list[Keep]:
        """The changes that keep a record, for `Records.apply`; `new` as for `Keep`."""
        rows = [Keep(kind, row, b"", ttl_seconds) for kind, row in self._rows(key, value)]
        return [Keep(self._kind, key, msgspec.json.encode(value), ttl_seconds, new=new), *rows]

    async def drop(self, key: str) -> T | None:
        """Drop a record, and give it; of several callers at once to one."""
        value = await self._records.take(self._kind, key)
        if value is None:
            return None
        dropped = self.read(value)
        if rows := self._rows(key, dropped):
            # Rows that lead to nothing do no harm, if this is cut short.
            await self._records.apply([Drop(kind, row) for kind, row in rows])
        return dropped

    async def of(self, name: str, wanted: str) -> AsyncIterator[tuple[str, T]]:
        """Key and value of each record found by `wanted` under `name`, by key."""
        await self._build(name)
        after = ""
        while True:
            found = await self._records.list_by(self._kind, self._place(name), f"{wanted}\n", after, PAGE)
            for key, value in found:
                yield key, self.read(value)
            if len(found) < PAGE:
                return
            after = found[-1][0]

    async def everything(self) -> AsyncIterator[tuple[str, T]]:
        """Key and value of each record, by key: for what an operator asks, never for one request among many."""
        after = ""
        while True:
            rows = await self._records.list(self._kind, "", after, PAGE)
            for key, value in rows:
                yield key, self.read(value)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def _rows(self, key: str, value: T) -> list[tuple[str, str]]:
        found = [(self._place(name), by(key, value)) for name, by in self._by.items()]
        return [(kind, f"{wanted}\n{key}") for kind, wanted in found if wanted is not None]

    def _place(self, name: str) -> str:
        return f"{self._kind} by {name}"

    async def _build(self, name: str) -> None:
        """Write the rows of what an earlier server kept, once; cut short, it is done again and does no harm."""
        kind = self._place(name)
        if kind in self._built or await self._records.get(BUILT, kind) is not None:
            self._built.add(kind)
            return
        rows: list[Keep | Drop] = []
        async for key, value in self.everything():
            rows += [
                Keep(place, row, b"", self._lasts_seconds) for place, row in self._rows(key, value) if place == kind
            ]
            if len(rows) >= PAGE:
                await self._records.apply(rows)
                rows = []
        await self._records.apply([*rows, Keep(BUILT, kind, b"")])
