"""Who reads: one connection on the event loop for what is short, threads for what is not, in two lanes.

A short read costs less than handing it to a thread. What is expected to be short and is not is stopped after some
milliseconds and begun again in a thread of the first lane; whatever is still not done there is begun again in the
second, where it may take until its deadline, so that nobody's long reads hold up others' middling ones. What a read of
the same shape cost lately says where it begins.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import TypeVar

import apsw

from fhir_server.store.embedded.connections import (
    INSTRUCTIONS_OF_A_THREAD,
    Clock,
    open_reader,
    said,
)
from fhir_server.store.embedded.costs import Costs
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.search import Search

#: How much work a read may do on the event loop, in seconds of processor time, and what it is expected to take at most
#: to be begun there. While the loop is reading it serves nobody, and threads hardly get a turn.
_INLINE_WORK, _INLINE_EXPECTED = 0.02, 0.008
#: How much it may do in the first lane.
_MIDDLING_WORK = 0.4
#: How long it may take, waiting for the disk or the processor included.
_INLINE_SECONDS = 0.4

T = TypeVar("T")


class Reader:
    """A connection, and the searches on it."""

    def __init__(self, path: Path, names: Names, busy_seconds: float, instructions: int | None = None) -> None:
        """Open the file; `instructions` as of `Clock`."""
        self.connection = open_reader(path, busy_seconds)
        self._clock = Clock(self.connection, instructions)
        self._search = Search(self.connection, names, self._clock)

    def run(self, read: Callable[[Search], T], seconds: float, work: float = inf) -> T:
        """What `read` returns.

        Raises:
            apsw.InterruptError: it took longer than `seconds`, or more than `work` seconds of processor time.
        """
        self._clock.start(seconds, work)
        return read(self._search)

    @property
    def worked(self) -> float:
        """Seconds of processor time that the last read took, but for its first moment."""
        return self._clock.worked


class Lane:
    """A few threads that read, each with a connection of its own, first come first served."""

    def __init__(self, name: str, threads: int, make: Callable[[], Reader]) -> None:
        """`make` opens a connection; a thread does so when it is first needed."""
        self._threads = ThreadPoolExecutor(threads, name)
        self._make = make
        self._own = threading.local()
        self._opened: list[Reader] = []

    async def run(self, read: Callable[[Search], T], seconds: float, work: float = inf) -> tuple[T, float]:
        """What `read` returns, and the seconds of processor time it took. Raises as `Reader.run`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._in_thread, read, seconds, work)

    def close(self) -> None:
        """Wait for what is being read, then close every connection."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for reader in self._opened:
            reader.connection.close()

    def _in_thread(self, read: Callable[[Search], T], seconds: float, work: float) -> tuple[T, float]:
        reader: Reader | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = self._make()
            self._opened.append(reader)
        began = time.thread_time()
        return reader.run(read, seconds, work), time.thread_time() - began


class Readers:
    """Runs reads where they disturb least."""

    def __init__(self, path: Path, names: Names, threads: int, busy_seconds: float, deadline_seconds: float) -> None:
        """Open the event loop's connection; the threads, so many a lane, open theirs when first needed."""
        self._deadline_seconds = deadline_seconds
        self._costs = Costs()
        self._inline = Reader(path, names, busy_seconds)

        def make() -> Reader:
            return Reader(path, names, busy_seconds, INSTRUCTIONS_OF_A_THREAD)

        self._middling = Lane("store-reader", threads, make)
        self._long = Lane("store-reader-long", threads, make)

    async def quickly(self, read: Callable[[Search], T], shape: Hashable = None) -> T:
        """What `read` returns, on this thread if it is done within milliseconds, else in another.

        Args:
            read: what is read; may be begun several times.
            shape: what it has in common with others that cost about the same, as `costs.shape` tells; None for what
                is always short.

        Raises:
            TooCostly: it took longer than the deadline.
            Unavailable: the file cannot be read.
        """
        if shape is not None and self._costs.expected(shape) > _INLINE_EXPECTED:
            return await self._aside(read, shape)
        try:
            found = self._inline.run(read, _INLINE_SECONDS, _INLINE_WORK)
        except apsw.InterruptError:
            return await self._aside(read, shape)
        except apsw.Error as error:
            raise said(error) from error
        if shape is not None:
            self._costs.note(shape, self._inline.worked)
        return found

    async def slowly(self, read: Callable[[Search], T], patient: bool = False) -> T:
        """What `read` returns, in the second lane; a `patient` caller sets no deadline. Raises as `quickly`."""
        try:
            found, _ = await self._long.run(read, inf if patient else self._deadline_seconds)
        except apsw.Error as error:
            raise said(error) from error
        return found

    async def aside(self, work: Callable[[], T]) -> T:
        """What `work` returns, in a thread of its own that no read waits for."""
        return await asyncio.to_thread(work)

    def close(self) -> None:
        """Wait for reads in threads, then close every connection."""
        self._middling.close()
        self._long.close()
        self._inline.connection.close()

    async def _aside(self, read: Callable[[Search], T], shape: Hashable) -> T:
        """What `read` returns, in the first lane and, when it is long even there, in the second."""
        try:
            found, cost = await self._middling.run(read, self._deadline_seconds, _MIDDLING_WORK)
        except apsw.InterruptError:
            if shape is not None:
                self._costs.note(shape, _MIDDLING_WORK)
            return await self.slowly(read)
        except apsw.Error as error:
            raise said(error) from error
        if shape is not None:
            self._costs.note(shape, cost)
        return found
