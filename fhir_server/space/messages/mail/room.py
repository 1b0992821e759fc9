"""How much of mails one process holds at a time, in bytes: what is received, and what is taken apart and written.

A mail is taken apart into many times its own length for a moment. Without a bound the memory of a process is that of
all its connections at once, and stays: what is freed between what is used goes back to nobody.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

#: Bytes of mails that are received and wait, and of those that are taken apart together.
MOST_RECEIVED, MOST_AT_WORK = 256_000_000, 8_000_000
#: glibc's name of the length from which on memory is taken from the system by itself, and goes back when it is freed.
_MMAP_THRESHOLD, _LONG = -3, 262_144


class Received:
    """What is received and not answered yet; more than `most` is asked to come later."""

    def __init__(self, most: int = MOST_RECEIVED) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """As `wire.Holding.take`."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def leave(self, size: int) -> None:
        """As `wire.Holding.leave`."""
        self._left += size


class AtWork:
    """What is taken apart and written: as much as there is room for, who came first before the others."""

    def __init__(self, most: int = MOST_AT_WORK) -> None:
        self._most = self._left = most
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Room for a mail of so many bytes, for as long as the block lasts; one that is longer has all of it."""
        wanted = min(size, self._most)
        async with self._turn:
            while self._left < wanted:
                self._freed.clear()
                await self._freed.wait()
            self._left -= wanted
        try:
            yield
        finally:
            self._left += wanted
            self._freed.set()


def give_back_what_is_freed() -> None:
    """Have the C library give long pieces of memory back at once; where it is not glibc, nothing changes.

    Left to itself glibc keeps pieces of up to 32 MB once it has seen one freed, and mails of 5 MB between small ones
    that stay make hundreds of MB of holes.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LONG)
