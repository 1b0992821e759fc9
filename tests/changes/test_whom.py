"""Whose resources were written is told by what they say now and said before, of whatever process wrote them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from fhir_server.changes import follower as following
from fhir_server.changes import whom as telling
from fhir_server.changes.whom import Read, Whom
from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.filters import Index, Word
from fhir_server.store.protocol import Delete, Keep, Version
from tests.changes.conftest import Worker
from tests.store.making import a_put, an_index

TYPE, KIND = "Appointment", "agenda-reminder"


def of(*patients: str) -> Index:
    return an_index(Word("actor", "Practitioner/p"), *(Word("actor", f"Patient/{one}") for one in patients))


def reminded(key: str) -> tuple[str, str]:
    appointment, _, patient = key.partition("\n")
    return patient, appointment


def listening(worker: Worker, read: Read | None = None) -> Whom:
    return Whom(worker.follower, read or worker.engine.store.vread_many, TYPE, {KIND: reminded})


async def told(whom: Whom) -> list[object]:
    """What is told now: patients and what was written about each, or None for anybody."""
    found: list[object] = []
    await whom.taken(lambda said: found.append(said and {one: "".join(sorted(ids)) for one, ids in said.items()}))
    return found


def writes(*puts: object) -> Callable[[Worker], Awaitable[object]]:
    return lambda worker: worker.engine.store.transact(puts)  # type: ignore[arg-type]


#: What is written, of an appointment "x" of Anna that there is → whom it is told of, and what of each.
CHANGES: dict[str, tuple[Callable[[Worker], Awaitable[object]], dict[str, str]]] = {
    "a new one": (writes(a_put(TYPE, "n", 0, of("bert"))), {"bert": "n"}),
    "of two": (writes(a_put(TYPE, "n", 0, of("bert", "carl"))), {"bert": "n", "carl": "n"}),
    "changed": (writes(a_put(TYPE, "x", 1, of("anna"))), {"anna": "x"}),
    "become another's": (writes(a_put(TYPE, "x", 1, of("bert"))), {"anna": "x", "bert": "x"}),
    "become another's and changed": (
        writes(a_put(TYPE, "x", 1, of("bert")), a_put(TYPE, "x", 2, of("carl"))),
        {"anna": "x", "bert": "x", "carl": "x"},
    ),
    "deleted": (writes(Delete(TYPE, "x", 1)), {"anna": "x"}),
    "deleted and put back": (
        writes(Delete(TYPE, "x", 1), a_put(TYPE, "x", 2, of("bert"))), {"anna": "x", "bert": "x"}
    ),
    "several": (
        writes(a_put(TYPE, "n", 0, of("carl")), a_put(TYPE, "m", 0, of("bert")), a_put(TYPE, "o", 0, of("carl"))),
        {"bert": "m", "carl": "no"},
    ),
    "a reminder kept": (lambda w: w.engine.records.apply([Keep(KIND, "y\nbert", b"", new=True)]), {"bert": "y"}),
    "a reminder changed": (lambda w: w.engine.records.put(KIND, "x\nanna", b"2"), {"anna": "x"}),
    "a reminder ended": (lambda w: w.engine.records.take(KIND, "x\nanna"), {"anna": "x"}),
    "of nobody": (writes(a_put(TYPE, "n", 0, of())), {}),
    "of another type": (writes(a_put("Slot", "n", 0, of("bert"))), {}),
    "another record": (lambda w: w.engine.records.put("session", "x\nanna", b""), {}),
}  # fmt: skip


@pytest.mark.parametrize("elsewhere", [True, False], ids=["by another process", "by this one"])
@pytest.mark.parametrize("change", CHANGES)
async def test_whom_what_is_written_is_about(workers: tuple[Worker, Worker], change: str, elsewhere: bool) -> None:
    here, other = workers
    await here.engine.store.transact([a_put(TYPE, "x", 0, of("anna"))])
    await here.engine.records.put(KIND, "x\nanna", b"1")
    whom = listening(here)
    await here.follower.look()
    await told(whom)
    act, expected = CHANGES[change]
    await act(other if elsewhere else here)
    if elsewhere:
        await here.follower.look()
    assert await told(whom) == ([expected] if expected else [])
    assert await told(whom) == []


async def test_more_than_is_read_is_of_anybody(workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MOST", 3)
    here, _ = workers
    whom = listening(here)
    await here.follower.look()
    await told(whom)
    for n in range(3):
        await here.engine.store.transact([a_put(TYPE, f"x{n}", 0, of("anna"))])
    assert await told(whom) == [{"anna": "x0x1x2"}]
    for n in range(4):
        await here.engine.store.transact([a_put(TYPE, f"y{n}", 0, of("anna"))])
    assert await told(whom) == [None]
    await here.engine.store.transact([a_put(TYPE, "z", 0, of("bert"))])
    assert await told(whom) == [{"bert": "z"}]


async def test_who_asks_at_once_waits_for_what_was_heard_before(workers: tuple[Worker, Worker]) -> None:
    here, _ = workers
    on = asyncio.Event()

    async def late(keys: Sequence[tuple[str, str, int]]) -> Sequence[Version | None]:
        await on.wait()
        return await here.engine.store.vread_many(keys)

    whom = listening(here, late)
    await here.follower.look()
    await told(whom)
    await here.engine.store.transact([a_put(TYPE, "x", 0, of("anna"))])
    found: list[object] = []
    first = asyncio.create_task(whom.taken(found.append))
    second = asyncio.create_task(whom.taken(found.append))
    await asyncio.sleep(0.01)
    assert not first.done() and not second.done()
    on.set()
    await asyncio.gather(first, second)
    assert found == [{"anna": frozenset({"x"})}]


async def test_what_could_not_be_read_is_of_anybody_the_next_time(workers: tuple[Worker, Worker]) -> None:
    here, _ = workers
    away = True

    async def read(keys: Sequence[tuple[str, str, int]]) -> Sequence[Version | None]:
        if away:
            raise Unavailable("The disk is away.")
        return await here.engine.store.vread_many(keys)

    whom = listening(here, read)
    await here.follower.look()
    await told(whom)
    await here.engine.store.transact([a_put(TYPE, "x", 0, of("anna"))])
    with pytest.raises(Unavailable):
        await told(whom)
    away = False
    assert await told(whom) == [None]


async def test_what_whoever_gave_up_had_asked_for_is_told_to_others(workers: tuple[Worker, Worker]) -> None:
    here, _ = workers
    on = asyncio.Event()

    async def late(keys: Sequence[tuple[str, str, int]]) -> Sequence[Version | None]:
        await on.wait()
        return await here.engine.store.vread_many(keys)

    whom = listening(here, late)
    await here.follower.look()
    await told(whom)
    await here.engine.store.transact([a_put(TYPE, "x", 0, of("anna"))])
    asking = asyncio.create_task(told(whom))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    on.set()
    assert await told(whom) == [None]


async def test_a_worker_that_was_away_looks_first(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = workers
    whom = listening(here)
    await here.follower.look()
    await told(whom)
    await other.engine.store.transact([a_put(TYPE, "x", 0, of("anna"))])
    monkeypatch.setattr(following, "TRUSTED_SECONDS", -1.0)
    assert await told(whom) == [{"anna": "x"}]
