"""Who reads: one connection on the event loop for what is short, a few threads for what is not.

A short read costs less than handing it to a thread. What is expected to be short and is not is stopped after some
milliseconds and begun again in a thread, where it may take until its deadline.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import TypeVar

import apsw

from fhir_server.store.embedded.connections import Clock, open_reader, said
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.search import Search

#: How much work a read may do on the event loop, in seconds of processor time. A few milliseconds are usual; on a busy
#: machine the same work takes several times as long, and beginning it again in a thread would cost more than both.
_INLINE_WORK = 0.04
#: How long it may take, waiting for the disk or the processor included.
_INLINE_SECONDS = 0.4

T = TypeVar("T")


class Reader:
    """A connection, and the searches on it."""

    def __init__(self, path: Path, names: Names, busy_seconds: float) -> None:
        """Open the file."""
        self.connection = open_reader(path, busy_seconds)
        self._clock = Clock(self.connection)
        self._search = Search(self.connection, names, self._clock)

    def run(self, read: Callable[[Search], T], seconds: float, work: float = inf) -> T:
        """What `read` returns.

        Raises:
            apsw.InterruptError: it took longer than `seconds`, or more than `work` seconds of processor time.
        """
        self._clock.start(seconds, work)
        return read(self._search)


class Readers:
    """Runs reads where they disturb least."""

    def __init__(self, path: Path, names: Names, threads: int, busy_seconds: float, deadline_seconds: float) -> None:
        """Open the event loop's connection; the threads open theirs when first needed."""
        self._path, self._names = path, names
        self._busy_seconds, self._deadline_seconds = busy_seconds, deadline_seconds
        self._inline = Reader(path, names, busy_seconds)
        self._threads = ThreadPoolExecutor(threads, "store-reader")
        self._own = threading.local()
        self._opened: list[Reader] = []

    async def quickly(self, read: Callable[[Search], T]) -> T:
        """What `read` returns, on this thread if it is done within milliseconds, else in another.

        Raises:
            TooCostly: it took longer than the deadline.
            Unavailable: the file cannot be read.
        """
        try:
            return self._inline.run(read, _INLINE_SECONDS, _INLINE_WORK)
        except apsw.InterruptError:
            return await self.slowly(read)
        except apsw.Error as error:
            raise said(error) from error

    async def slowly(self, read: Callable[[Search], T], patient: bool = False) -> T:
        """What `read` returns, in another thread; a `patient` caller sets no deadline. Raises as `quickly`."""
        seconds = inf if patient else self._deadline_seconds
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._in_thread, read, seconds)

    async def aside(self, work: Callable[[], T]) -> T:
        """What `work` returns, in a thread of its own that no read waits for."""
        return await asyncio.to_thread(work)

    def now(self, read: Callable[[Search], T]) -> T:
        """What `read` returns, on this thread. Raises as `quickly`."""
        try:
            return self._inline.run(read, self._deadline_seconds)
        except apsw.Error as error:
            raise said(error) from error

    def close(self) -> None:
        """Wait for reads in threads, then close every connection."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for reader in (self._inline, *self._opened):
            reader.connection.close()

    def _in_thread(self, read: Callable[[Search], T], seconds: float) -> T:
        try:
            reader: Reader | None = getattr(self._own, "reader", None)
            if reader is None:
                reader = self._own.reader = Reader(self._path, self._names, self._busy_seconds)
                self._opened.append(reader)
            return reader.run(read, seconds)
        except apsw.Error as error:
            raise said(error) from error
