"""Callers whose writes are one commit: each is judged after those before it, as if these had been committed already.

`fhir_server/store/protocol.py`: `Store.transact`, guards and claims. The embedded engine gathers callers in their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.filters import EVERYTHING, And, Linked, LinkedFrom, Not, Or, Token, Word
from fhir_server.store.protocol import Delete, Guard, Stale
from tests.store.contract.test_claims import claiming, refused
from tests.store.making import a_put, an_index, defects, found, stored


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "store.sqlite")
    yield opened
    await opened.close()


#: What each of many callers has found nothing of, and then is the first to make: a guard → the write that breaks it.
_BROKEN_BY = {
    "of its own type": (Guard("Patient", Token("tag", "t"), frozenset()), ("Patient", Word("tag", "t"))),
    "by a link from it": (
        Guard("Patient", And((Token("active", "true"), Linked("link", "Person", Token("tag", "t")))), frozenset()),
        ("Person", Word("tag", "t")),
    ),
    "by a link to it": (
        Guard("Patient", Or((LinkedFrom("Consent", "patient", EVERYTHING), Token("tag", "t"))), frozenset()),
        ("Consent", Word("patient", "Patient/a")),
    ),
    "by a link inside a link": (
        Guard(
            "Patient", Not(Not(LinkedFrom("Consent", "patient", Linked("actor", "Device", EVERYTHING)))), frozenset()
        ),
        ("Device", Word("tag", "t")),
    ),
}


@pytest.mark.parametrize("name", _BROKEN_BY)
async def test_a_guard_hears_of_callers_of_the_same_commit(engine: EmbeddedEngine, name: str) -> None:
    guard, (type, row) = _BROKEN_BY[name]
    await stored(engine, "Patient", {"a": an_index(Word("active", "true"), Word("link", "Person/p"))})
    if "inside" in name:
        consent = an_index(Word("patient", "Patient/a"), Word("actor", "Device/p"))
        await stored(engine, "Consent", {"c": consent})
    others = [engine.store.transact([a_put("Basic", f"b{n}")], [guard]) for n in range(10)]
    breaking = engine.store.transact([a_put(type, "p", 0, an_index(row))], [guard])
    later = [engine.store.transact([a_put("Basic", f"l{n}")], [guard]) for n in range(10)]
    outcomes = await asyncio.gather(*others, breaking, *later, return_exceptions=True)
    assert [outcome for outcome in outcomes[:11] if isinstance(outcome, Exception)] == []
    assert [getattr(outcome, "guard", None) for outcome in outcomes[11:]] == [guard] * 10
    assert sorted(await found(engine, "Basic", EVERYTHING)) == sorted(f"b{n}" for n in range(10))


async def test_names_pass_between_callers_of_one_commit_in_the_order_in_which_they_ask(engine: EmbeddedEngine) -> None:
    await engine.store.transact([claiming("a", 0, "s|1", "s|2")])
    asked = [
        [claiming("b", 0, "s|1")],
        [claiming("a", 1, "s|2")],
        [claiming("c", 0, "s|1"), claiming("d", 0, "s|3")],
        [claiming("d", 1, "s|4")],
        [claiming("e", 0, "s|3", "s|1")],
        [Delete("Device", "c", 1)],
        [claiming("f", 0, "s|3", "s|1")],
        [claiming("d", 2, "s|4", "s|5")],
        [claiming("g", 0, "s|5")],
    ]
    outcomes = await asyncio.gather(*map(engine.store.transact, asked), return_exceptions=True)
    told = [one.claim if isinstance(one, Stale) else None for one in outcomes]
    assert told == ["s|1", None, None, None, "s|1", None, None, None, "s|5"]
    for name, refusal in {"s|1": "s|1", "s|2": "s|2", "s|3": "s|3", "s|4": "s|4", "s|5": "s|5"}.items():
        assert await refused(engine, claiming("h", 0, name)) == refusal
    assert await engine.store.transact([claiming("f", 1), claiming("h", 0, "s|1", "s|3")])
    assert await defects(engine) == []
