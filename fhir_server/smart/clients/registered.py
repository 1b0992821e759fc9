"""Software that may ask for tokens: what is known of each, and where it is found.

RFC 6749 §2, RFC 7591 §2, https://hl7.org/fhir/smart-app-launch/client-authentication.html
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import msgspec

from fhir_server.smart.secret import digest
from fhir_server.store.protocol import Records
from fhir_server.store.registry import Registry

Kind = Literal["public", "confidential-symmetric", "confidential-asymmetric"]
#: A draft registered itself and was reviewed by nobody: it gets what the pre-series status of its app does.
Status = Literal["active", "draft", "suspended"]

#: Kind of client → the one way it proves who it is (RFC 7591 `token_endpoint_auth_method`).
METHODS: dict[str, str] = {
    "public": "none",
    "confidential-symmetric": "client_secret_basic",
    "confidential-asymmetric": "private_key_jwt",
}
#: Endpoint → the ways in which clients prove who they are there; `Bearer` is a resource server's own access token.
PROOFS: dict[str, tuple[str, ...]] = {
    "revocation": ("private_key_jwt", "client_secret_basic", "none"),
    "introspection": ("private_key_jwt", "client_secret_basic", "Bearer"),
}


@dataclass(frozen=True, slots=True)
class Client:
    """One piece of software.

    Attributes:
        id: client id.
        name: shown to people on the consent page.
        kind: how it proves who it is.
        status: only an active client gets or uses tokens.
        secret_hash: digest of the secret of a symmetric client.
        jwks: public keys of an asymmetric client, inline; or they are at `jwks_uri`.
        jwks_uri: https URL of its public keys.
        redirect_uris: matched exactly.
        scopes: the most it may be granted.
        grants: OAuth grant types it may use.
        launch_uri: where an EHR launch opens it.
        logo_uri: never fetched by the server.
        introspects: whether it may ask about tokens that were not issued to it (a resource server).
        registration_hash: digest of its RFC 7592 registration access token.
        registered: when it registered itself, seconds since 1970; 0 for one that was let in.
        device: id of the Device by which a service governs it (`governing`); None for software certified outside.
    """

    id: str
    name: str
    kind: Kind
    status: Status = "active"
    secret_hash: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    grants: tuple[str, ...] = ("authorization_code", "refresh_token")
    launch_uri: str | None = None
    logo_uri: str | None = None
    introspects: bool = False
    registration_hash: str | None = None
    registered: int = 0
    device: str | None = None

    def has_secret(self, secret: str) -> bool:
        """Whether `secret` is its own, in constant time."""
        return self.secret_hash is not None and hmac.compare_digest(self.secret_hash, digest(secret))


class Clients(Protocol):
    """Where clients are found."""

    async def get(self, client_id: str) -> Client | None:
        """The client, whatever its status; None when there is none."""

    async def all(self) -> list[Client]:
        """Every client that is recorded, by id, as `get` gives it."""


class RecordedClients:
    """Clients kept in the records."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._clients = Registry(records, "client", Client)

    async def get(self, client_id: str) -> Client | None:
        """The client, whatever its status; None when there is none."""
        return await self._clients.get(client_id)

    async def add(self, client: Client) -> bool:
        """Keep a new client; False when the id is taken."""
        return await self._records.add("client", client.id, msgspec.json.encode(client))

    async def replace(self, client: Client) -> None:
        """Keep what has changed of a client, for every worker within a second."""
        await self._records.put("client", client.id, msgspec.json.encode(client))

    async def set_status(self, client_id: str, status: Status) -> bool:
        """Suspend a client or let it in again; False when there is none."""
        return await self.revise(client_id, status=status)

    async def revise(self, client_id: str, **changes: Any) -> bool:
        """Change some attributes of a client as it is kept now, whatever was remembered of it; False when it is gone.

        What others change meanwhile stays theirs: a suspension is not undone, nor what was removed brought back.
        """
        while (value := (await self._records.get_each([("client", client_id)]))[0]) is not None:
            found = replace(msgspec.json.decode(value, type=Client), **changes)
            if await self._records.swap("client", client_id, value, msgspec.json.encode(found)):
                return True
        return False

    async def remove(self, client_id: str) -> None:
        """Forget a client and, within a second, its tokens."""
        await self._records.take("client", client_id)

    async def all(self) -> list[Client]:
        """Every client, by id."""
        return await self.list()

    async def list(self) -> list[Client]:
        """Every client as recorded, by id."""
        return [client async for _, client in self._clients.everything()]
