"""An open server with two patients, for what sharing says of documents whoever files them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.server.people import kept
from tests.server.whole import asking
from tests.space.record import making


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sharing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an open server with patients 1 and 2; one for a whole file, since it compiles profiles first."""
    async with opened(Settings(data=tmp_path_factory.mktemp("sharing"), open=True)) as house, asking(house) as client:
        await kept(house, making.PATIENT, making.OTHER)
        yield client
