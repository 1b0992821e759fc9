"""Which pages may call from a browser, with what, and what they may read of the answer.

https://fetch.spec.whatwg.org/#http-cors-protocol, https://wicg.github.io/private-network-access/,
https://hl7.org/fhir/smart-app-launch/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients
from tests.server.stub import Stub

LISTED, REGISTERED, STRANGER = "https://app.example", "https://carnet.example", "https://evil.example"
#: Where only a token counts.
STATELESS = [
    "/fhir/Patient/1",
    "/fhir/metadata",
    "/fhir/.well-known/smart-configuration",
    "/auth/token",
    "/auth/userinfo",
    "/auth/introspect",
    "/auth/revoke",
    "/auth/register",
    "/auth/jwks",
]
#: Where the session of whoever is signed in counts: pages, and what they post to.
SESSION = ["/", "/me", "/auth/sign-in", "/auth/authorize", "/auth/launch", "/referencement", "/fhirx/Patient/1"]


@asynccontextmanager
async def server(folder: Path, *origins: str) -> AsyncIterator[httpx.AsyncClient]:
    """A closed server with a registered app."""
    settings = Settings(data=folder, base_url="http://fhir.test/fhir", cors_origins=origins)
    async with opened(settings) as house:
        await _app(house)
        transport = httpx.ASGITransport(house.asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test") as client:
            yield client


async def _app(house: House) -> None:
    known = Client("carnet", "Carnet", kind="public", redirect_uris=(f"{REGISTERED}/back",), scopes=("patient/*.rs",))
    assert await RecordedClients(house.engine.records).add(known)


def preflight(origin: str, headers: str = "x-medplum,content-type", **more: str) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": headers,
        **more,
    }


@pytest.mark.parametrize("path", STATELESS)
@pytest.mark.parametrize("origin", [LISTED, REGISTERED])
async def test_a_listed_origin_may_ask_with_credentials_and_any_header_where_no_cookie_counts(
    tmp_path: Path, path: str, origin: str
) -> None:
    async with server(tmp_path, LISTED) as client:
        asked = await client.options(path, headers=preflight(origin, "x-medplum,x-request-id,content-type"))
        assert asked.headers["access-control-allow-origin"] == origin
        assert asked.headers["access-control-allow-credentials"] == "true"
        assert asked.headers["access-control-allow-headers"] == "x-medplum,x-request-id,content-type"
        assert int(asked.headers["access-control-max-age"]) >= 600
        assert {"Origin", "Access-Control-Request-Headers"} <= set(asked.headers["vary"].split(", "))
        answer = await client.get(path, headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("path", SESSION)
@pytest.mark.parametrize("origin", [LISTED, REGISTERED])
async def test_no_page_is_read_with_the_session_of_whoever_is_signed_in(tmp_path: Path, path: str, origin: str) -> None:
    async with server(tmp_path, LISTED) as client:
        for method in ("GET", "OPTIONS"):
            answer = await client.request(method, path, headers=preflight(origin))
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", STATELESS + SESSION)
async def test_any_origin_is_never_allowed_with_credentials(tmp_path: Path, path: str) -> None:
    async with server(tmp_path, "*") as client:
        for method in ("GET", "OPTIONS"):
            answer = await client.request(method, path, headers=preflight(STRANGER))
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", [STRANGER, "null", "https://app.example.evil.example", "http://app.example"])
async def test_others_read_what_is_public_and_nothing_else(tmp_path: Path, origin: str) -> None:
    async with server(tmp_path, LISTED) as client:
        for path in STATELESS + SESSION:
            answer = await client.get(path, headers={"Origin": origin})
            public = path.endswith(("metadata", "smart-configuration", "jwks"))
            assert answer.headers.get("access-control-allow-origin") == ("*" if public else None), path
            assert "access-control-allow-credentials" not in answer.headers
            asked = await client.options(path, headers=preflight(origin))
            assert ("access-control-allow-headers" in asked.headers) is public, path


async def test_a_page_without_an_origin_of_its_own_is_never_known(tmp_path: Path) -> None:
    async with server(tmp_path, "null") as client:
        answer = await client.get("/fhir/Patient/1", headers={"Origin": "null"})
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("names", ["x-medplum, evil header", "a\x00b", "", ",", "x" * 3_000, "x:y", "é"])
async def test_what_is_no_list_of_headers_is_not_repeated(tmp_path: Path, names: str) -> None:
    async with server(tmp_path, LISTED) as client:
        headers = [(k, v.encode()) for k, v in preflight(LISTED, names).items()]
        asked = await client.options("/fhir/Patient/1", headers=headers)
        assert asked.headers["access-control-allow-headers"].startswith("Accept, Authorization")


@pytest.mark.parametrize(("origin", "allowed"), [(LISTED, True), (REGISTERED, True), (STRANGER, False)])
async def test_a_page_of_the_web_calls_a_private_network_only_when_it_is_known(
    tmp_path: Path, origin: str, allowed: bool
) -> None:
    async with server(tmp_path, LISTED) as client:
        headers = preflight(origin, **{"Access-Control-Request-Private-Network": "true"})
        for path in ("/fhir/metadata", "/fhir/Patient/1"):
            asked = await client.options(path, headers=headers)
            assert (asked.headers.get("access-control-allow-private-network") == "true") is allowed


#: What goes wrong → the request.
WRONG: dict[int, tuple[str, str, dict[str, str], bytes]] = {
    400: ("GET", "/fhir/Patient?nothing-like-it=1", {}, b""),
    401: ("GET", "/fhir/Patient/1", {"Authorization": "Bearer x"}, b""),
    404: ("GET", "/fhir/Nothing/1", {}, b""),
    405: ("DELETE", "/fhir/metadata", {}, b""),
    406: ("GET", "/fhir/Patient/1", {"Accept": "image/png"}, b""),
    413: ("POST", "/fhir/Patient", {"Content-Type": "application/fhir+json"}, b" " * 3_000),
    415: ("POST", "/fhir/Patient", {"Content-Type": "text/csv"}, b"a,b"),
    414: ("GET", f"/fhir/Patient?name={'x' * 20_000}", {}, b""),
}


@pytest.mark.parametrize("status", WRONG)
async def test_a_page_can_read_what_went_wrong(status: int) -> None:
    """A refusal without these headers is "Failed to fetch" to a page, whatever the reason."""
    method, path, headers, body = WRONG[status]
    stub = Stub(cors_origins=(LISTED,), max_body_bytes=2_048)
    async with stub.client() as client:
        answer = await client.request(method, path, headers={"Origin": LISTED, **headers}, content=body)
    assert answer.status_code >= 200
    assert answer.headers["access-control-allow-origin"] == LISTED
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"ETag", "Location", "Content-Location", "Last-Modified", "WWW-Authenticate", "Retry-After"} <= exposed


async def test_the_failures_of_a_whole_server_can_be_read_too(tmp_path: Path) -> None:
    async with server(tmp_path, LISTED) as client:
        for status in (401, 404, 405, 415, 414):
            method, path, headers, body = WRONG[status]
            answer = await client.request(method, path, headers={"Origin": LISTED, **headers}, content=body)
            assert answer.status_code >= 400
            assert answer.headers["access-control-allow-origin"] == LISTED, (status, answer.status_code)


async def test_every_answer_says_that_it_depends_on_the_origin(tmp_path: Path) -> None:
    async with server(tmp_path, LISTED) as client:
        for path in (*STATELESS, *SESSION):
            for headers in ({}, {"Origin": LISTED}, {"Origin": STRANGER}):
                answer = await client.get(path, headers=headers)
                assert "Origin" in answer.headers.get("vary", ""), path


async def test_a_cookie_gives_no_right_on_the_paths_that_take_credentials(tmp_path: Path) -> None:
    """What makes the credentials of a listed origin harmless."""
    async with server(tmp_path, LISTED) as client:
        page = await client.get("/auth/sign-in")
        cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items()) or "session=x"
        for path in ("/fhir/Patient/1", "/fhir/Patient", "/auth/userinfo"):
            answer = await client.get(path, headers={"Origin": LISTED, "Cookie": cookies})
            assert answer.status_code == 401, path
