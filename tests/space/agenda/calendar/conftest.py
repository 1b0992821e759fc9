"""A closed server with a clinic whose patients have accounts, and what calendar programs ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.server.people import a_person
from tests.space.agenda.world import peopled
from tests.space.record.callers import BASE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One for a whole file."""
    settings = Settings(data=tmp_path_factory.mktemp("calendar"), base_url=BASE, open=False)
    async with opened(settings) as found:
        await peopled(found)
        await a_person(found, "a", "Anna", "Patient/a")
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A calendar program: no cookie, no token."""
    transport = httpx.ASGITransport(house.asgi)
    async with httpx.AsyncClient(transport=transport, base_url=BASE.removesuffix("/fhir")) as found:
        yield found
