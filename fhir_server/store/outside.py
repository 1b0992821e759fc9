"""A store that keeps long content outside its rows: what is written is taken apart, what is read is whole again.

Whoever reads sees the JSON that was written, unless they ask for it bare: then `Version.content` says what it is
without. So nothing above has to know, and what can do with a handle (streams, filing) does without the bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from msgspec import structs

from fhir_server.store.blobs.collecting import PURGED
from fhir_server.store.blobs.protocol import Blobs
from fhir_server.store.content import Content, Outline, is_outlined, outlined, stored
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import (
    NEWEST,
    Guard,
    Keep,
    Page,
    Position,
    Put,
    Records,
    Scope,
    Sort,
    Store,
    Version,
    Want,
    Write,
)
from fhir_server.store.taking_out import Taken, put_back, taken_out

if TYPE_CHECKING:
    from fhir_server.store.engine import Engine

#: Content of fewer bytes stays in its row: there it is written with it, and a file of its own would take longer.
INSIDE = 16_384
#: From this size on, in bytes, writing base64 would hold up the event loop.
_LONG = 200_000
#: The one type whose content may be long; that of other attachments is part of what they say.
_TYPE = "Binary"


class OutsideStore:
    """`Store`, over an engine's and what its content is kept in; all that is not here is the engine's own."""

    def __init__(self, store: Store, blobs: Blobs, records: Records) -> None:
        """What is asked of it is asked of `store`; `records` tell the collector what was purged."""
        self._store = store
        self._blobs = blobs
        self._records = records

    def __getattr__(self, name: str) -> object:
        found = getattr(self._store, name)
        setattr(self, name, found)
        return found

    async def read(self, type: str, id: str) -> Version | None:
        """As `Store.read`."""
        found = await self._store.read(type, id)
        return found if type != _TYPE or found is None else await self._given(found, "body")

    async def read_many(self, keys: Sequence[tuple[str, str]], want: Want = "body") -> list[Version | None]:
        """As `Store.read_many`."""
        found = await self._store.read_many(keys, want)
        return [one and await self._given(one, want) for one in found]

    async def vread_many(
        self, keys: Sequence[tuple[str, str, int]], want: Want = "body", most_bytes: int | None = None
    ) -> list[Version | None]:
        """As `Store.vread_many`."""
        found = await self._store.vread_many(keys, want, most_bytes)
        if want == "body" and most_bytes is not None:
            found = found[: _fitting(found, most_bytes)]
        return [one and await self._given(one, want) for one in found]

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """As `Store.find`."""
        return await self._page(
            lambda count: self._store.find(scope, sort, after, count, most_bytes, want), count, most_bytes, want
        )

    async def find_each(self, scopes: Sequence[Scope], count: int = 50, want: Want = "body") -> list[Page]:
        """As `Store.find_each`."""
        return [await self._whole(page, want) for page in await self._store.find_each(scopes, count, want)]

    async def history(
        self,
        scope: Scope,
        id: str | None = None,
        since: int | None = None,
        at: tuple[int, int] | None = None,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """As `Store.history`."""
        return await self._page(
            lambda count: self._store.history(scope, id, since, at, after, count, most_bytes, want),
            count,
            most_bytes,
            want,
        )

    async def walk(self, scope: Scope, after: Position | None = None, count: int = 500, want: Want = "body") -> Page:
        """As `Store.walk`."""
        return await self._whole(await self._store.walk(scope, after, count, want), want)

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """As `Store.transact`: what is kept outside is durable before the commit that names it.

        Where a write came with its content, its version is bare.
        """
        parts = [await self._taken(write, writes) for write in writes]
        named = [one.content for one in writes if isinstance(one, Put) and one.content is not None]
        if named:
            await self._blobs.keep(named)
        made = await self._store.transact([write for write, _ in parts], guards)
        contents = [found.content for version in made if (found := outlined(version.body)) is not None]
        if contents:
            self._blobs.settle(contents)
        return [_as_sent(version, taken) for version, (_, taken) in zip(made, parts, strict=True)]

    async def purge(self, keys: Sequence[tuple[str, str]], under: str = "") -> int:
        """As `Store.purge`: what was kept outside goes with the collector's next look, where nothing else names it."""
        handles = [await self._handles(id) for type, id in dict.fromkeys(keys) if type == _TYPE]
        # Before the commit: of what nothing names any more, nobody could tell afterwards whose it was.
        await self._records.apply([Keep(PURGED, one, b"") for one in sorted(set().union(*handles))])
        return await self._store.purge(keys, under)

    async def _handles(self, id: str) -> set[str]:
        """The content that any version of a Binary names."""
        found: set[str] = set()
        after: Position | None = None
        while True:
            page = await self._store.history({_TYPE: EVERYTHING}, id, None, None, after, want="bare")
            found |= {outline.content.handle for one in page.versions if (outline := outlined(one.body)) is not None}
            if page.next is None:
                return found
            after = page.next

    async def _taken(self, write: Write, among: Sequence[Write]) -> tuple[Write, Taken | None]:
        """A write in the form in which it is stored, and what was taken out of it."""
        if write.type != _TYPE or not isinstance(write, Put):
            return write, None
        if write.content is not None:
            return _outside(write, Outline(write.content, len(write.body) - 1, write.body)), None
        taken = taken_out(write.body, INSIDE)
        if taken is None:
            return write, None
        content = await self._blobs.put(taken.bytes_of(), owner_of(write, among))
        return _outside(write, Outline(content, taken.at, taken.json)), taken

    async def _page(
        self, ask: Callable[[int], Awaitable[Page]], count: int, most_bytes: int | None, want: Want
    ) -> Page:
        """A page whose bodies, whole again, are not longer than `most_bytes`: then it ends earlier."""
        page = await ask(count)
        if want == "body" and most_bytes is not None:
            fitting = _fitting(page.versions, most_bytes)
            if fitting < len(page.versions):
                page = await ask(fitting)
        return await self._whole(page, want)

    async def _whole(self, page: Page, want: Want) -> Page:
        if not any(is_outlined(version.body) for version in page.versions):
            return page
        return replace(page, versions=tuple([await self._given(version, want) for version in page.versions]))

    async def _given(self, version: Version, want: Want) -> Version:
        found = outlined(version.body)
        if found is None:
            return version
        if want == "bare":
            return structs.replace(version, body=found.json, content=found.content, at_data=found.at)
        content = await whole(self._blobs, found.content)
        if len(content) < _LONG:
            return structs.replace(version, body=put_back(found.json, found.at, content))
        return structs.replace(version, body=await asyncio.to_thread(put_back, found.json, found.at, content))


