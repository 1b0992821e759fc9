"""Who is cancelled while the database answers ends then, whatever it was waiting for: a worker's follower, a request.

The driver loses some cancellations (`fhir_server/store/mongo/reading.py`); https://docs.python.org/3/library/asyncio-task.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fhir_server.store import opening
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING
from tests import mongod
from tests.store.making import OPEN, a_put, stored

#: What somebody does again and again.
ASKED: dict[str, Callable[[Engine], Awaitable[object]]] = {
    "changes": lambda engine: engine.changes(None),
    "read": lambda engine: engine.store.read("Patient", "a"),
    "find": lambda engine: engine.store.find({"Patient": EVERYTHING}),
    "records": lambda engine: engine.records.get("code", "k"),
    "put": lambda engine: engine.records.put("code", "k", b""),
    "guarded": lambda engine: engine.store.append([a_put("Group", engine.store.new_id("Group"))]),
}


@pytest.mark.parametrize("asked", ASKED)
async def test_who_is_cancelled_ends(asked: str) -> None:
    mongod.require()
    engine = opening.open_engine(mongod.url(), max_pending=1_000, deadline_seconds=30)
    await stored(engine, "Patient", {"a": OPEN})

    async def again_and_again() -> None:
        while True:
            await ASKED[asked](engine)

    for n in range(60):
        asking = asyncio.create_task(again_and_again())
        await asyncio.sleep(n * 0.0001)
        asking.cancel()
        over, _ = await asyncio.wait([asking], timeout=60)
        assert over and asking.cancelled()
    await engine.close()
