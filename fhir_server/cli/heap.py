"""What a worker needed for a moment goes back to the system: between what is in use, glibc keeps all that was freed."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

#: How often, in seconds: some milliseconds of a thread each time.
EVERY_SECONDS = 60.0


def giving_back() -> Callable[[int], int] | None:
    """The system's `malloc_trim`, to be called with how many bytes to keep at the top of the heap; None without one."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        # Not glibc: others give back by themselves.
        return None
    return found


async def tended(every_seconds: float = EVERY_SECONDS) -> None:
    """Give back, again and again, until it is cancelled."""
    give_back = giving_back()
    while give_back is not None:
        await asyncio.sleep(every_seconds)
        await asyncio.to_thread(give_back, 0)
