"""A closed server over the embedded store, called as software and browsers call it, without a network."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients
from tests.server.people import kept

ROOT = "http://server.test"
BASE = f"{ROOT}/fhir"
TOKEN = f"{ROOT}/auth/token"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Space:
    """An opened server and a client of it that keeps no cookies of its own making."""

    house: House
    http: httpx.AsyncClient
    keys: dict[str, Any] = field(default_factory=dict)

    @property
    def clients(self) -> RecordedClients:
        return RecordedClients(self.house.engine.records)

    def key(self, alg: str) -> Any:
        """A key pair of a client, made once a test for each algorithm."""
        if alg not in self.keys:
            made = RSAKey.generate_key(2048) if alg.startswith("RS") else ECKey.generate_key("P-384")
            self.keys[alg] = made
        return self.keys[alg]

    async def backend(
        self, id: str = "lab", scopes: str = "system/*.cruds", alg: str = "ES384", **changes: Any
    ) -> Client:
        """A registered backend service."""
        jwks = {"keys": [{**self.key(alg).as_dict(private=False), "kid": "k1", "use": "sig", "alg": alg}]}
        made = Client(
            id,
            "Laboratoire",
            "confidential-asymmetric",
            **{
                "jwks": jwks,
                "scopes": tuple(scopes.split()),
                "grants": ("client_credentials",),
                **changes,
            },
        )
        assert await self.clients.add(made)
        return made

    def assertion(self, id: str = "lab", alg: str = "ES384", header: Any = None, **claims: Any) -> str:
        """What a backend service signs to prove who it is; a claim that is None is left out."""
        now = int(time.time())
        full = {
            "iss": id,
            "sub": id,
            "aud": TOKEN,
            "iat": now,
            "exp": now + 60,
            "jti": uuid.uuid4().hex,
            **claims,
        }
        kept = {name: value for name, value in full.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": "k1", **(header or {})}, kept, self.key(alg), algorithms=[alg])

    async def ask_token(self, assertion: str, scope: str = "system/*.rs", **more: str) -> httpx.Response:
        """The token endpoint's answer to a backend service."""
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": BEARER,
            "client_assertion": assertion,
            **more,
        }
        return await self.http.post(TOKEN, data=form)

    async def backend_token(self, scope: str = "system/*.cruds", id: str = "lab") -> str:
        """An access token of a registered backend service."""
        answer = await self.ask_token(self.assertion(id), scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def fhir(self, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
        """A FHIR interaction."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.request(method, f"{BASE}/{path}", headers=headers, **more)

    async def put(self, resource: dict[str, Any]) -> dict[str, Any]:
        """A resource with an id, kept by the server's own hand."""
        await kept(self.house, resource, base=BASE)
        return resource


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Space]:
    async with opened(Settings(**{"data": folder, "base_url": BASE, **settings})) as house:
        transport = httpx.ASGITransport(house.asgi)
        async with httpx.AsyncClient(transport=transport, follow_redirects=False) as http:
            yield Space(house, http)
