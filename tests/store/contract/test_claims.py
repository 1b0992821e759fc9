"""Names that one resource of a type alone holds, whoever writes at the same time.

`fhir_server/store/protocol.py`: `Put.claims`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Delete, Put, Stale
from tests.store.making import a_put, defects


def claiming(id: str, expected: int, *names: str, type: str = "Device") -> Put:
    return replace(a_put(type, id, expected), claims=frozenset(names))


async def refused(engine: Engine, *writes: Put | Delete) -> str | None:
    """The claim that another resource holds."""
    with pytest.raises(Stale) as stale:
        await engine.store.transact(writes)
    assert stale.value.write in writes
    return stale.value.claim


async def test_of_fifty_who_claim_a_name_at_once_one_holds_it(engine: Engine) -> None:
    outcomes = await asyncio.gather(
        *[engine.store.transact([claiming(f"d{n}", 0, "urn:app|a")]) for n in range(50)], return_exceptions=True
    )
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 1
    assert {outcome.claim for outcome in outcomes if isinstance(outcome, Stale)} == {"urn:app|a"}
    assert await engine.store.count({"Device": EVERYTHING}) == 1
    assert await defects(engine) == []


async def test_a_name_is_held_in_its_type_and_as_it_is_spelled(engine: Engine) -> None:
    await engine.store.transact([claiming("a", 0, "s|1", "s|2")])
    await engine.store.transact([claiming("b", 0, "s|1", type="Task"), claiming("b", 0, "S|1", "s|10", "s")])
    assert await refused(engine, claiming("c", 0, "new", "s|2")) == "s|2"
    # Nothing of what is refused is done.
    await engine.store.transact([claiming("d", 0, "new")])
    assert await engine.store.read("Device", "c") is None


async def test_who_holds_a_name_keeps_it_through_writes_that_do_not_speak_of_it(engine: Engine) -> None:
    await engine.store.transact([claiming("a", 0, "s|1")])
    await engine.store.transact([a_put("Device", "a", 1)])
    assert await refused(engine, claiming("b", 0, "s|1")) == "s|1"
    await engine.store.transact([claiming("a", 2, "s|1")])
    assert await refused(engine, claiming("b", 0, "s|1")) == "s|1"


async def test_who_claims_other_names_lets_go_of_those_before(engine: Engine) -> None:
    await engine.store.transact([claiming("a", 0, "s|1", "s|2")])
    await engine.store.transact([claiming("a", 1, "s|2", "s|3")])
    await engine.store.transact([claiming("b", 0, "s|1")])
    assert await refused(engine, claiming("c", 0, "s|3")) == "s|3"
    await engine.store.transact([claiming("a", 2)])
    await engine.store.transact([claiming("c", 0, "s|3", "s|2")])
    assert await defects(engine) == []


async def test_the_names_of_what_is_deleted_are_free_and_do_not_come_back_with_it(engine: Engine) -> None:
    await engine.store.transact([claiming("a", 0, "s|1")])
    await engine.store.transact([Delete("Device", "a", 1)])
    await engine.store.transact([claiming("b", 0, "s|1")])
    await engine.store.transact([a_put("Device", "a", 2)])
    assert await refused(engine, claiming("a", 3, "s|1")) == "s|1"
    assert await defects(engine) == []


@pytest.mark.parametrize("turned", [False, True])
async def test_a_name_passes_from_one_to_another_in_one_transaction(engine: Engine, turned: bool) -> None:
    await engine.store.transact([claiming("a", 0, "s|1"), claiming("b", 0, "s|2")])
    swapped = [claiming("a", 1, "s|2"), claiming("b", 1, "s|1")]
    await engine.store.transact(swapped[::-1] if turned else swapped)
    handed = [Delete("Device", "a", 2), claiming("c", 0, "s|2")]
    await engine.store.transact(handed[::-1] if turned else handed)
    assert await refused(engine, claiming("d", 0, "s|1")) == "s|1"
    assert await refused(engine, claiming("d", 0, "s|2")) == "s|2"
    assert await defects(engine) == []


async def test_two_writes_of_one_transaction_cannot_claim_the_same(engine: Engine) -> None:
    assert await refused(engine, claiming("a", 0, "s|1"), claiming("b", 0, "s|1")) == "s|1"
    # The last write of a resource counts.
    await engine.store.transact([claiming("a", 0, "s|1"), claiming("a", 1, "s|2"), claiming("b", 0, "s|1")])
    assert await refused(engine, claiming("c", 0, "s|2")) == "s|2"
    assert await defects(engine) == []
