"""Ids that the embedded engine gives: of traces those made together stand together, and no id can be guessed.

https://hl7.org/fhir/R4/datatypes.html#id: letters, digits, "-" and ".", 64 at most.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "store.sqlite")
    yield opened
    await opened.close()


async def test_ids_of_traces_stand_in_the_order_in_which_they_were_made(engine: EmbeddedEngine) -> None:
    made = []
    for _ in range(5):
        made.append(engine.store.new_id("AuditEvent"))
        await asyncio.sleep(0.002)
    assert made == sorted(made)


@pytest.mark.parametrize(("type", "told"), [("AuditEvent", 12), ("Provenance", 0), ("Patient", 0), ("Binary", 0)])
async def test_what_follows_the_time_is_as_random_as_any_id(engine: EmbeddedEngine, type: str, told: int) -> None:
    made = [engine.store.new_id(type) for _ in range(1_000)]
    assert all(re.fullmatch(rf"[0-9a-f]{{{told + 24}}}", id) for id in made)
    rest = [id[told:] for id in made]
    assert len(set(rest)) == 1_000
    # Each place has every digit: none of them tells anything.
    assert all(len(set(place)) == 16 for place in zip(*rest, strict=True))
