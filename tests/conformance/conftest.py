from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from fhir_server.app import opened
from fhir_server.conformance.client import Client
from fhir_server.settings import Settings

BASE = "http://fhir.test/fhir"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a real server on an empty store, without a network between."""
    async with opened(Settings(data=tmp_path / "store", open=True)) as house:
        transport = httpx.ASGITransport(app=house.asgi)  # type: ignore[arg-type]
        async with Client(BASE, transport=transport) as found:
            yield found
