"""What is synchronous is judged beside the event loop's own work, and may wait for it: short requests and long ones."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fhir_server.smart.authlib_bridge import LONG, Bridge, is_long


async def doubled(number: int) -> int:
    await asyncio.sleep(0)
    if number < 0:
        raise ValueError("negative")
    return 2 * number


@pytest.mark.parametrize("long", [False, True])
async def test_what_is_judged_waits_for_the_loop_as_often_as_it_needs(long: bool) -> None:
    bridge = Bridge()

    def judge(start: int) -> int:
        found = start
        for _ in range(3):
            found = bridge.wait(doubled(found))
        with pytest.raises(ValueError, match="negative"):
            bridge.wait(doubled(-1))
        return found

    found = await asyncio.gather(*[bridge.run(lambda n=n: judge(n), long) for n in range(20)])  # type: ignore[misc]
    assert found == [8 * n for n in range(20)]


@pytest.mark.parametrize("long", [False, True])
async def test_what_judging_raises_is_raised(long: bool) -> None:
    def judge() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Bridge().run(judge, long)


async def test_a_long_request_is_judged_in_a_thread_and_a_short_one_is_not() -> None:
    own = threading.get_ident()
    assert await Bridge().run(threading.get_ident) == own
    assert await Bridge().run(threading.get_ident, long=True) != own
    assert [is_long([("scope", "a" * n)]) for n in (LONG - 1, LONG)] == [False, True]


async def test_nothing_waits_outside() -> None:
    with pytest.raises(RuntimeError):
        Bridge().wait(doubled(1))


async def test_what_is_given_up_is_given_up_where_it_waits() -> None:
    bridge, ended = Bridge(), []

    def judge() -> None:
        try:
            bridge.wait(asyncio.sleep(3600))
        finally:
            ended.append(True)

    task = asyncio.create_task(bridge.run(judge))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
