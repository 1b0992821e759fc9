"""What a store in memory holds, and how far away that is."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.chain import Erased
from fhir_server.store.filters import Index
from fhir_server.store.notes import Noted
from fhir_server.store.protocol import Version

#: Type and id.
Name = tuple[str, str]


@dataclass(slots=True)
class Resource:
    """A resource: its versions, oldest first, and the index it is found by."""

    number: int
    index: Index
    versions: list[tuple[int, Version]] = field(default_factory=list)

    @property
    def seq(self) -> int:
        """Of the current version."""
        return self.versions[-1][0]

    @property
    def current(self) -> Version:
        """The latest version."""
        return self.versions[-1][1]


@dataclass(slots=True)
class Data:
    """Everything a store holds: outlives the engines that open it, as a file would."""

    resources: dict[Name, Resource] = field(default_factory=dict)
    #: By place; a version that was purged leaves one of no type there.
    log: list[tuple[int, Version]] = field(default_factory=list)
    chain: dict[int, bytes] = field(default_factory=dict)
    erased: dict[int, tuple[Version, Erased]] = field(default_factory=dict)
    numbers: int = 0
    claims: dict[tuple[str, str], str] = field(default_factory=dict)
    records: dict[tuple[str, str], tuple[bytes, float | None]] = field(default_factory=dict)
    notes: list[Noted] = field(default_factory=list)


class Distance:
    """How far away the data are."""

    def __init__(self, seconds: float, dice: random.Random) -> None:
        self._seconds = seconds
        self._dice = dice
        self.calls = 0
        self.closed = False

    async def there(self) -> None:
        """A request's way to the data, of a length that nobody knows beforehand."""
        if self.closed:
            raise Unavailable("The server is stopping.", headers={"Retry-After": "5"})
        self.calls += 1
        await asyncio.sleep(self._seconds * self._dice.random())

    async def back(self) -> None:
        """The answer's way."""
        await asyncio.sleep(self._seconds * self._dice.random())
