"""What another site's page, through the browser of somebody on this machine, can do to a server here: nothing.

DNS rebinding and requests sent without asking: RFC 9110 §7.2 and §15.5.20, https://fetch.spec.whatwg.org/#origin-header.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients

JSON = {"Content-Type": "application/fhir+json"}
PATIENT = b'{"resourceType": "Patient"}'
FOREIGN = ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1, evil",
           "0.0.0.0:8080", "2130706433", "evil@localhost", "[::1].evil", "127.0.0.1:8080/x"]  # fmt: skip
OWN = ["localhost:8080", "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.1:9", "127.8.8.8:1", "[::1]:8080", "box.lan"]


async def ask(folder: Path, method: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
    """One request to a server as it stands on a network; `settings` of it among `more`."""
    settings = {"open": True, "allowed_hosts": ("box.lan",), **more.pop("settings", {})}
    async with opened(Settings(data=folder, **settings)) as house:
        transport = httpx.ASGITransport(house.served)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            return await client.request(method, path, headers=headers, **more)


#: Method and path of each way in.
WAYS = [("GET", "/fhir/Patient"), ("GET", "/fhir/metadata"), ("POST", "/fhir/Patient"), ("PUT", "/fhir/Patient/1"),
        ("DELETE", "/fhir/Patient/1"), ("POST", "/fhir"), ("POST", "/fhir/Patient/_search"), ("GET", "/"),
        ("GET", "/metrics"), ("OPTIONS", "/fhir/Patient"), ("GET", "/docs")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), WAYS)
async def test_a_host_that_is_not_this_machine_s_is_refused_everywhere(tmp_path: Path, method: str, path: str) -> None:
    answer = await ask(tmp_path, method, path, {"Host": "evil.example:8080", **JSON}, content=PATIENT)
    assert answer.status_code == 421
    assert answer.json()["issue"][0]["expression"] == ["http.Host"]


@pytest.mark.parametrize("host", FOREIGN)
async def test_a_host_that_only_looks_like_this_machine_is_refused(tmp_path: Path, host: str) -> None:
    assert (await ask(tmp_path, "GET", "/fhir/Patient", {"Host": host})).status_code == 421


@pytest.mark.parametrize("host", OWN)
async def test_every_name_of_this_machine_and_of_the_settings_is_answered(tmp_path: Path, host: str) -> None:
    assert (await ask(tmp_path, "GET", "/fhir/Patient", {"Host": host})).status_code == 200


async def test_probes_call_by_any_name(tmp_path: Path) -> None:
    assert (await ask(tmp_path, "GET", "/health/live", {"Host": "10.1.2.3"})).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null", "file://", "x"])
@pytest.mark.parametrize(("method", "path"), WAYS)
async def test_a_page_of_another_origin_neither_reads_nor_writes(
    tmp_path: Path, method: str, path: str, origin: str
) -> None:
    answer = await ask(tmp_path, method, path, {"Origin": origin, **JSON}, content=PATIENT)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


ALLOWED = [("http://localhost:3000", {}), ("http://127.0.0.1:8080", {}), ("http://[::1]:1", {}),
           ("https://app.example", {"cors_origins": ("https://app.example",)}),
           ("https://any.example", {"cors_origins": ("*",)})]  # fmt: skip


@pytest.mark.parametrize(("origin", "settings"), ALLOWED)
async def test_pages_of_this_machine_and_of_the_settings_write(
    tmp_path: Path, origin: str, settings: dict[str, Any]
) -> None:
    answer = await ask(
        tmp_path, "POST", "/fhir/Patient", {"Origin": origin, **JSON}, content=PATIENT, settings=settings
    )
    assert answer.status_code == 201


#: What a page may send without asking, or a client that says nothing of its body.
UNASKED = [("text/plain", PATIENT), ("text/plain;charset=UTF-8", PATIENT), ("multipart/form-data; boundary=a", PATIENT),
           ("application/x-www-form-urlencoded", PATIENT), (None, PATIENT), (None, b"<Patient/>")]  # fmt: skip


@pytest.mark.parametrize(("type", "body"), UNASKED)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/fhir/Patient"), ("POST", "/fhir"), ("PUT", "/fhir/Patient/1"), ("POST", "/fhir/Patient/$validate")]
)  # fmt: skip
async def test_what_needs_no_asking_does_not_write(
    tmp_path: Path, method: str, path: str, type: str | None, body: bytes
) -> None:
    headers = {"Content-Type": type} if type else {}
    answer = await ask(tmp_path, method, path, headers, content=body)
    assert answer.status_code == 415
    assert (await ask(tmp_path, "GET", "/fhir/Patient?_summary=count", {})).json()["total"] == 0


async def test_a_page_of_ours_whose_browser_hides_its_origin_writes(tmp_path: Path) -> None:
    """Referrer-Policy: no-referrer makes the Origin of a page's own forms "null" (Fetch, "append a request Origin")."""
    for site, status in (("same-origin", 201), ("same-site", 403), ("cross-site", 403), ("none", 403)):
        headers = {"Origin": "null", "Sec-Fetch-Site": site, **JSON}
        assert (await ask(tmp_path, "POST", "/fhir/Patient", headers, content=PATIENT)).status_code == status


