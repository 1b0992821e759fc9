"""What all tests share: servers to ask, and where those opened in this process keep their data (`tests/engines.py`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from fhir_server import app
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.people import hashing
from tests import engines
from tests.server import calls, closed
from tests.server.whole import asking

#: Where the tests' folders are when it has room: in memory, so that thousands of small stores wait for no disk.
IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 4_000_000_000


def pytest_configure() -> None:
    if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


@pytest.fixture(autouse=True, scope="session")
def _passwords_cost_little() -> Iterator[None]:
    """Hashed by the same function at its least cost; servers in processes of their own hash at its own (`COST`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "COST", (1, 8, 1))
        yield


@pytest.fixture(autouse=True, scope="session")
def _kept_where_tests_say() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "open_engine", engines.at)
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open server, every room of it."""
    async with opened(Settings(data=tmp_path, open=True)) as found:
        yield found


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `house`, through ASGI."""
    async with asking(house) as found:
        yield found


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[closed.Space]:
    """A closed server, every room of it, and what software and browsers call it with."""
    async with closed.serving(tmp_path) as found:
        yield found


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[calls.Server]:
    """FHIR's verbs without HTTP."""
    async with calls.serving(tmp_path) as found:
        yield found
