"""The whole server in this process: every room, over a file of its own, asked through ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from fhir_server.app import opened
from fhir_server.settings import Settings


@asynccontextmanager
async def whole(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an open server on a new file in `folder`, whose base is FHIR's."""
    async with opened(Settings(data=folder, open=True, **settings)) as house:
        transport = httpx.ASGITransport(house.asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test/fhir/", timeout=240) as client:
            yield client
