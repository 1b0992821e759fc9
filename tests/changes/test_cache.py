"""What is remembered goes with what it hangs on, and with nothing else; never is the older of two states kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fhir_server.changes import cache as caching
from fhir_server.changes import follower as following
from fhir_server.changes.cache import hangs_on
from fhir_server.changes.records import CachedRecords
from fhir_server.fhir.outcome import Unavailable
from tests.changes.conftest import Worker
from tests.store.making import OPEN, a_put

Act = Callable[[Worker], Awaitable[object]]


class Reading:
    """Things that a worker remembers, each made of some records and a resource; counts what is read."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.records = CachedRecords(worker.engine.records, worker.cache)
        self.read: list[str] = []

    async def grant(self, token: str, account: str, app: str) -> str:
        async def make() -> str:
            self.read.append(token)
            parts = [
                await self.records.get("access", token),
                await self.records.get("account", account),
                await self.app(app),
            ]
            return " ".join(str(part) for part in parts)

        return await self.worker.cache.get(("token", token), make)

    async def app(self, id: str) -> int:
        async def make() -> int:
            hangs_on(("Device", id))
            version = await self.worker.engine.store.read("Device", id)
            return version.version if version else 0

        return await self.worker.cache.get(("app", id), make)

    async def all(self) -> list[str]:
        """Ask for everything; which grants were made for it."""
        self.read.clear()
        for token, account, app in GRANTS:
            await self.grant(token, account, app)
        return list(self.read)


#: Token, account and app of each grant.
GRANTS = [("t1", "anna", "carnet"), ("t2", "anna", "tension"), ("t3", "bert", "carnet")]

#: What changes on another worker → the grants that are made anew for it, and no others.
CHANGES: list[tuple[Act, list[str]]] = [
    (lambda w: w.engine.records.take("access", "t1"), ["t1"]),
    (lambda w: w.engine.records.put("account", "anna", b"closed"), ["t1", "t2"]),
    (lambda w: w.engine.records.swap("account", "bert", b"bert", b"closed"), ["t3"]),
    (lambda w: w.engine.store.transact([a_put("Device", "carnet", 1, OPEN)]), ["t1", "t3"]),
    (lambda w: w.engine.store.transact([a_put("Device", "another", 0, OPEN)]), []),
    (lambda w: w.engine.store.transact([a_put("Patient", "carnet", 0, OPEN)]), []),
    (lambda w: w.engine.records.put("account", "carl", b"carl"), []),
    (lambda w: w.engine.records.add("access", "t4", b"t4"), []),
    (lambda w: w.engine.records.put("session", "t1", b""), []),
]


async def arranged(worker: Worker) -> None:
    for name in ("anna", "bert"):
        await worker.engine.records.put("account", name, name.encode())
    for token, _, _ in GRANTS:
        await worker.engine.records.put("access", token, token.encode())
    await worker.engine.store.transact([a_put("Device", id, 0, OPEN) for id in ("carnet", "tension")])


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize(("change", "anew"), CHANGES, ids=range(len(CHANGES)))
async def test_a_change_empties_what_hangs_on_it_and_nothing_else(
    workers: tuple[Worker, Worker], change: Act, anew: list[str], where: str
) -> None:
    here, there = workers
    await arranged(there)
    await here.follower.follow()
    reading = Reading(here)
    assert await reading.all() == ["t1", "t2", "t3"]
    assert await reading.all() == []
    await change(here if where == "here" else there)
    if where == "elsewhere":
        await here.follower.look()
    assert await reading.all() == anew
    assert await reading.all() == []


@pytest.mark.parametrize("heard", ["while it is read", "after it was read", "by the look that comes next"])
async def test_what_was_read_before_a_change_and_kept_after_it_does_not_survive(
    workers: tuple[Worker, Worker], heard: str
) -> None:
    here, there = workers
    await there.engine.records.put("account", "anna", b"open")
    await here.follower.follow()
    read, go_on = asyncio.Event(), asyncio.Event()

    async def make() -> bytes | None:
        found = await CachedRecords(here.engine.records, here.cache).get("account", "anna")
        read.set()
        await go_on.wait()
        return found

    asking = asyncio.create_task(here.cache.get("grant", make))
    await read.wait()
    await there.engine.records.put("account", "anna", b"closed")
    if heard == "while it is read":
        await here.follower.look()
    go_on.set()
    # What was asked for before the change is answered by what held then.
    assert await asking == b"open"
    if heard != "while it is read":
        await here.follower.look()
    records = CachedRecords(here.engine.records, here.cache)
    assert await here.cache.get("grant", lambda: records.get("account", "anna")) == b"closed"


async def test_more_changes_than_are_known_one_by_one_count_as_all(workers: tuple[Worker, Worker]) -> None:
    here, _ = workers
    moment = here.cache.moment()
    for n in range(caching._RECENT + 1):
        here.cache.forget(("client", str(n)))
    here.cache.put("key", "old", [("client", "not among them")], moment)
    assert here.cache.known("key") is None


async def test_what_a_worker_made_itself_is_remembered_unless_another_changed_it(
    workers: tuple[Worker, Worker],
) -> None:
    here, there = workers
    source = ("Consent", "c")
    moment = here.cache.moment()
    await here.engine.store.transact([a_put(*source, 0, OPEN)])
    here.cache.put("key", "mine", [source], moment, own=[source])
    assert here.cache.known("key") == "mine"
    moment = here.cache.moment()
    await here.engine.store.transact([a_put(*source, 1, OPEN)])
    await there.engine.store.transact([a_put(*source, 2, OPEN)])
    await here.follower.look()
    here.cache.put("key", "overtaken", [source], moment, own=[source])
    assert here.cache.known("key") is None


class Unreachable:
    """An engine that does not answer."""

    async def changes(self, *asked: Any) -> Any:
        raise Unavailable("The store cannot be reached.")


async def test_what_is_remembered_of_access_does_not_outlive_the_store_for_long(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = workers
    await arranged(here)
    reading = Reading(here)
    await reading.all()
    here.follower._engine = Unreachable()  # type: ignore[assignment]
    assert await reading.all() == []
    monkeypatch.setattr(following, "TRUSTED_SECONDS", -1.0)
    with pytest.raises(Unavailable):
        await reading.all()


async def test_nothing_is_asked_of_the_store_while_nothing_changes(workers: tuple[Worker, Worker]) -> None:
    here, _ = workers
    await arranged(here)
    reading = Reading(here)
    await reading.all()
    here.engine.records.get = Unreachable().changes  # type: ignore[method-assign]
    assert await reading.all() == []
