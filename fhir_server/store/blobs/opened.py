"""A range of content in a file, found whole before its first byte is given, and checked again as it goes.

What fits in one chunk is read once, and given from memory. Of more, all is read through first, so that whoever asked is
told of damage in an answer of its own; what changes between the two readings ends the answer before the wrong byte.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from fhir_server.store.blobs.chunks import Reading
from fhir_server.store.blobs.protocol import CHUNK
from fhir_server.store.content import Content

T = TypeVar("T")


class Apart(Protocol):
    """Does something in a thread."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """What `work` returns or raises, once its thread is through with it."""


class OpenedFile:
    """`Opened`, in a file."""

    __slots__ = ("_apart", "_end", "_file", "_first", "_next", "_reading", "_start")

    def __init__(self, apart: Apart, file: int, content: Content, first: int, end: int) -> None:
        """Read `first` to before `end` of the open `file`, which is this one's to close. Not for the event loop.

        Raises:
            Damaged: it is not as it was put.
        """
        self._apart = apart
        self._file = file
        self._first, self._end = first, end
        self._next = first // CHUNK
        try:
            self._reading = Reading(file, content)
            self._start = self._reading.chunk(self._next) if end > first else b""
            for number in range(self._next + 1, -(-end // CHUNK)):
                self._reading.chunk(number)
        except BaseException:
            self.close()
            raise
        if first >= end or end <= (self._next + 1) * CHUNK:
            self.close()

    async def pieces(self) -> AsyncIterator[bytes]:
        """As `Opened.pieces`."""
        try:
            found, self._start = self._start, b""
            while self._first < self._end and self._next * CHUNK < self._end:
                if not found:
                    number = self._next
                    found = await self._apart(lambda: self._reading.chunk(number))  # noqa: B023 - awaited here
                at = self._next * CHUNK
                yield found[max(self._first - at, 0) : self._end - at]
                found, self._next = b"", self._next + 1
        finally:
            self.close()

    def close(self) -> None:
        """As `Opened.close`."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __del__(self) -> None:
        """Nobody may have come to read it."""
        self.close()
