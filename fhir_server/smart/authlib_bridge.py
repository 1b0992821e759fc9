"""Authlib judges on the event loop, on a stack of its own, left for as long as what it must know or keep is awaited.

Authlib's servers are synchronous. A greenlet (https://greenlet.readthedocs.io) each for the requests that authorize
leaves the library's own order of checks as it is, and costs a microsecond where a thread and its ways back cost two
hundred. What takes long (a signature of ours) is awaited from a thread, and long requests are judged in one: hundreds
of scopes, met with hundreds, are tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

#: Characters of parameters from which on a request is long.
LONG = 2_000


def is_long(pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether a request with these parameters is judged in a thread."""
    return sum(len(value) for _, value in pairs) >= LONG


class Bridge:
    """The way from the loop to what is synchronous, and back for a moment."""

    def __init__(self) -> None:
        self._thread = threading.local()

    async def run(self, judge: Callable[[], T], long: bool = False) -> T:
        """What `judge` returns, on a stack in which `wait` may be called; in a thread where it is `long`."""
        if long:
            loop = asyncio.get_running_loop()
            return await asyncio.to_thread(self._apart, loop, judge)
        own = greenlet(judge)
        given = own.switch()
        while not own.dead:
            try:
                found = await given
            except BaseException as error:
                given = own.throw(error)
            else:
                given = own.switch(found)
        judged: T = given
        return judged

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What `coroutine` gives on the loop; only from inside `run`."""
        loop: asyncio.AbstractEventLoop | None = getattr(self._thread, "loop", None)
        if loop is not None:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=60)
        outside = getcurrent().parent
        if outside is None:
            coroutine.close()
            raise RuntimeError("Only what `run` runs may wait.")
        found: T = outside.switch(coroutine)
        return found

    def _apart(self, loop: asyncio.AbstractEventLoop, judge: Callable[[], T]) -> T:
        self._thread.loop = loop
        try:
            return judge()
        finally:
            self._thread.loop = None
