"""Who called, behind proxies and without: RFC 7239 §5.2 and §8.1; and who is told the counts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from fhir_server.http.forwarded import Peers
from fhir_server.settings import Settings
from tests.server.stub import Stub

PROXIES = ("10.0.0.0/8", "192.0.2.7", "fd00::/8", "2001:db8:ffff::/48")
#: (header, peer, its lines, who called): what a trusted proxy added is believed, and nothing before it.
CALLERS = [
    ("X-Forwarded-For", "203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
    ("X-Forwarded-For", "10.0.0.1", [], "10.0.0.1"),
    ("X-Forwarded-For", "10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ("X-Forwarded-For", "10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
    ("X-Forwarded-For", "10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
    ("X-Forwarded-For", "10.0.0.1", ["6.6.6.6", "198.51.100.1, 192.0.2.7"], "198.51.100.1"),
    ("X-Forwarded-For", "10.0.0.1", ["198.51.100.1, 10.2.3.4, 192.0.2.7"], "198.51.100.1"),
    ("X-Forwarded-For", "10.0.0.1", ["10.2.3.4, 192.0.2.7"], "10.2.3.4"),
    ("X-Forwarded-For", "10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
    ("X-Forwarded-For", "10.0.0.1", ["198.51.100.1, not an address"], "10.0.0.1"),
    ("X-Forwarded-For", "10.0.0.1", ["198.51.100.1, ,192.0.2.7"], "192.0.2.7"),
    ("X-Forwarded-For", "::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
    ("X-Forwarded-For", "fd00::1", ["2001:db8::1"], "2001:db8::1"),
    ("X-Forwarded-For", "fd00::1", ["[2001:db8::1]:80"], "2001:db8::1"),
    ("Forwarded", "10.0.0.1", ["for=198.51.100.1"], "198.51.100.1"),
    ("Forwarded", "10.0.0.1", ['For="[2001:db8::1]:4711";proto=https'], "2001:db8::1"),
    ("Forwarded", "10.0.0.1", ["for=6.6.6.6, for=198.51.100.1;by=10.0.0.1"], "198.51.100.1"),
    ("Forwarded", "10.0.0.1", ["for=198.51.100.1, for=_hidden"], "10.0.0.1"),
    ("Forwarded", "10.0.0.1", ["proto=https"], "10.0.0.1"),
]


def seen(header: str, peer: str, lines: list[str], other: str = "") -> str:
    headers = [(header.lower().encode(), line.encode()) for line in lines]
    if other:
        headers.append((other.lower().encode(), b"for=6.6.6.6" if other == "Forwarded" else b"6.6.6.6"))
    scope: dict[str, Any] = {"client": (peer, 1), "headers": headers}
    return str(Peers(PROXIES, header).seen(scope)["client"][0])


@pytest.mark.parametrize(("header", "peer", "lines", "caller"), CALLERS)
def test_the_caller_is_whom_the_trusted_proxies_saw(header: str, peer: str, lines: list[str], caller: str) -> None:
    assert seen(header, peer, lines) == caller


@pytest.mark.parametrize(("header", "other"), [("X-Forwarded-For", "Forwarded"), ("Forwarded", "X-Forwarded-For")])
def test_the_header_that_the_proxies_do_not_write_is_the_caller_s_own_word(header: str, other: str) -> None:
    line = "198.51.100.1" if header == "X-Forwarded-For" else "for=198.51.100.1"
    assert seen(header, "10.0.0.1", [line], other) == "198.51.100.1"


def test_without_the_setting_nobody_is_believed() -> None:
    scope = {"client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", b"198.51.100.1")]}
    assert Peers((), "X-Forwarded-For").seen(scope)["client"] == ("10.0.0.1", 1)


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.0/33", "*", ""])
def test_a_setting_that_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=(wrong,))


async def scraped(peer: str, headers: dict[str, str], **settings: Any) -> httpx.Response:
    transport = httpx.ASGITransport(Stub(**settings).app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test") as client:
        return await client.get("/metrics", headers=headers)


TOKEN = {"metrics_token": "counts-only"}
#: (peer, headers, settings, status).
SCRAPES: list[tuple[str, dict[str, str], dict[str, Any], int]] = [
    ("127.0.0.1", {}, {}, 200),
    ("::1", {}, {}, 200),
    ("10.0.0.5", {}, {}, 403),
    *(("127.0.0.1", {name: "1.2.3.4"}, {}, 403) for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP")),
    ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, {"trusted_proxies": ("127.0.0.1",)}, 403),
    ("10.0.0.5", {"Authorization": "Bearer counts-only"}, TOKEN, 200),
    ("10.0.0.5", {"Authorization": "bearer  counts-only", "Via": "1.1 proxy"}, TOKEN, 200),
    ("127.0.0.1", {}, TOKEN, 401),
    ("127.0.0.1", {"Authorization": "Bearer counts-onl"}, TOKEN, 401),
    ("127.0.0.1", {"Authorization": "Basic counts-only"}, TOKEN, 401),
]


@pytest.mark.parametrize(("peer", "headers", "settings", "status"), SCRAPES)
async def test_the_counts_are_told_to_this_machine_or_to_the_token(
    peer: str, headers: dict[str, str], settings: dict[str, Any], status: int
) -> None:
    answer = await scraped(peer, headers, **settings)
    assert answer.status_code == status
    assert (b"fhir_requests" in answer.content) == (status == 200)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_token_that_no_client_can_send_is_refused() -> None:
    with pytest.raises(ValidationError, match="metrics_token"):
        Settings(metrics_token="two words")
