"""A process beside this one: it does what it is asked, one thing at a time, and is ended when that takes too long."""

from __future__ import annotations

import asyncio
import os
import pickle
import time

import pytest

from fhir_server.fhir.fhirpath.errors import MalformedExpression
from fhir_server.fhir.outcome import FhirError, Forbidden, Invalid, Issue, TooCostly
from fhir_server.work import beside
from fhir_server.work.beside import EACH, Beside, Busy, Ended, Lost, aside, asked_by


@pytest.fixture
def process():
    found = Beside()
    yield found
    found.close()


async def waiting(process: Beside, calls: int) -> None:
    """Come back when so many calls wait."""
    while process.pending < calls:  # noqa: ASYNC110 - the process has no event for it, and needs none
        await asyncio.sleep(0.001)


def refuse() -> None:
    raise Invalid(issues=[Issue("error", "value", "No.", "Patient.name")], headers={"Retry-After": "1"})


def unspeakable() -> object:
    return lambda: None


def leave() -> None:
    os._exit(3)


async def test_it_is_another_process_and_stays_the_same(process: Beside) -> None:
    first, second = await process.run(os.getpid), await process.run(os.getpid)
    assert first == second != os.getpid()


async def test_an_error_comes_back_whole(process: Beside) -> None:
    with pytest.raises(Invalid) as refused:
        await process.run(refuse)
    assert refused.value.issues == (Issue("error", "value", "No.", "Patient.name"),)
    assert refused.value.headers == {"Retry-After": "1"}


async def test_what_cannot_be_handed_over_is_an_error_and_not_the_end(process: Beside) -> None:
    for function in (unspeakable, lambda: None):
        with pytest.raises((AttributeError, RuntimeError, pickle.PicklingError)):
            await process.run(function)
    assert await process.run(os.getpid)


@pytest.mark.parametrize("how", ["left", "late", "nobody waits"])
async def test_what_ends_the_process_or_takes_too_long_ends_alone(process: Beside, how: str) -> None:
    before = await process.run(os.getpid)
    if how == "left":
        with pytest.raises(Lost):
            await process.run(leave)
    elif how == "late":
        with pytest.raises(Ended):
            await process.run(time.sleep, 3600, seconds=0.01)
    else:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.run(time.sleep, 3600), 0.01)
    assert await process.run(os.getpid) != before


async def test_callers_take_turns_and_none_may_have_everything_wait(process: Beside) -> None:
    done: list[str] = []

    async def ask(who: str) -> None:
        asked_by(who)
        await process.run(time.sleep, 0.01)
        done.append(who)

    many = [asyncio.create_task(ask("many")) for _ in range(EACH)]
    await waiting(process, EACH - 1)
    one = asyncio.create_task(ask("one"))
    with pytest.raises(Busy):
        for _ in range(EACH):
            many.append(asyncio.create_task(ask("many")))
            await asyncio.sleep(0)
            asked_by("many")
            await process.run(time.sleep, 0)
    await asyncio.gather(one, *many, return_exceptions=True)
    assert done.index("one") < done.index("many") + 4


async def test_what_waits_when_it_is_closed_is_told() -> None:
    process = Beside()
    asked = [asyncio.create_task(process.run(time.sleep, 3600)) for _ in range(3)]
    await waiting(process, 2)
    await asyncio.to_thread(process.close)
    assert all(isinstance(one, Lost) for one in await asyncio.gather(*asked, return_exceptions=True))
    with pytest.raises(Busy):
        await process.run(os.getpid)


@pytest.mark.parametrize(
    "error",
    [Forbidden("words", "Patient.name", code="value", headers={"A": "b"}), MalformedExpression("a", 3), TooCostly("b")],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_to_another_process_as_they_are(error: FhirError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))


async def test_without_one_work_is_done_in_a_thread() -> None:
    assert beside.own() is None
    assert await aside(os.getpid) == os.getpid()
    with beside.opened():
        assert await aside(os.getpid) != os.getpid()
