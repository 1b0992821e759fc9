"""Guards among callers that share one commit of SQLite's writer: each is judged after all that was taken before it.

`fhir_server/store/protocol.py` (`Guard`). What was taken is written in few statements, together; whether a guard must wait
for that is what this file looks at.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.embedded.waiting import _MOST
from fhir_server.store.filters import (
    EVERYTHING,
    Filter,
    Id,
    Linked,
    LinkedFrom,
    Not,
    Range,
    Span,
    Text,
    Token,
    Word,
    both,
)
from fhir_server.store.protocol import Delete, Guard, Stale, Write
from tests.store.making import a_put, an_index

BUSY, FREE = (
    an_index(Word("status", "busy"), Span("when", 10, 19)),
    an_index(Word("status", "free"), Span("when", 10, 19)),
)
IS_BUSY = both(Token("status", "busy"), Range("when", low_to=15, high_from=12))
OF_BUSY = an_index(Word("slot", "Slot/a"))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "store.sqlite")
    yield opened
    await opened.close()


async def together(engine: EmbeddedEngine, *jobs: tuple[Sequence[Write], Sequence[Guard]]) -> list[Any]:
    """What becomes of jobs that all wait when the next transaction begins, in this order."""
    here, on = threading.Event(), threading.Event()

    def held(*_: object) -> None:
        here.set()
        on.wait(10)

    holding = asyncio.create_task(engine._writer.perform(held))
    await asyncio.to_thread(here.wait, 10)
    asked = [asyncio.create_task(engine.store.transact(writes, guards)) for writes, guards in jobs]
    await asyncio.sleep(0)
    on.set()
    await holding
    return await asyncio.gather(*asked, return_exceptions=True)


def others(count: int) -> list[Write]:
    return [a_put("Slot", f"other{n}", 0, FREE) for n in range(count)]


#: What is there (of Slots), what another caller's commit does first, the guard; whether it holds then.
CASES: dict[str, tuple[dict[str, Any], Sequence[Write], tuple[Filter, frozenset[str]], bool]] = {
    "of another type": ({}, [a_put("Patient", "a", 0, BUSY)], (IS_BUSY, frozenset()), True),
    "that matches": ({}, [a_put("Slot", "a", 0, BUSY)], (IS_BUSY, frozenset()), False),
    "that does not": ({}, [a_put("Slot", "a", 0, FREE)], (IS_BUSY, frozenset()), True),
    "at another time": (
        {},
        [a_put("Slot", "a", 0, an_index(Word("status", "busy"), Span("when", 20, 29)))],
        (IS_BUSY, frozenset()),
        True,
    ),
    "the same by name": ({}, [a_put("Slot", "a", 0, BUSY)], (both(IS_BUSY, Not(Id(("a",)))), frozenset()), True),
    "that ceases to": ({"a": BUSY}, [a_put("Slot", "a", 1, FREE)], (IS_BUSY, frozenset()), True),
    "that begins to": ({"a": FREE}, [a_put("Slot", "a", 1, BUSY)], (IS_BUSY, frozenset()), False),
    "that is deleted": ({"a": BUSY}, [Delete("Slot", "a", 1)], (IS_BUSY, frozenset()), True),
    "expected, that is deleted": ({"a": BUSY}, [Delete("Slot", "a", 1)], (IS_BUSY, frozenset("a")), False),
    "expected, that goes on": ({"a": BUSY}, [a_put("Slot", "a", 1, BUSY)], (IS_BUSY, frozenset("a")), True),
    "expected, that ceases to": ({"a": BUSY}, [a_put("Slot", "a", 1, FREE)], (IS_BUSY, frozenset("a")), False),
    "expected, that begins to": ({"a": FREE}, [a_put("Slot", "a", 1, BUSY)], (IS_BUSY, frozenset("a")), True),
    "expected, with another": ({"a": BUSY}, [a_put("Slot", "b", 0, BUSY)], (IS_BUSY, frozenset("a")), False),
    "twice": (
        {},
        [a_put("Slot", "a", 0, BUSY), a_put("Slot", "a", 1, FREE)],
        (IS_BUSY, frozenset()),
        True,
    ),
    "twice, the other way": (
        {},
        [a_put("Slot", "a", 0, FREE), a_put("Slot", "a", 1, BUSY)],
        (IS_BUSY, frozenset()),
        False,
    ),
    "with many others": ({}, [*others(_MOST), a_put("Slot", "a", 0, BUSY)], (IS_BUSY, frozenset()), False),
    "many others": ({}, others(_MOST + 1), (IS_BUSY, frozenset()), True),
    "by name": ({}, [a_put("Slot", "a", 0, FREE)], (Id(("a",)), frozenset("a")), True),
    "by name, deleted": ({"a": FREE}, [Delete("Slot", "a", 1)], (Id(("a",)), frozenset("a")), False),
    "by its words": (
        {},
        [a_put("Slot", "a", 0, an_index(content=" dentist "))],
        (Text("content", ("dentist",)), frozenset()),
        False,
    ),
    "by its instant": (
        {},
        [a_put("Slot", "a", 0, FREE)],
        (Range("_lastUpdated", low_from=0), frozenset()),
        False,
    ),
    "anything": ({}, [a_put("Slot", "a", 0, FREE)], (EVERYTHING, frozenset()), False),
    "that it leads to": (
        {"a": BUSY, "b": an_index(Word("next", "Slot/a"))},
        [a_put("Slot", "a", 1, FREE)],
        (Linked("next", "Slot", Token("status", "busy")), frozenset()),
        True,
    ),
    "that leads to it": (
        {"a": BUSY},
        [a_put("Appointment", "x", 0, OF_BUSY)],
        (LinkedFrom("Appointment", "slot", EVERYTHING), frozenset()),
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_a_guard_is_judged_after_what_others_of_the_same_commit_wrote(engine: EmbeddedEngine, case: str) -> None:
    there, first, (where, ids), holds = CASES[case]
    # Of every type and word there is something already, so that nothing is decided by a name that is unheard of.
    await engine.store.transact(
        [
            a_put("Slot", "free", 0, an_index(Word("status", "none"), Word("next", "Slot/none"), Span("when", 90, 99))),
            a_put("Appointment", "none", 0, an_index(Word("slot", "Slot/none"))),
            Delete("Slot", "free", 1),
            Delete("Appointment", "none", 1),
            *(a_put("Slot", id, 0, index) for id, index in there.items()),
        ]
    )
    guard = Guard("Slot", where, ids)
    done, guarded = await together(engine, (first, ()), ([a_put("Appointment", "new")], [guard]))
    assert isinstance(done, list), done
    assert isinstance(guarded, list if holds else Stale), guarded
    assert (await engine.store.read("Appointment", "new") is not None) is holds
    if not holds:
        assert guarded.guard == guard


async def test_many_bookings_of_one_commit_fill_each_time_once(engine: EmbeddedEngine) -> None:
    """Sixty callers, twenty times: of each three that want the same the first has it, whatever order they come in."""

    def booking(n: int) -> tuple[Sequence[Write], Sequence[Guard]]:
        time = n % 20
        index = an_index(Word("status", "busy"), Span("when", 10 * time, 10 * time + 9))
        where = both(Token("status", "busy"), Range("when", low_to=10 * time + 9, high_from=10 * time))
        return [a_put("Slot", f"s{n}", 0, index)], [Guard("Slot", where, frozenset())]

    outcomes = await together(engine, *(booking(n) for n in range(60)))
    assert [isinstance(one, list) for one in outcomes] == [True] * 20 + [False] * 40
    assert await engine.store.count({"Slot": Token("status", "busy")}) == 20


async def test_what_was_indexed_anew_counts_for_guards_of_the_same_commit(engine: EmbeddedEngine) -> None:
    [version] = await engine.store.transact([a_put("Slot", "a", 0, FREE)])
    here, on = threading.Event(), threading.Event()

    def held(*_: object) -> None:
        here.set()
        on.wait(10)

    holding = asyncio.create_task(engine._writer.perform(held))
    await asyncio.to_thread(here.wait, 10)
    anew = asyncio.create_task(engine.store.reindex([(version, BUSY)]))
    await asyncio.sleep(0)
    guarded = asyncio.create_task(
        engine.store.transact([a_put("Appointment", "new")], [Guard("Slot", Token("status", "busy"), frozenset())])
    )
    await asyncio.sleep(0)
    on.set()
    await holding
    assert await anew == 1
    with pytest.raises(Stale):
        await guarded
