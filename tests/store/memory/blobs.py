"""Content in memory, as far away as tests say: what `fhir_server/store/blobs/protocol.py` promises and nothing more."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from fhir_server.fhir.outcome import Damaged, Unavailable
from fhir_server.store.blobs.protocol import CHUNK, Blob
from fhir_server.store.content import Content


class MemoryBlobs:
    """`Blobs` in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.there: dict[str, Blob] = {}
        self._handles: dict[tuple[str, bytes], str] = {}

    def upload(self, owner: str | None) -> MemoryUpload:
        return MemoryUpload(self, owner)

    async def put(self, pieces: Iterable[bytes], owner: str | None) -> Content:
        return self.arrived(b"".join(pieces), owner)

    def arrived(self, data: bytes, owner: str | None) -> Content:
        digest = hashlib.sha256(data)
        handle = secrets.token_hex(32)
        if owner is not None:
            handle = self._handles.setdefault((owner, digest.digest()), handle)
        self.kept[handle] = data
        known = self.there.get(handle)
        self.there[handle] = Blob(handle, known is not None and known.settled, time.time())
        return Content(handle, len(data), digest.hexdigest(), 0)

    async def open(self, content: Content, first: int = 0, end: int | None = None) -> MemoryOpened:
        if (await self.examine(content)) is not None:
            raise Damaged("It is damaged or lost.")
        return MemoryOpened(self.kept[content.handle][first : content.size if end is None else end])

    async def keep(self, contents: Sequence[Content]) -> None:
        if any(one.handle not in self.there for one in contents):
            raise Unavailable("It is gone.")
        for one in contents:
            self.there[one.handle] = replace(self.there[one.handle], at=time.time())

    def settle(self, contents: Sequence[Content]) -> None:
        for one in contents:
            if one.handle in self.there:
                self.there[one.handle] = replace(self.there[one.handle], settled=True)

    async def settled(self, contents: Sequence[Content]) -> None:
        self.settle(contents)

    async def release(self, handles: Sequence[str]) -> None:
        for handle in handles:
            if handle in self.there:
                self.there[handle] = replace(self.there[handle], settled=False)

    async def listed(self) -> AsyncIterator[Blob]:
        for blob in sorted(self.there.values(), key=lambda blob: blob.settled):
            yield blob

    async def remove(self, handles: Sequence[str], before: float) -> int:
        found = [self.there[handle] for handle in handles if handle in self.there]
        left = [blob.handle for blob in found if not blob.settled and blob.at < before]
        for handle in left:
            del self.there[handle], self.kept[handle]
        return len(left)

    async def examine(self, content: Content) -> str | None:
        data = self.kept.get(content.handle)
        if data is None:
            return "its content is lost"
        return None if hashlib.sha256(data).hexdigest() == content.sha256 else "its content is damaged"

    async def copy(self, target: Path) -> int:
        raise Unavailable("It is copied with its own tools.")

    async def close(self) -> None:
        return


class MemoryUpload:
    def __init__(self, blobs: MemoryBlobs, owner: str | None) -> None:
        self._blobs, self._owner, self._data = blobs, owner, bytearray()

    async def write(self, piece: bytes) -> None:
        self._data += piece

    async def finish(self) -> Content:
        return self._blobs.arrived(bytes(self._data), self._owner)

    async def give_up(self) -> None:
        self._data.clear()


class MemoryOpened:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), CHUNK):
            yield self._data[start : start + CHUNK]

    def close(self) -> None:
        return
