"""Ids that the embedded engine gives: 96 bits of the system's randomness each, however many are drawn at once."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from fhir_server.store.embedded.engine import open_engine


def test_no_id_is_given_twice_and_each_is_as_long_as_the_others(tmp_path: Path) -> None:
    given = asyncio.run(_given(tmp_path))
    assert len(set(given)) == 2_000
    assert all(re.fullmatch("[0-9a-f]{24}", id) for id in given)
    # Each place has every digit: none is always the same.
    assert all(len(set(place)) == 16 for place in zip(*given, strict=True))


async def _given(folder: Path) -> list[str]:
    given = []
    for name in ("one", "other"):
        engine = open_engine(folder / f"{name}.sqlite")
        given += [engine.store.new_id("Patient") for _ in range(1_000)]
        await engine.close()
    return given
