"""Authlib judges on the event loop, on a stack of its own, left for as long as what it must know or keep is awaited.

Authlib's servers are synchronous. A greenlet (https://greenlet.readthedocs.io) each for the requests that authorize
leaves the library's own order of checks as it is, and costs a microsecond where a thread and its ways back cost two
hundred. What takes long (a signature of ours) is awaited from a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Bridge:
    """The way from the loop to what is synchronous, and back for a moment."""

    async def run(self, judge: Callable[[], T]) -> T:
        """What `judge` returns, on a stack in which `wait` may be called."""
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
        outside = getcurrent().parent
        if outside is None:
            coroutine.close()
            raise RuntimeError("Only what `run` runs may wait.")
        found: T = outside.switch(coroutine)
        return found
