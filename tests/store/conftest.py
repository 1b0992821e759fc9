"""The engines under contract. A new engine is a row of `ENGINES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.engine import Engine
from tests import engines
from tests.store.memory.engine import MemoryEngine

ENGINES: dict[str, Callable[[Path], Engine]] = {
    "embedded": lambda folder: open_engine(folder / "store.sqlite"),
    "memory": lambda _: MemoryEngine(seconds=0.002),
}
if engines.KIND == "mongo":
    ENGINES = {"mongo": engines.an_engine}


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    opened = ENGINES[request.param](tmp_path)
    yield opened
    await opened.close()
