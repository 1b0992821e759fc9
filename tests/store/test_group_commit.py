"""Writes that come together are one transaction of the file: each is answered once it is durable, and none is lost.

https://sqlite.org/wal.html; `fhir_server/store/embedded/writer.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.protocol import Stale, Version
from tests.store.making import a_put


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "store.sqlite", max_pending=500)
    yield opened
    await opened.close()


async def test_what_comes_in_one_turn_is_one_transaction(engine: EmbeddedEngine) -> None:
    async def busy(number: int) -> Version:
        # Somebody's work, amid which the thread that writes could begin with who came before.
        time.sleep(0.01)  # noqa: ASYNC251
        [made] = await engine.store.transact([a_put("Patient", f"p{number}")])
        return made

    made = await asyncio.gather(*map(busy, range(6)))
    # The instant is that of the transaction.
    assert len({version.at for version in made}) == 1
    assert [version.id for version in made] == [f"p{n}" for n in range(6)]
    assert engine.pending == 0


async def test_of_one_turn_each_is_judged_after_those_before_it(engine: EmbeddedEngine) -> None:
    puts = [a_put("Patient", "same") for _ in range(20)]
    made = await asyncio.gather(*(engine.store.transact([one]) for one in puts), return_exceptions=True)
    assert isinstance(made[0], list) and all(isinstance(one, Stale) for one in made[1:])


async def test_more_than_one_transaction_takes_is_several_and_all_of_it(engine: EmbeddedEngine) -> None:
    lots = [[a_put("Patient", f"l{n}-{m}") for m in range(400)] for n in range(6)]
    made = await asyncio.gather(*(engine.store.transact(lot) for lot in lots))
    assert [len(versions) for versions in made] == [400] * 6
    assert [version.id for versions in made for version in versions] == [put.id for lot in lots for put in lot]


async def test_who_comes_when_too_many_wait_is_told_so_and_the_others_are_written(engine: EmbeddedEngine) -> None:
    made = await asyncio.gather(
        *(engine.store.transact([a_put("Patient", f"q{n}")]) for n in range(510)), return_exceptions=True
    )
    assert [isinstance(one, Unavailable) for one in made] == [False] * 500 + [True] * 10
    assert engine.pending == 0
    [version] = await engine.store.transact([a_put("Patient", "q509")])
    assert version.version == 1


async def test_what_was_accepted_is_written_though_the_store_is_closed_in_the_same_turn(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "closing.sqlite")
    tasks = [asyncio.ensure_future(engine.store.transact([a_put("Patient", f"c{n}")])) for n in range(50)]
    await asyncio.sleep(0)
    await engine.close()
    made = await asyncio.gather(*tasks)
    assert [version.id for [version] in made] == [f"c{n}" for n in range(50)]
    again = open_engine(tmp_path / "closing.sqlite")
    found = await again.store.read_many([("Patient", f"c{n}") for n in range(50)])
    await again.close()
    assert all(found)


async def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "closed.sqlite")
    await engine.close()
    with pytest.raises(Unavailable):
        await engine.store.transact([a_put("Patient", "x")])


def test_writes_of_several_event_loops_are_all_answered(tmp_path: Path) -> None:
    import threading

    engine = open_engine(tmp_path / "loops.sqlite")
    made: dict[int, int] = {}

    async def some(number: int) -> None:
        found = await asyncio.gather(*(engine.store.transact([a_put("Patient", f"t{number}-{n}")]) for n in range(40)))
        made[number] = len(found)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(some(n))) for n in range(4)]  # type: ignore[misc]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    asyncio.run(engine.close())
    assert made == dict.fromkeys(range(4), 40)
