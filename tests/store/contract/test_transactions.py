"""Transactions: all of the writes or none, pinned to what was judged, under conditions.

`fhir_server/store/protocol.py`; https://hl7.org/fhir/R4/http.html (versions, history, concurrency).
"""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, NOTHING, Token, Word
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Delete, Guard, Stale
from tests.store.making import MASKED, OPEN, a_put, an_index, defects, found, stored


@pytest.mark.parametrize(
    "write",
    [
        a_put("Patient", "a", 0),
        a_put("Patient", "a", 2),
        Delete("Patient", "a", 2),
        Delete("Patient", "new", 0),
        a_put("Patient", "new", 1),
        Delete("Unheard", "a", 1),
    ],
)
async def test_an_overtaken_write_is_stale_and_undoes_all_the_others(engine: Engine, write: object) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    with pytest.raises(Stale) as stale:
        await engine.store.transact([a_put("Patient", "b"), write])  # type: ignore[list-item]
    assert stale.value.write == write
    assert await engine.store.read("Patient", "b") is None
    assert await found(engine, "Patient", EVERYTHING) == ["a"]


async def test_one_transaction_may_write_a_resource_several_times(engine: Engine) -> None:
    versions = await engine.store.transact(
        [a_put("Patient", "a", 0, OPEN), a_put("Patient", "a", 1, MASKED), Delete("Patient", "a", 2)]
    )
    assert [version.version for version in versions] == [1, 2, 3]
    assert unpack(versions[2].packed) == MASKED
    assert await engine.store.history_count({"Patient": EVERYTHING}) == 3
    assert await defects(engine) == []


async def test_nothing_to_write_is_written(engine: Engine) -> None:
    assert await engine.store.transact([]) == []


@pytest.mark.parametrize(
    ("where", "ids", "holds"),
    [
        (Token("security", "N"), frozenset({"a"}), True),
        (Token("security", "N"), frozenset(), False),
        (Token("security", "N"), frozenset({"a", "b"}), False),
        (Token("security", "X"), frozenset(), True),
        (EVERYTHING, frozenset({"a", "b"}), True),
        (NOTHING, frozenset(), True),
        (Token("unheard", "N"), frozenset(), True),
    ],
)
async def test_a_guard_holds_when_exactly_its_ids_match(
    engine: Engine, where: object, ids: frozenset[str], holds: bool
) -> None:
    await stored(engine, "Patient", {"a": OPEN, "b": MASKED})
    guard = Guard("Patient", where, ids)  # type: ignore[arg-type]
    if holds:
        await engine.store.transact([a_put("Patient", "c")], [guard])
    else:
        with pytest.raises(Stale) as stale:
            await engine.store.transact([a_put("Patient", "c")], [guard])
        assert stale.value.guard == guard
    assert (await engine.store.read("Patient", "c") is not None) is holds


async def test_fifty_simultaneous_conditional_creates_make_one_resource(engine: Engine) -> None:
    index = an_index(Word("identifier", "1", "urn:oid:1.2"))
    guard = Guard("Patient", Token("identifier", "1", "urn:oid:1.2"), frozenset())
    outcomes = await asyncio.gather(
        *[engine.store.transact([a_put("Patient", f"p{n}", 0, index)], [guard]) for n in range(50)],
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 49
    assert await engine.store.count({"Patient": EVERYTHING}) == 1


async def test_fifty_simultaneous_updates_of_one_version_make_one(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    outcomes = await asyncio.gather(
        *[engine.store.transact([a_put("Patient", "a", 1, note=str(n))]) for n in range(50)], return_exceptions=True
    )
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 1
    version = await engine.store.read("Patient", "a")
    assert version is not None
    assert version.version == 2
