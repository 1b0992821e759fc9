"""Bundles that arrive together are judged one in each round of the event loop: https://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change, Pipeline, Step
from fhir_server.interactions.server_steps import SERVER
from fhir_server.work.turns import Turns
from tests.server.calls import Server


async def began(turns: Turns, name: str, said: list[str]) -> None:
    await turns.come()
    said.append(name)


async def test_each_round_begins_one_in_the_order_they_came() -> None:
    turns, said = Turns(), list[str]()
    waiting = [asyncio.create_task(began(turns, str(n), said)) for n in range(4)]
    seen: list[int] = []
    while len(said) < 4:
        before = len(said)
        await asyncio.sleep(0)
        seen.append(len(said) - before)
    assert said == ["0", "1", "2", "3"]
    assert max(seen) == 1
    await asyncio.gather(*waiting)


async def test_who_has_begun_and_waits_keeps_nobody_from_beginning() -> None:
    turns, said, over = Turns(), list[str](), asyncio.Event()

    async def long() -> None:
        await turns.come()
        await over.wait()

    first = asyncio.create_task(long())
    await asyncio.wait_for(began(turns, "second", said), 5)
    assert said == ["second"]
    over.set()
    await first


async def test_who_goes_away_leaves_the_turn_to_the_next() -> None:
    turns, said = Turns(), list[str]()
    first, gone, last = (asyncio.create_task(began(turns, name, said)) for name in ("first", "gone", "last"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait_for(asyncio.gather(first, last), 5)
    assert said == ["first", "last"]
    # And whoever comes when nobody waits any more goes on at once.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.wait_for(began(turns, "later", said), 5)
    assert said[-1] == "later"


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_a_read_waits_for_one_of_the_bundles_that_came_before_it(server: Server, kind: str) -> None:
    made = await server.post("Patient", {"resourceType": "Patient"})
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    done: list[str] = []

    async def judged(_: Context, change: Change) -> None:
        done.append(change.method)

    server.pipeline = Pipeline((*SERVER, Step("noted", judge=judged)))

    async def bundle() -> None:
        assert (await server.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})).status == 200

    async def read() -> None:
        assert (await server.get(f"Patient/{made.id}")).status == 200
        done.append("GET")

    await asyncio.gather(*(bundle() for _ in range(12)), read())
    assert done.count("POST") == 12
    assert done.index("GET") <= 1
