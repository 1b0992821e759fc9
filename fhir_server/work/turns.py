"""One long piece of work in each round of the event loop, however many requests ask for one at the same moment.

What is judged here is judged in one go. Thirty Bundles that arrive together would be thirty pieces in a row, during
which nobody is read, answered or told that their write is durable. With a turn in between, the first is answered while
the last still waits, the disk writes what was judged while the next is, and short requests wait for one Bundle only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class Turns:
    """Of one event loop."""

    __slots__ = ("_free", "_waiting")

    def __init__(self) -> None:
        """Whoever comes first goes on at once."""
        self._free = True
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def come(self) -> None:
        """Wait until nobody else has begun in this round of the loop; first come, first served.

        Nothing is held: who has begun and then waits, for the store or the disk, keeps nobody else from beginning.
        """
        loop = asyncio.get_running_loop()
        if self._free:
            self._free = False
            loop.call_soon(self._next, loop)
            return
        waiting = loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            first = self._waiting.popleft()
            # Who has gone away meanwhile leaves the turn to the next.
            if not first.done():
                first.set_result(None)
                loop.call_soon(self._next, loop)
                return
        self._free = True


_OF: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def turn() -> None:
    """As `Turns.come`, of the running loop."""
    loop = asyncio.get_running_loop()
    found = _OF.get(loop)
    if found is None:
        found = _OF[loop] = Turns()
    await found.come()
