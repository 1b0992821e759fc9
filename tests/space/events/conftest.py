"""A server with people whose events are declared and followed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.space.events.people import peopled
from tests.space.record.callers import BASE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One for a whole file, since it compiles profiles first."""
    async with opened(Settings(data=tmp_path_factory.mktemp("events"), base_url=BASE)) as found:
        await peopled(found)
        yield found
