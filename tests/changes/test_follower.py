"""What is committed reaches whoever goes by it: at once on the worker that wrote it, by the next look on the others."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fhir_server.changes.engine import followed
from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.engine import Engine
from fhir_server.store.protocol import Delete, Drop, Keep
from tests.changes.conftest import Worker, a_worker
from tests.engines import an_engine, require_files
from tests.store.making import OPEN, a_put

Act = Callable[[Engine], Awaitable[object]]

#: What is committed → what is heard of it.
HEARD: list[tuple[Act, list[str]]] = [
    (lambda e: e.store.transact([a_put("Patient", "p", 0, OPEN)]), ["Patient/p"]),
    (lambda e: e.store.transact([a_put("Patient", "p", 0, OPEN), Delete("Patient", "p", 1)]), ["Patient/p"] * 2),
    (
        lambda e: e.store.transact([a_put("Device", "d", 0, OPEN), a_put("Basic", "b", 0, OPEN)]),
        ["Device/d"],
    ),
    (lambda e: e.records.put("client", "a", b""), ["client/a"]),
    (lambda e: e.records.add("client", "a", b""), ["client/a"]),
    (lambda e: e.records.apply([Keep("client", "a", b""), Keep("family", "f", b""), Drop("code", "c")]), ["client/a"]),
    (lambda e: e.records.put("account", "a", b""), []),
    (lambda e: e.records.put("session", "s", b""), []),
]


@pytest.mark.parametrize(("act", "heard"), HEARD, ids=range(len(HEARD)))
async def test_a_change_is_heard_at_once_here_and_at_the_next_look_elsewhere(
    workers: tuple[Worker, Worker], act: Act, heard: list[str]
) -> None:
    here, there = workers
    await act(here.engine)
    assert here.heard == heard
    assert there.heard == []
    await there.follower.look()
    assert there.heard == heard
    await there.follower.look()
    assert there.heard == heard


async def test_own_versions_are_heard_once(workers: tuple[Worker, Worker]) -> None:
    here, there = workers
    await here.engine.store.transact([a_put("Patient", "p", 0, OPEN)])
    await there.engine.store.transact([a_put("Patient", "p", 1, OPEN)])
    await here.follower.look()
    assert here.heard == ["Patient/p"] * 2


async def test_what_was_committed_before_an_answer_is_taken_over_with_it(workers: tuple[Worker, Worker]) -> None:
    here, there = workers
    seen: list[int] = []

    async def read() -> None:
        version = await here.engine.store.read("StructureDefinition", "s")
        seen.append(version.version if version else 0)

    here.follower.subscribe(lambda _: None, types=("StructureDefinition",), then=read)
    await here.engine.store.transact([a_put("StructureDefinition", "s", 0, OPEN)])
    assert seen == [1]
    await there.engine.store.transact([a_put("StructureDefinition", "s", 1, OPEN)])
    await here.follower.follow()
    assert seen[-1] == 2


async def test_what_could_not_be_taken_over_is_tried_again(workers: tuple[Worker, Worker]) -> None:
    here, _ = workers
    tries: list[str] = []

    async def read() -> None:
        tries.append("once" if not tries else "again")
        if len(tries) < 3:
            raise Unavailable("The store is locked.")

    here.follower.subscribe(lambda _: None, types=("Patient",), then=read)
    # The commit is one, whatever becomes of following it.
    [version] = await here.engine.store.transact([a_put("Patient", "p", 0, OPEN)])
    assert version.version == 1
    with pytest.raises(Unavailable):
        await here.follower.follow()
    await here.follower.follow()
    await here.follower.follow()
    assert tries == ["once", "again", "again"]


async def test_who_subscribes_while_a_look_is_under_way_misses_nothing(tmp_path: Path) -> None:
    inner = an_engine(tmp_path)
    engine, follower = followed(inner)
    await follower.follow()
    heard: list[object] = []
    asked = asyncio.create_task(follower.look())
    await asyncio.sleep(0)
    follower.subscribe(heard.append, types=("Patient",))
    await inner.store.transact([a_put("Patient", "p", 0, OPEN)])
    await asked
    await follower.look()
    assert heard
    await engine.close()


async def test_a_worker_that_starts_again_reads_everything(tmp_path: Path) -> None:
    first = a_worker(tmp_path)
    await first.engine.records.put("client", "a", b"")
    await first.engine.close()
    second = a_worker(tmp_path)
    await second.follower.follow()
    assert second.heard == ["everything"]
    await second.engine.close()


async def test_a_store_that_was_put_back_is_read_anew(tmp_path: Path) -> None:
    require_files()
    worker = a_worker(tmp_path / "one")
    await worker.follower.follow()
    for n in range(3):
        await worker.engine.records.put("client", f"c{n}", b"")
    await worker.follower.look()
    await worker.engine.close()
    shutil.rmtree(tmp_path / "one")
    another = an_engine(tmp_path / "one")
    worker.follower._engine = another
    worker.heard.clear()
    await worker.follower.follow()
    assert worker.heard == ["everything"]
    await another.records.put("client", "new", b"")
    await worker.follower.follow()
    assert worker.heard == ["everything", "client/new"]
    await another.close()


async def test_many_who_ask_at_once_share_a_journey(workers: tuple[Worker, Worker]) -> None:
    here, there = workers
    journeys = 0
    inner = here.follower._engine
    real = inner.changes

    class Counted:
        async def changes(self, *asked: object) -> object:
            nonlocal journeys
            journeys += 1
            await asyncio.sleep(0)  # far away
            return await real(*asked)  # type: ignore[arg-type]

    here.follower._engine = Counted()  # type: ignore[assignment]
    await there.engine.records.put("client", "a", b"")
    await asyncio.gather(*[here.follower.look() for _ in range(50)])
    assert here.heard == ["client/a"]
    # The first is under way when the others come; these share the next.
    assert journeys <= 2


async def test_a_task_follows_by_itself_and_outlives_a_store_that_does_not_answer(
    workers: tuple[Worker, Worker],
) -> None:
    here, there = workers
    read = asyncio.Event()

    async def take_over() -> None:
        read.set()

    here.follower.subscribe(lambda _: None, types=("Patient",), then=take_over)
    inner = here.follower._engine
    failures = asyncio.Event()

    class Failing:
        async def changes(self, *asked: object) -> object:
            here.follower._engine = inner
            failures.set()
            raise Unavailable("The store cannot be reached.")

    attending = asyncio.create_task(here.follower.attend())
    async with asyncio.timeout(120):
        await read.wait()
        here.follower._engine = Failing()  # type: ignore[assignment]
        await failures.wait()
        read.clear()
        await there.engine.store.transact([a_put("Patient", "p", 0, OPEN)])
        await read.wait()
    attending.cancel()
    assert here.heard == ["Patient/p"]
