"""Current versions as one exchange reads them: many in one call of the store, and none twice while they are held.

A transaction, a write with its references, a page of Binaries ask for the same few resources again and again: each call
is a journey once the store is far away. What is held is as old as the exchange's first look. That is safe: a write pins
the version it was judged against, and whatever is written or overtaken lets go of all that is held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from fhir_server.access import binaries
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import NEWEST, Guard, Page, Position, Scope, Sort, Store, Version, Want, Write
from fhir_server.work.budget import carry

T = TypeVar("T")
#: (type, id).
Key = tuple[str, str]
#: (type, id, version).
Numbered = tuple[str, str, int]

#: Versions asked for in one call.
MOST = 500
#: Bytes of bodies that are held; what is longer is asked for again.
LONGEST = 32 * 1024 * 1024


class Readings:
    """The current versions of one store, as one caller's exchange reads them.

    Used in a `with`, what is read inside is held until the end of the last of those that are inside together.

    Attributes:
        store: where they are.
        turn: how often something was written: what was read before may be older.
    """

    __slots__ = ("_heads", "_held", "_inside", "_made", "_room", "store", "turn")

    def __init__(self, store: Store) -> None:
        self.store = store
        self._held: dict[Key, Version | None] = {}
        self._heads: dict[Key, Version | None] = {}
        self._made: dict[Hashable, Any] = {}
        self._room = LONGEST
        self._inside = 0
        self.turn = 0

    def __enter__(self) -> Readings:
        self._inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._let_go()

    async def read(self, type: str, id: str, want: Want = "body") -> Version | None:
        """As `Store.read`; "bare" may be whole where it is held."""
        key, turn = (type, id), self.turn
        if key in self._held:
            return self._held[key]
        if want == "bare":
            return (await self.store.read_many([key], want))[0]
        if not self._inside:
            return await self.store.read(type, id)
        found = await self.store.read(type, id)
        self._hold({key: found}, turn)
        return found

    async def read_many(self, keys: Sequence[Key]) -> list[Version | None]:
        """As `Store.read_many`."""
        found, turn = {key: self._held[key] for key in keys if key in self._held}, self.turn
        unknown = [key for key in dict.fromkeys(keys) if key not in found]
        if len(unknown) == 1:
            found[unknown[0]] = await self.store.read(*unknown[0])
        else:
            for start in range(0, len(unknown), MOST):
                some = unknown[start : start + MOST]
                found.update(zip(some, await self.store.read_many(some), strict=True))
        self._hold(found, turn)
        return [found[key] for key in keys]

    async def once(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` makes of what is read: made once while that is held, and called by `key` of those inside."""
        if not self._inside:
            return await make()
        if key in self._made:
            return cast(T, self._made[key])
        turn = self.turn
        made = await make()
        if turn == self.turn:
            self._made[key] = made
        return made

    async def vread_many(
        self, keys: Sequence[Numbered], want: Want = "body", most_bytes: int | None = None
    ) -> list[Version | None]:
        """As `Store.vread_many`; nothing is held."""
        found = await self.store.vread_many(keys, want, most_bytes)
        carry(sum([len(one.body) + len(one.own) for one in found if one is not None]))
        return found

    async def heads(self, keys: Sequence[Key], want: Want) -> list[Version | None]:
        """As `read_many`, with less of each version: "head" or "index"; what is held may have more of it."""
        found = {key: held[key] for key in keys for held in (self._heads, self._held) if key in held}
        unknown, turn = [key for key in dict.fromkeys(keys) if key not in found], self.turn
        for start in range(0, len(unknown), MOST):
            some = unknown[start : start + MOST]
            found.update(zip(some, await self.store.read_many(some, want), strict=True))
        if self._inside and turn == self.turn:
            self._heads.update({key: found[key] for key in unknown})
        return [found[key] for key in keys]

    async def ahead(self, keys: Sequence[Key], contexts: bool) -> None:
        """Hold what will be read one by one; with what Binaries among it name, where they are judged by it."""
        found = await self.read_many(keys)
        indexes = [unpack(v.packed) for v in found if contexts and v is not None and v.type == "Binary"]
        await self.read_many([key for index in indexes for key in binaries.contexts(index)])

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """As `Store.find`: what is found with its body need not be read."""
        turn = self.turn
        page = carried(await self.store.find(scope, sort, after, count, most_bytes, want))
        if want == "body":
            self._found(page.versions, turn)
        return page

    async def walk(self, type: str, after: Position | None, count: int) -> Page:
        """All that there is of a type, as `Store.walk`: for the server's own work, and nothing of it is kept."""
        return await self.store.walk({type: EVERYTHING}, after, count)

    async def find_each(self, scopes: Sequence[Scope], count: int = 50, want: Want = "body") -> list[Page]:
        """As `Store.find_each`: what is found with its body need not be read."""
        turn = self.turn
        pages = await self.store.find_each(scopes, count, want)
        for page in map(carried, pages):
            if want == "body":
                self._found(page.versions, turn)
        return pages

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """As `Store.transact`: nothing is held any more, whether it was written or overtaken."""
        try:
            return await self.store.transact(writes, guards)
        finally:
            # What was asked for before may be older.
            self.turn += 1
            self._let_go()

    def _found(self, versions: Iterable[Version], turn: int) -> None:
        if self._inside:
            self._hold({(version.type, version.id): version for version in versions}, turn)

    def _hold(self, found: Mapping[Key, Version | None], turn: int) -> None:
        if self._inside and turn == self.turn and self._room > 0:
            self._held.update(found)
            self._room -= sum([len(version.body) for version in found.values() if version is not None])

    def _let_go(self) -> None:
        self._held.clear()
        self._heads.clear()
        self._made.clear()
        self._room = LONGEST


def carried(page: Page) -> Page:
    """`page`, whose length the request has on its budget."""
    carry(sum([len(version.body) + len(version.packed) for version in page.versions]))
    return page
