"""HEAD of every address that GET has: RFC 9110 §9.3.2; RFC 8615 for those under .well-known."""

from __future__ import annotations

from pathlib import Path

import httpx

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.http.test_bodies_everywhere import routes


async def test_whatever_can_be_got_has_a_head(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, base_url="http://127.0.0.1/fhir", simulators=True)
    async with opened(settings) as house:
        transport = httpx.ASGITransport(house.asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            paths = {path for path, methods in routes(house.asgi.fastapi.routes) if "GET" in methods}
            assert {"/fhir/.well-known/smart-configuration", "/.well-known/openid-configuration"} <= paths
            for path in sorted(paths):
                filled = "/".join("x" if part.startswith("{") else part for part in path.split("/"))
                got, head = await client.get(filled), await client.head(filled)
                assert (head.status_code, head.content) == (got.status_code, b""), path
                assert head.headers.get("content-type") == got.headers.get("content-type"), path
