from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from fhir_server.app import House
from fhir_server.conformance.client import Client
from tests.server.whole import BASE


@pytest.fixture
async def client(house: House) -> AsyncIterator[Client]:
    """A client of a real server on an empty store, without a network between."""
    async with Client(BASE, transport=httpx.ASGITransport(app=house.asgi)) as found:  # type: ignore[arg-type]
        yield found
