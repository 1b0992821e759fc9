"""Apps that live in a browser: SMART App Launch 2.2, app-launch.html#considerations-for-cross-origin-resource-sharing."""

from __future__ import annotations

import pytest

from fhir_server.smart.clients.origins import of
from fhir_server.smart.clients.registered import Client
from tests.server.closed import BASE, ROOT, TOKEN, Space

OWN, OTHER = "https://app.example", "https://other.example"


def allowed(answer: object) -> str | None:
    return answer.headers.get("access-control-allow-origin")  # type: ignore[attr-defined, no-any-return]


async def registered(space: Space, **changes: object) -> None:
    client = Client("app", "Carnet", "public", redirect_uris=(f"{OWN}/callback", "app.example:/callback"), **changes)
    assert await space.clients.add(client)


@pytest.mark.parametrize("path", ["metadata", ".well-known/smart-configuration"])
async def test_discovery_is_for_pages_of_any_origin(space: Space, path: str) -> None:
    assert allowed(await space.http.get(f"{BASE}/{path}", headers={"Origin": OTHER})) == "*"


async def test_keys_are_for_pages_of_any_origin(space: Space) -> None:
    assert allowed(await space.http.get(f"{ROOT}/auth/jwks", headers={"Origin": OTHER})) == "*"


@pytest.mark.parametrize(("origin", "said"), [(OWN, OWN), (OTHER, None), ("null", None)])
@pytest.mark.parametrize("url", [TOKEN, f"{BASE}/Patient/1", f"{BASE}/Patient/_search"])
async def test_the_token_endpoint_and_fhir_are_for_pages_of_registered_apps(
    space: Space, url: str, origin: str, said: str | None
) -> None:
    await registered(space)
    assert allowed(await space.http.post(url, headers={"Origin": origin})) == said
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = await space.http.request("OPTIONS", url, headers=asked)
    assert allowed(preflight) == said
    assert ("access-control-allow-methods" in preflight.headers) is (said is not None)
    if said:
        assert "Authorization" in preflight.headers["access-control-allow-headers"]


async def test_the_pages_of_a_suspended_app_may_no_longer_call(space: Space) -> None:
    await registered(space, status="suspended")
    assert allowed(await space.http.post(TOKEN, headers={"Origin": OWN})) is None


@pytest.mark.parametrize("path", ["/auth/sign-in", "/auth/authorize", "/auth/consent", "/auth/launch", "/me", "/"])
async def test_no_answer_that_a_session_counts_for_lets_a_page_send_cookies(space: Space, path: str) -> None:
    """Where none counts they may be sent, since `@medplum/core` cannot be told not to: `tests/http/test_cors.py`."""
    await registered(space)
    for method in ("GET", "POST"):
        answer = await space.http.request(method, f"{ROOT}{path}", headers={"Origin": OWN})
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example:443/callback", "https://app.example"),
        ("http://localhost:3000/cb?x=1", "http://localhost:3000"),
        ("http://LOCALHOST:80/", "http://localhost"),
        ("app.example:/callback", ""),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(uri: str, origin: str) -> None:
    assert of(uri) == origin
