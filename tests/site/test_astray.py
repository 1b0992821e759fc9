"""A FHIR request beside the FHIR base is told where that is, and nothing of what is there.

https://hl7.org/fhir/R4/http.html#root (the service base URL), #general (an OperationOutcome with errors).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings

HERE = "http://127.0.0.1:8080"
HINT = "The FHIR base of this server is"
FHIR = "application/fhir+json"


@asynccontextmanager
async def client_of(tmp_path: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(Settings(data=tmp_path, **settings)) as house:
        transport = httpx.ASGITransport(house.served)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            yield client


#: (method, address, media type of what is sent) → status, and whether its sender is told where FHIR is.
ASTRAY: list[tuple[str, str, str, int, bool]] = [
    ("GET", "/Patient/1", "", 404, True),
    ("HEAD", "/Patient/1", "", 404, True),
    ("GET", "/Patient?name=a", "", 404, True),
    ("GET", "/patient/1", "", 404, True),
    ("GET", "/metadata", "", 404, True),
    ("GET", "/_history", "", 404, True),
    ("GET", "/$versions", "", 404, True),
    ("GET", "/r4/Patient/1", "", 404, True),
    ("GET", "/FHIR/R4/Patient/1", "", 404, True),
    ("POST", "/Patient/_search", "application/x-www-form-urlencoded", 404, True),
    ("PUT", "/Patient/1", FHIR, 404, True),
    ("PATCH", "/Patient/1", "application/json-patch+json", 404, True),
    ("DELETE", "/Patient/1", "", 404, True),
    # A batch or transaction goes to the base itself.
    ("POST", "/", FHIR, 405, True),
    ("POST", "/", "application/fhir+xml", 405, True),
    ("GET", "/nowhere", "", 404, False),
    ("GET", "/catalogue/patient/x/y", "", 404, False),
    ("POST", "/", "application/x-www-form-urlencoded", 405, False),
    ("POST", "/health/live", "", 405, False),
]


@pytest.mark.parametrize("open", [True, False])
async def test_a_request_beside_the_base_is_told_where_it_is(tmp_path: Path, open: bool) -> None:
    async with client_of(tmp_path, open=open) as client:
        there = {"resourceType": "Patient", "id": "1", "name": [{"family": "Inconnue"}]}
        await client.put("/fhir/Patient/1", json=there, headers={"Content-Type": FHIR})
        for method, address, kind, status, told in ASTRAY:
            headers = {"Accept": FHIR, **({"Content-Type": kind} if kind else {})}
            answer = await client.request(method, address, headers=headers, content=b"{}" if kind else None)
            assert answer.status_code == status, (method, address)
            if method != "HEAD":
                text = answer.json()["issue"][0]["diagnostics"]
                assert (f"{HINT} {HERE}/fhir" in text) == told, (method, address, text)


async def test_what_is_there_and_what_is_not_are_told_the_same(tmp_path: Path) -> None:
    async with client_of(tmp_path, open=True) as client:
        await client.put("/fhir/Patient/1", json={"resourceType": "Patient", "id": "1"}, headers={"Content-Type": FHIR})
        there, absent = [await client.get(f"/Patient/{id}", headers={"Accept": FHIR}) for id in ("1", "none")]
    assert (there.status_code, there.content) == (absent.status_code, absent.content)


async def test_behind_a_proxy_the_public_name_is_told(tmp_path: Path) -> None:
    async with client_of(tmp_path, open=True, base_url="https://fhir.example/fhir") as client:
        answer = await client.get("/Patient/1", headers={"Accept": FHIR})
    assert answer.json()["issue"][0]["diagnostics"].endswith(f"{HINT} https://fhir.example/fhir")


@pytest.mark.parametrize(("language", "words"), [("fr", "Les données FHIR"), ("en", "The FHIR data")])
async def test_a_browser_has_a_link(tmp_path: Path, language: str, words: str) -> None:
    async with client_of(tmp_path, open=True) as client:
        headers = {"Accept": "text/html", "Accept-Language": language}
        page = (await client.get("/Patient/1", headers=headers)).text
        lost = (await client.get("/nowhere", headers=headers)).text
    assert words in page and f'href="{HERE}/fhir/metadata"' in page
    assert words not in lost
