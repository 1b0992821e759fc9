"""What was answered is there, and nothing is there in part: servers killed, databases killed, stepped down, standing still.

`fhir_server/store/protocol.py` (`transact`: all the writes or none, durable when this returns; `changes`: without gap).
https://www.mongodb.com/docs/manual/replication/
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.store import opening
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Token, Word
from fhir_server.store.protocol import Guard, Stale
from tests import mongod
from tests.store.making import a_put, an_index, defects

LIMITS = {"max_pending": 1_000, "deadline_seconds": 30.0}


@pytest.fixture(autouse=True)
def _with_a_mongod() -> None:
    mongod.require()


@pytest.fixture
async def engines() -> AsyncIterator[list[Engine]]:
    """Two servers on one new store."""
    url = mongod.url()
    opened = [opening.open_engine(url, **LIMITS) for _ in range(2)]
    yield opened
    for one in opened:
        await one.close()


@pytest.fixture(scope="module")
def three() -> Iterator[list[mongod.Member]]:
    """A replica set of three."""
    mongod.require()
    members = [mongod.Member() for _ in range(3)]
    try:
        for member in members:
            member.start()
        members[0].initiate(*members[1:])
        yield members
    finally:
        for member in members:
            member.remove()


def url_of(members: list[mongod.Member], name: str) -> str:
    hosts = ",".join(f"127.0.0.1:{member.port}" for member in members)
    return f"mongodb://{hosts}/{name}?replicaSet=rs0"


def primary_of(members: list[mongod.Member]) -> mongod.Member:
    from pymongo import MongoClient

    with MongoClient(url_of(members, "admin")) as client:
        client.admin.command("ping")
        address = client.primary
    return next(member for member in members if address is not None and member.port == address[1])


async def pairs(engine: Engine, name: str, most: int, told: list[str]) -> None:
    """Two resources in each transaction, noted in `told` once it is answered; what is refused is asked again."""
    for n in range(most):
        pair = f"{name}-{n}"
        index = an_index(Word("pair", pair))
        while True:
            try:
                await engine.store.transact(
                    [a_put("Patient", f"{pair}-a", 0, index), a_put("Group", f"{pair}-b", 0, index)]
                )
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            except Stale:
                # It was done, though nobody could be told.
                pass
            told.append(pair)
            break


async def whole(engine: Engine) -> list[str]:
    """The pairs that are there; none is in part, and the feed tells each version once, in the order of instants."""
    found: dict[str, list[str]] = {}
    after = (0,)
    at = 0
    while True:
        news = await engine.store.changes(after, (), 500)
        if not news.changed:
            break
        for one in news.changed:
            assert one.version == 1 and one.at >= at
            at = one.at
            found.setdefault(one.type, []).append(one.id[:-2])
        after = news.position
    assert sorted(found.get("Patient", [])) == sorted(found.get("Group", []))
    names = found.get("Patient", [])
    assert len(names) == len(set(names)) == await engine.store.count({"Patient": EVERYTHING})
    assert await defects(engine) == []
    return names


async def test_a_server_that_is_killed_leaves_what_it_answered_and_nothing_in_part() -> None:
    url = mongod.url()
    command = [sys.executable, "-m", "tests.store.load", url, "killed", "100000"]
    told = await asyncio.to_thread(_told_until_killed, command)
    engine = opening.open_engine(url, **LIMITS)
    try:
        assert set(told) <= set(await whole(engine))
        assert len(told) > 100
        # What it had under way holds nobody up.
        await engine.store.transact([a_put("Patient", "next-a"), a_put("Group", "next-b")])
    finally:
        await engine.close()


async def test_of_conditional_creates_by_two_servers_at_once_one_is_done(engines: list[Engine]) -> None:
    guard = Guard("Patient", Token("identifier", "1", "urn:oid:1.2"), frozenset())
    index = an_index(Word("identifier", "1", "urn:oid:1.2"))
    outcomes = await asyncio.gather(
        *[engines[n % 2].store.transact([a_put("Patient", f"p{n}", 0, index)], [guard]) for n in range(40)],
        return_exceptions=True,
    )
    assert sum(isinstance(one, list) for one in outcomes) == 1
    assert sum(isinstance(one, Stale) for one in outcomes) == 39


async def test_who_judges_by_what_the_other_writes_is_overtaken(engines: list[Engine]) -> None:
    """Write skew: each would be right alone, since they write different resources of different types."""
    for n in range(10):
        mine = Guard("Patient", Token("n", str(n)), frozenset())
        yours = Guard("Group", Token("n", str(n)), frozenset())
        index = an_index(Word("n", str(n)))
        outcomes = await asyncio.gather(
            engines[0].store.transact([a_put("Group", f"g{n}", 0, index)], [mine]),
            engines[1].store.transact([a_put("Patient", f"p{n}", 0, index)], [yours]),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in outcomes) == ["Stale", "list"]


async def test_two_servers_write_one_feed_that_is_followed_without_gap(engines: list[Engine]) -> None:
    told: list[str] = []
    met: list[str] = []
    place = (await engines[0].store.changes(None)).position
    writing = [asyncio.create_task(pairs(engines[n % 2], f"w{n}", 15, told)) for n in range(6)]
    while True:
        over = all(task.done() for task in writing)
        news = await engines[1].store.changes(place, (), 7)
        met += [one.id[:-2] for one in news.changed if one.type == "Patient"]
        place = news.position
        if over and not news.changed:
            break
    await asyncio.gather(*writing)
    assert sorted(met) == sorted(told) == sorted(await whole(engines[0]))


@pytest.mark.parametrize("how", ["stepped down", "killed"])
async def test_an_election_loses_nothing_and_does_nothing_twice(three: list[mongod.Member], how: str) -> None:
    engine = opening.open_engine(url_of(three, how.replace(" ", "")), **LIMITS)
    try:
        told: list[str] = []
        writing = [asyncio.create_task(pairs(engine, f"w{n}", 60, told)) for n in range(4)]
        while len(told) < 20:  # noqa: ASYNC110 - it is told by what it does
            await asyncio.sleep(0.01)
        before = await asyncio.to_thread(primary_of, three)
        if how == "killed":
            before.send(signal.SIGKILL)
        else:
            await asyncio.to_thread(_step_down, before)
        await asyncio.gather(*writing)
        assert sorted(set(told)) == sorted(await whole(engine))
        assert len(told) == 240
        assert await engine.unwritable() is None
    finally:
        await engine.close()
        if how == "killed":
            before.start()


async def test_a_database_that_stands_still_is_said_and_gone_on_with() -> None:
    alone = mongod.Member()
    try:
        alone.start()
        alone.initiate()
        engine: Any = opening.open_engine(f"{url_of([alone], 'x')}", max_pending=10, deadline_seconds=1.0)
        engine._writer._seconds = 1.0
        await engine.store.transact([a_put("Patient", "a")])
        alone.send(signal.SIGSTOP)
        for ask in (
            engine.store.read("Patient", "a"),
            engine.store.find({"Patient": EVERYTHING}),
            engine.store.transact([a_put("Patient", "b")]),
            engine.records.put("code", "k", b""),
        ):
            with pytest.raises(FhirError) as refused:
                await asyncio.wait_for(ask, 60)
            assert refused.value.status in (400, 503)
        assert await engine.unwritable() is not None
        alone.send(signal.SIGCONT)
        async with asyncio.timeout(60):
            while await engine.unwritable() is not None:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.1)
        (version,) = await engine.store.transact([a_put("Patient", "c")])
        assert await engine.store.read("Patient", "c") == version
        await engine.close()
    finally:
        alone.send(signal.SIGCONT)
        alone.remove()


def _told_until_killed(command: list[str]) -> list[str]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [child.stdout.readline().strip() for _ in range(120)][1:]
        child.kill()
        return told + [line.strip() for line in child.stdout if line.endswith("\n")]


def _step_down(member: mongod.Member) -> None:
    from pymongo import MongoClient

    with MongoClient(f"mongodb://127.0.0.1:{member.port}/?directConnection=true") as client:
        client.admin.command({"replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5})
