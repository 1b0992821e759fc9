"""Authlib judges in a worker thread; what it must know or keep is fetched and kept on the event loop it came from.

Authlib's servers are synchronous. A thread each for the few requests that authorize (a code, a refresh) costs tens of
microseconds, keeps signatures and hashes off the loop, and leaves the library's own order of checks as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

#: Threads that judge at once. More wait: each mostly waits for the store, which groups their writes.
THREADS = 16


class Bridge:
    """The way from the loop to a thread, and back for a moment."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="smart")
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, judge: Callable[[], T]) -> T:
        """What `judge` returns, from a thread in which `wait` may be called."""
        self._loop = asyncio.get_running_loop()
        return await self._loop.run_in_executor(self._threads, judge)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What `coroutine` gives on the loop; only from inside `run`."""
        if self._loop is None:
            raise RuntimeError("Only what `run` runs may wait.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=60)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False)
