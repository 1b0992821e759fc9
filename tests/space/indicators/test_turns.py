"""While everything is counted anew others are answered: between two of their turns a page is counted, and no more.

https://docs.python.org/3/library/asyncio-task.html#sleeping: a coroutine that never waits keeps the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.indicators import recounting
from tests.server.people import kept
from tests.space.record.callers import document

#: Several pages, and the size of one; what is kept of several persons, and how many of these rows are one commit.
MANY, PAGE, ROWS, PART = 1_300, 1_000, 2_500, 2_000
FACILITY = {"facilityType": {"coding": [{"system": "urn:x", "code": "SA01"}]}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path / "data")) as found:
        yield found


def a_patient(n: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"q{n}", "birthDate": "1980"}


def a_document(n: int) -> dict[str, Any]:
    """Of a person of its own: two marks."""
    return document(f"d{n}", patient=f"q{n}", date="2026-10-15T12:00:00Z", context=FACILITY)


@pytest.mark.parametrize(
    ("name", "made", "least", "most"),
    [("countable", a_patient, MANY, PAGE), ("mark_key", a_document, ROWS, PART)],
    ids=["what is counted", "what is kept"],
)
async def test_others_have_a_turn_between_two_pages_of_a_recount(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    made: Callable[[int], dict[str, Any]],
    least: int,
    most: int,
) -> None:
    await kept(house, *(made(n) for n in range(MANY)))
    done, runs = getattr(recounting, name), [0]

    def counted(*given: Any) -> Any:
        runs[-1] += 1
        return done(*given)

    async def others() -> None:
        while True:
            runs.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(recounting, name, counted)
    waiting = asyncio.create_task(others())
    try:
        await recounting.Indicators(house.services).recount(datetime.now(UTC))
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    assert sum(runs) >= least
    assert max(runs) <= most
