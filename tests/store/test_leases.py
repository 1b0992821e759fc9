"""One process at a time holds a lease: as long as it works, and no longer than its term once it is dead."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.leases import HOLDER, LEASE, Holding, Lease, holding, inherited
from fhir_server.store.protocol import Records
from tests.engines import an_engine


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    engine = an_engine(tmp_path)
    yield engine.records
    await engine.close()


async def test_of_many_who_offer_one_works_and_then_another_may(records: Records) -> None:
    working = 0
    most = 0

    async def work() -> int:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0.05)
        working -= 1
        return 7

    found = await asyncio.gather(*[Lease(records, "sweep").hold(work) for _ in range(8)])
    assert sorted(found, key=str) == [7, *[None] * 7]
    assert most == 1
    assert await Lease(records, "sweep").hold(work) == 7


async def test_long_work_keeps_its_lease_and_says_who_does_it(records: Records) -> None:
    taken: list[int | None] = []

    async def work() -> int:
        first = await holding(records, "sweep")
        assert first is not None and first.holder == HOLDER
        while (now := await holding(records, "sweep")) is None or now.until <= first.until + 1.5:
            assert now is not None
            taken.append(await Lease(records, "sweep").hold(nothing))
            await asyncio.sleep(0.1)
        return 1

    async def nothing() -> int:
        return 2

    # It is three times as long as the lease lasts without being renewed.
    assert await Lease(records, "sweep", seconds=0.5).hold(work) == 1
    assert set(taken) == {None}
    assert await holding(records, "sweep") is None


async def test_work_that_fails_lets_go(records: Records) -> None:
    async def fails() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Lease(records, "sweep").hold(fails)
    assert await holding(records, "sweep") is None


async def test_who_lost_the_lease_stops_and_leaves_it_to_the_other(records: Records) -> None:
    stopped = asyncio.Event()

    async def work() -> int:
        # Another process found it ended, as after this one stood still for longer than it lasts.
        await records.put(LEASE, "sweep", b"another's", 60)
        try:
            await asyncio.sleep(120)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return 1

    with pytest.raises(Unavailable):
        await Lease(records, "sweep", seconds=0.3).hold(work)
    assert stopped.is_set()
    assert await records.get(LEASE, "sweep") == b"another's"


#: Who holds the lease → whether another may go on at once.
HOLDERS: list[tuple[str, str, bool]] = [
    ("a process of this machine that ended", f"{socket.gethostname()}:{{ended}}:0123", True),
    ("a process of this machine that goes on", HOLDER, False),
    ("another machine's, with a number of one that ended here", "elsewhere:{ended}:0123", False),
]


@pytest.mark.parametrize(("who", "holder", "free"), HOLDERS, ids=[one[0] for one in HOLDERS])
async def test_of_a_process_that_is_no_more_the_lease_is_taken_over(
    records: Records, who: str, holder: str, free: bool
) -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    now = time.time()
    kept = msgspec.json.encode(Holding(holder.format(ended=ended.pid), now, now + 60))
    await records.put(LEASE, "load", kept, 60)
    assert await inherited(records, "load") is free

    async def work() -> bool:
        return True

    assert await Lease(records, "load").hold(work) is (True if free else None)