class OutsideEngine:
    """An engine whose store keeps long content outside its rows; all else is its own.

    Attributes:
        store: the engine's, over which it is done.
    """

    def __init__(self, engine: Engine, blobs: Blobs) -> None:
        self._engine = engine
        self.store = cast("Store", OutsideStore(engine.store, blobs, engine.records))

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)


def with_outside(engine: Engine, blobs: Blobs) -> Engine:
    """`engine`, with long content kept in `blobs`."""
    return cast("Engine", OutsideEngine(engine, blobs))


async def whole(blobs: Blobs, content: Content) -> bytes:
    """All the bytes of some content.

    Raises:
        Damaged: they are not what was put.
    """
    opened = await blobs.open(content)
    return b"".join([piece async for piece in opened.pieces()])


def owner_of(write: Put, among: Sequence[Write]) -> str:
    """Whose content a Binary is: the patient's whom the resource it is judged by is about, where that is plain.

    Else it is the Binary's own: its versions share it, and nothing else does.
    """
    context = next((word.value for word in write.index.words if word.param == "_securityContext"), "")
    if context.startswith("Patient/"):
        return context
    for one in among:
        if isinstance(one, Put) and f"{one.type}/{one.id}" == context:
            words = [word for word in one.index.words if word.param in ("patient", "subject")]
            found = {word.value for word in words if word.value.startswith("Patient/")}
            if len(found) == 1:
                return found.pop()
    return f"{_TYPE}/{write.id}"


def _outside(write: Put, outline: Outline) -> Put:
    body, shift = stored(outline)
    return replace(write, body=body, stamp=write.stamp + shift, content=None)


def _as_sent(version: Version, taken: Taken | None) -> Version:
    found = outlined(version.body)
    if found is None:
        return version
    if taken is None:
        return structs.replace(version, body=found.json, content=found.content, at_data=found.at)
    body = b"".join((found.json[: found.at], b',"data":"', taken.base64, b'"', found.json[found.at :]))
    return structs.replace(version, body=body)


def _fitting(versions: Sequence[Version | None], most_bytes: int) -> int:
    """How many of these, at least one, are together no longer than `most_bytes` when they are whole."""
    left = most_bytes
    if not any(version is not None and is_outlined(version.body) for version in versions):
        return len(versions)
    for n, version in enumerate(versions):
        if version is None:
            continue
        found = outlined(version.body)
        left -= len(version.body) + (0 if found is None else found.content.size * 4 // 3)
        if left < 0:
            return max(n, 1)
    return len(versions)