async def test_a_browser_that_hides_its_origin_still_says_that_it_is_another_site_s(tmp_path: Path) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
    assert (await ask(tmp_path, "POST", "/fhir/Binary", headers, content=b"x")).status_code == 403


async def test_a_demonstration_is_for_its_own_pages_and_for_registered_apps(tmp_path: Path) -> None:
    settings = {"open": False, "simulators": True}
    async with opened(Settings(data=tmp_path, simulators=True)) as house:
        app = Client("app", "App", "public", redirect_uris=("https://app.example/back",))
        await RecordedClients(house.engine.records).add(app)
    for origin, status in (("https://app.example", 200), ("http://localhost:1", 200), ("https://evil.example", 403)):
        answer = await ask(tmp_path, "GET", "/fhir/metadata", {"Origin": origin}, settings=settings)
        assert answer.status_code == status, origin
    assert (await ask(tmp_path, "GET", "/", {"Host": "evil.example"}, settings=settings)).status_code == 421


async def test_a_closed_server_without_a_public_url_is_known_by_its_own_address_alone(tmp_path: Path) -> None:
    """Nothing that a token is bound to is taken from a Host header: issuer, endpoints, audience, links."""
    closed = {"open": False, "port": 8091}
    path = "/fhir/.well-known/smart-configuration"
    for host in ("localhost:8091", "127.0.0.1:1"):
        found = (await ask(tmp_path, "GET", path, {"Host": host}, settings=closed)).json()
        assert found["issuer"] == "http://127.0.0.1:8091"
        assert found["token_endpoint"] == "http://127.0.0.1:8091/auth/token"
    for asked in (path, "/auth/token", "/.well-known/openid-configuration", "/fhir/metadata"):
        assert (await ask(tmp_path, "GET", asked, {"Host": "evil.example"}, settings=closed)).status_code == 421


async def test_a_closed_server_with_a_public_url_is_asked_by_any_name_and_keeps_its_own(tmp_path: Path) -> None:
    closed = {"open": False, "base_url": "https://sante.example/fhir"}
    path = "/fhir/.well-known/smart-configuration"
    found = (await ask(tmp_path, "GET", path, {"Host": "10.1.2.3:8080"}, settings=closed)).json()
    assert found["token_endpoint"] == "https://sante.example/auth/token"


async def test_counts_are_scraped_by_any_name_with_their_token_and_by_this_machine_s_without(tmp_path: Path) -> None:
    closed = {"open": False, "base_url": "https://sante.example/fhir"}
    headers = {"Host": "10.1.2.3:8080", "Authorization": "Bearer counts"}
    told = await ask(tmp_path, "GET", "/metrics", headers, settings={**closed, "metrics_token": "counts"})
    assert told.status_code == 200
    assert (await ask(tmp_path, "GET", "/metrics", headers, settings=closed)).status_code == 421
    assert (await ask(tmp_path, "GET", "/metrics", {"Host": "localhost"}, settings=closed)).status_code == 200
