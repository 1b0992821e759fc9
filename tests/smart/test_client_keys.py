"""Keys of clients by address: client-confidential-asymmetric.html#registering-a-client-communicating-public-keys, OWASP ASVS 12.6."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fhir_server.smart import fetch
from fhir_server.smart.clients import keys as client_keys
from fhir_server.smart.clients.keys import ClientKeys
from fhir_server.smart.clients.registered import Client
from tests.server.closed import Space, serving

HEADER = {"kid": "k1", "alg": "ES384"}


@dataclass
class Site:
    """A web server of a client's: what it answers, and how often it was asked."""

    url: str = ""
    body: bytes = b"{}"
    status: str = "200 OK"
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        said = {"Content-Length": str(len(self.body)), "Connection": "close", **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"HTTP/1.1 {self.status}\r\n{head}\r\n".encode() + self.body)
        await writer.drain()
        writer.close()

    def publish(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": list(keys)}).encode()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    async with server:
        yield found


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path, loopback_keys=True) as found:
        yield found


class Clock:
    """What time it is, as the test has it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def public(space: Space, kid: str = "k1") -> dict[str, Any]:
    return {**space.key("ES384").as_dict(private=False), "kid": kid, "use": "sig"}


def client(url: str) -> Client:
    return Client("lab", "Laboratoire", "confidential-asymmetric", jwks_uri=url)


async def test_a_service_is_known_by_the_keys_at_its_address(space: Space, site: Site) -> None:
    site.publish(public(space))
    await space.backend(jwks=None, jwks_uri=site.url)
    assert (await space.ask_token(space.assertion())).status_code == 200
    assert (await space.ask_token(space.assertion(header={"jku": site.url}))).status_code == 200
    refused = await space.ask_token(space.assertion(header={"jku": f"{site.url}2"}))
    assert refused.json()["error"] == "invalid_client" and site.asked == 1


async def test_a_client_rotates_its_keys_and_is_known_by_the_new_one_soon(
    space: Space, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(client_keys, "time", clock)
    site.publish(public(space, "old"))
    keys = ClientKeys(loopback=True)
    assert await keys.find(client(site.url), HEADER) is None
    site.publish(public(space, "old"), public(space))
    assert await keys.find(client(site.url), HEADER) is None and site.asked == 1
    clock.now += client_keys.ANEW
    assert await keys.find(client(site.url), HEADER) is not None and site.asked == 2


@pytest.mark.parametrize(
    ("said", "asked"),
    [("no-store", 3), ("private, max-age=0", 3), ("max-age=60", 1), ("max-age=99999999", 1), ("", 1)],
)
async def test_keys_are_kept_no_longer_than_their_answer_allows(
    space: Space, site: Site, said: str, asked: int
) -> None:
    site.publish(public(space))
    site.headers = {"Cache-Control": said} if said else {}
    keys = ClientKeys(loopback=True)
    for _ in range(3):
        assert await keys.find(client(site.url), HEADER) is not None
    assert site.asked == asked


async def test_an_unknown_key_does_not_make_the_server_ask_again_and_again(space: Space, site: Site) -> None:
    site.publish(public(space))
    keys = ClientKeys(loopback=True)
    for number in range(20):
        assert await keys.find(client(site.url), {"kid": f"x{number}", "alg": "ES384"}) is None
    assert site.asked == 1


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("302 Found", {"Location": "http://127.0.0.1:1/jwks"}, b""),
        ("500 No", {}, b"{}"),
        ("200 OK", {}, b"<html>"),
        ("200 OK", {}, b"[]"),
        ("200 OK", {}, b'{"keys": 1}'),
        ("200 OK", {}, b'{"keys": [1, {}]}'),
        ("200 OK", {}, b'{"keys": [], "x": "' + b"x" * fetch.LARGEST + b'"}'),
    ],
)
async def test_what_is_no_key_set_is_no_error_of_ours(
    space: Space, site: Site, status: str, headers: dict[str, str], body: bytes
) -> None:
    site.status, site.headers, site.body = status, headers, body
    await space.backend(jwks=None, jwks_uri=site.url)
    answer = await space.ask_token(space.assertion())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_site_that_does_not_answer_is_not_waited_for(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.2)
    waiting: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.append(writer)

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await ClientKeys(loopback=True).find(client(url), HEADER) is None
        for writer in waiting:
            writer.close()
            await writer.wait_closed()


async def test_an_address_on_this_machine_is_for_development_alone(space: Space, site: Site) -> None:
    site.publish(public(space))
    assert await ClientKeys().find(client(site.url), HEADER) is None
    assert site.asked == 0


@pytest.mark.parametrize(
    "header", [{"jku": "https://evil.example/jwks"}, {"kid": None}, {"kid": "k2"}, {"crit": ["x"]}]
)
async def test_a_key_is_the_registered_one_or_none(space: Space, header: dict[str, Any]) -> None:
    inline = Client("lab", "Laboratoire", "confidential-asymmetric", jwks={"keys": [public(space)]})
    assert await ClientKeys().find(inline, HEADER) is not None
    assert await ClientKeys().find(inline, {**HEADER, **header}) is None


async def test_a_short_rsa_key_is_no_key() -> None:
    modulus = base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode()
    short = {"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "k1"}
    weak = Client("lab", "Laboratoire", "confidential-asymmetric", jwks={"keys": [short]})
    assert await ClientKeys().find(weak, {"kid": "k1", "alg": "RS384"}) is None
