"""The whole open server in this process: every room, over a file of its own, asked through ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from fhir_server.app import House, opened
from fhir_server.settings import Settings

BASE = "http://fhir.test/fhir"


def asking(house: House) -> httpx.AsyncClient:
    """A client whose base is FHIR's; an error of the server's own is answered, as on the wire."""
    transport = httpx.ASGITransport(house.asgi, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", timeout=240)


@asynccontextmanager
async def whole(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an open server on a new file in `folder`."""
    async with opened(Settings(data=folder, open=True, **settings)) as house, asking(house) as client:
        yield client
