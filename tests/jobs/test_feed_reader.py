"""Each change is taken, in order, and what is kept of it is kept once: whoever reads, and wherever somebody died.

`Store.changes` and `Records.apply` of `fhir_server/store/protocol.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Unavailable
from fhir_server.jobs.feed_reader import FEED, FeedReader, Taken
from fhir_server.store.changes import Changed
from fhir_server.store.engine import Engine
from fhir_server.store.protocol import Delete, Keep
from tests.engines import an_engine
from tests.store.making import a_put
from tests.store_calls import Counting


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = an_engine(tmp_path)
    await engine.store.transact([a_put("Patient", "before")])
    yield engine
    await engine.close()


class Counts:
    """A reader that counts the changes of each resource, in the records, and remembers what it was given."""

    def __init__(self, engine: Engine, page: int = 3) -> None:
        self.engine = engine
        self.given: list[str] = []

        async def ask(after: object, types: Sequence[str]) -> object:
            return await engine.store.changes(after, types, page)  # type: ignore[arg-type]

        self.reader = FeedReader(engine.records, ask, "counts", ("Patient",))  # type: ignore[arg-type]

    async def take(self, changed: Sequence[Changed]) -> Taken:
        found = {one.id: int(await self.engine.records.get("count", one.id) or b"0") for one in changed}
        for one in changed:
            self.given.append(f"{one.id} {one.version} {one.method}")
            found[one.id] += 1
        await asyncio.sleep(0)
        return Taken(len(changed), tuple(Keep("count", id, str(count).encode()) for id, count in found.items()))

    async def read(self) -> int:
        return await self.reader.read(self.take)

    async def counted(self) -> dict[str, int]:
        return {id: int(value) for id, value in await self.engine.records.list("count")}


async def test_what_was_there_is_no_news_and_all_else_is_taken_in_order(engine: Engine) -> None:
    counts = Counts(engine)
    assert await counts.read() == 0
    await engine.store.transact([a_put("Patient", id) for id in "abcd"])
    await engine.store.transact([a_put("Observation", "o")])
    await engine.store.transact([Delete("Patient", "a", 1)])
    assert await counts.read() == 5
    assert counts.given == ["a 1 PUT", "b 1 PUT", "c 1 PUT", "d 1 PUT", "a 2 DELETE"]
    assert await counts.counted() == {"a": 2, "b": 1, "c": 1, "d": 1}
    assert await counts.read() == 0
    # Another process goes on from there.
    await engine.store.transact([a_put("Patient", "e")])
    assert await Counts(engine).read() == 1


@pytest.mark.parametrize("error", [Unavailable("The store is busy."), KeyError("mistake"), asyncio.CancelledError()])
async def test_who_dies_in_the_middle_loses_none_and_keeps_none_twice(engine: Engine, error: BaseException) -> None:
    counts = Counts(engine)
    await counts.read()
    await engine.store.transact([a_put("Patient", id) for id in "abcde"])

    async def dies(changed: Sequence[Changed]) -> Taken:
        if counts.given:
            raise error
        return await counts.take(changed)

    with pytest.raises(type(error)):
        await counts.reader.read(dies)
    assert await Counts(engine).read() == 2
    assert await counts.counted() == dict.fromkeys("abcde", 1)


async def test_of_many_who_read_at_a_time_each_change_is_kept_once(engine: Engine) -> None:
    readers = [Counts(engine) for _ in range(4)]
    await asyncio.gather(*(one.read() for one in readers))
    for n in range(5):
        await engine.store.transact([a_put("Patient", f"{n}-{m}") for m in range(4)])
        await asyncio.gather(*(one.read() for one in readers))
    assert sum([await one.read() for one in readers]) == 0
    assert await readers[0].counted() == {f"{n}-{m}": 1 for n in range(5) for m in range(4)}


async def test_nothing_is_written_while_nothing_is_committed(engine: Engine) -> None:
    counts = Counts(engine)
    await counts.read()
    calls: list[str] = []
    reader = FeedReader(Counting(engine.records, calls, "records"), engine.store.changes, "counts", ("Patient",))
    assert await reader.read(counts.take) == 0
    assert calls == ["records.get feed"]


async def test_in_a_store_that_was_put_back_it_is_begun_anew(engine: Engine) -> None:
    await engine.records.put(FEED, "counts", b'["nowhere", 7]')
    counts = Counts(engine)
    assert await counts.read() == 0
    await engine.store.transact([a_put("Patient", "a")])
    assert await counts.read() == 1
