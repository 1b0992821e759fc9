"""While a large record is put together others are answered: between two of their turns a page of it is read, and no more.

https://docs.python.org/3/library/asyncio-task.html#sleeping: a coroutine that never waits keeps the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_server.space.accesses import consultations
from fhir_server.space.portability import gathering
from tests.server.closed import Space, serving
from tests.server.people import kept
from tests.space.portability.exporting import people, taken

#: Several pages of each.
MANY, PAGE = 700, 200


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path / "data") as found:
        await people(found)
        yield found


def an_observation(n: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{n}",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/a"},
    }


def an_access(n: int) -> dict[str, Any]:
    return {
        "resourceType": "AuditEvent",
        "id": f"e{n}",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "recorded": f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z",
        "agent": [{"requestor": True, "who": {"reference": "Practitioner/d1"}}],
        "source": {"observer": {"display": "x"}},
        "entity": [{"what": {"reference": "Patient/a"}}],
    }


@pytest.mark.parametrize(
    ("module", "name", "made"),
    [(gathering, "_noted", an_observation), (consultations, "from_audit_event", an_access)],
)
async def test_others_have_a_turn_between_two_pages_of_a_record(
    space: Space, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, made: Callable[[int], dict[str, Any]]
) -> None:
    await kept(space.house, *(made(n) for n in range(MANY)))
    read, runs = getattr(module, name), [0]

    def counted(*given: Any) -> Any:
        runs[-1] += 1
        return read(*given)

    async def others() -> None:
        while True:
            runs.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(module, name, counted)
    waiting = asyncio.create_task(others())
    try:
        await taken(space, "a", "a")
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    assert sum(runs) >= MANY
    assert max(runs) <= PAGE
