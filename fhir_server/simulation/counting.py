"""The indicators kept up while the years go by, in a process of their own: counting takes its time too."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from multiprocessing import get_context

from fhir_server.app import House, opened
from fhir_server.fhir.outcome import Unavailable
from fhir_server.loading.orphans import end_with_parent
from fhir_server.settings import Settings
from fhir_server.space.indicators.recounting import JOB, Indicators
from fhir_server.store.leases import Lease, inherited

#: Seconds for which it is waited for another that counts.
_PATIENCE = 60


class Counting:
    """Counts what was committed, once at a time."""

    def __init__(self, house: House, pool: ProcessPoolExecutor | None) -> None:
        """In a process of `pool`; without one in this."""
        self._house = house
        self._pool = pool
        self._under_way: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """Have what is there counted while others go on, where there is another process, and it has nothing to do."""
        if self._pool is not None and (self._under_way is None or self._under_way.done()):
            self._under_way = asyncio.wrap_future(self._pool.submit(_count, self._house.settings))

    async def done(self) -> None:
        """All that was committed by now is counted when this returns.

        Raises:
            Unavailable: another process counts.
        """
        if self._under_way is not None:
            await self._under_way
        if self._pool is None:
            await counted(self._house)
        else:
            await asyncio.wrap_future(self._pool.submit(_count, self._house.settings))


@asynccontextmanager
async def counting(house: House, apart: bool) -> AsyncIterator[Counting]:
    """Counting over an opened server, in a process of its own where `apart` says so."""
    if not apart:
        yield Counting(house, None)
        return
    pool = ProcessPoolExecutor(1, get_context("spawn"), end_with_parent)
    # A Ctrl-C is the parent's to handle, from the process's very first moment: it is started with it blocked.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.submit(os.getpid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield Counting(house, pool)
    finally:
        pool.shutdown(cancel_futures=True)


async def counted(house: House) -> None:
    """Have the indicators count all that was committed.

    Raises:
        Unavailable: another process counts.
    """
    around, now = house.services, datetime.now(UTC)

    async def work() -> bool:
        while await Indicators(around).count(now):
            pass
        return True

    for _ in range(_PATIENCE):
        # What counted for a run that was killed counts to its end.
        await inherited(around.records, f"job {JOB}")
        with suppress(Unavailable):
            if await Lease(around.records, f"job {JOB}").hold(work):
                return
        await asyncio.sleep(1)
    raise Unavailable("Another process counts the indicators now: try again when it is done.")


def _count(settings: Settings) -> None:
    async def work() -> None:
        async with opened(settings) as house:
            await counted(house)

    asyncio.run(work())
