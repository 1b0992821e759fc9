"""Software registers itself: a draft of the service that governs clients, that nobody has reviewed.

RFC 7591, RFC 7592; OWASP ASVS 4.3. A draft reaches invented patients alone, one at a time, and invented people alone
may open it (`governing.Drafts`). Once it is reviewed it changes by the service's own workflow and no more here. What a
publisher registers with their own token is theirs; the rest is nobody's, and is forgotten after `lifetimes.DRAFT`.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.audit.access_events import AccessAudit, AccessEvent
from fhir_server.smart import lifetimes
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.clients.governing import Draft, Drafts
from fhir_server.smart.clients.metadata import GRANTS, Metadata, Wrong, read
from fhir_server.smart.clients.registered import METHODS, Client, RecordedClients
from fhir_server.smart.people.attempts import admitted, network
from fhir_server.smart.secret import digest, made
from fhir_server.smart.tokens.storage import Tokens
from fhir_server.store.protocol import Records

#: Registrations from one network address, and changes of one client, within an hour; drafts of nobody in all.
FROM_ADDRESS, OF_CLIENT, HOUR = 30, 60, 3600
DRAFTS = 500
_NAME = "Application sans nom"
#: RFC 7592 §2.2: what a client does not say of itself.
_OURS = frozenset(
    {"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer: its HTTP status, its JSON object, headers besides the usual ones."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registrant:
    """Who asks.

    Attributes:
        addresses: where they asked.
        source: their network address.
        token: they sent as a bearer, "" without one.
    """

    addresses: Addresses
    source: str
    token: str = ""


class Registration:
    """Registers and manages clients of one opened store."""

    def __init__(self, records: Records, drafts: Drafts, tokens: Tokens, audit: AccessAudit, loopback: bool) -> None:
        """`loopback`: whether pages and keys of clients may be on this machine, for development."""
        self._records = records
        self._drafts = drafts
        self._clients = RecordedClients(records)
        self._tokens = tokens
        self._audit = audit
        self._loopback = loopback

    async def register(self, given: Mapping[str, Any], who: Registrant, grant: Grant | None) -> Outcome:
        """A new draft: RFC 7591 §3.

        Args:
            given: the metadata.
            who: asks.
            grant: of the initial access token, when there is one: a publisher's.
        """
        organization = self._drafts.publisher(grant) if grant is not None else ""
        if grant is not None and not organization:
            words = "The token is not a publisher's, for new apps."
            return _refused(403, "insufficient_scope", words, _insufficient(who, self._drafts.scope))
        if not await admitted(self._records, "registering", network(who.source), FROM_ADDRESS, HOUR):
            return _often()
        try:
            metadata = self._read(given)
        except Wrong as wrong:
            return _refused(400, wrong.code, wrong.words)
        if not organization and not await self._room():
            return _often()
        return await self._made(metadata, who, organization)

    async def show(self, id: str, who: Registrant) -> Outcome:
        """What is known of a client: RFC 7592 §2.1."""
        client = await self._own(id, who)
        if client is None:
            return _unknown(who)
        draft = await self._drafts.get(client.device or "")
        return Outcome(200, _told(client, draft, who)) if draft is not None else _unknown(who)

    async def change(self, id: str, given: Mapping[str, Any], who: Registrant) -> Outcome:
        """The metadata replaced as a whole: RFC 7592 §2.2."""
        client = await self._own(id, who)
        # Of the store, and kept only over that version: nothing that is decided on the app meanwhile is undone.
        draft = await self._drafts.get(client.device or "", stored=True) if client is not None else None
        if client is None or draft is None:
            return _unknown(who)
        if draft.reviewed:
            return _reviewed(who)
        if not await admitted(self._records, "registering", f"client {id}", OF_CLIENT, HOUR):
            return _often()
        secret = given.get("client_secret")
        if given.get("client_id") != id or _OURS & given.keys():
            return _refused(400, "invalid_client_metadata", "client_id is the client's own; what we say is left out.")
        if secret is not None and not (isinstance(secret, str) and client.has_secret(secret)):
            return _refused(400, "invalid_client_metadata", "client_secret is the client's own, or is left out.")
        try:
            metadata = self._read(given)
        except Wrong as wrong:
            return _refused(400, wrong.code, wrong.words)
        word = made() if metadata.kind == "confidential-symmetric" and client.secret_hash is None else None
        kept = digest(word) if word else client.secret_hash if metadata.kind == "confidential-symmetric" else None
        changes = {**_of(metadata), "secret_hash": kept}
        described = await self._drafts.change(draft, id, metadata)
        if described is None or not await self._clients.revise(id, **changes):
            return _refused(409, "invalid_request", "The registration was changed meanwhile.")
        await self._record("registration-update", id, who)
        return Outcome(200, _told(replace(client, **changes), described, who, word))

    async def remove(self, id: str, who: Registrant) -> Outcome:
        """The client forgotten, and what it was given ended: RFC 7592 §2.3."""
        client = await self._own(id, who)
        if client is None:
            return _unknown(who)
        draft = await self._drafts.get(client.device or "")
        if draft is not None and draft.reviewed:
            return _reviewed(who)
        await self._forget(client)
        await self._record("registration-removal", id, who)
        return Outcome(204)

    def _read(self, given: Mapping[str, Any]) -> Metadata:
        found = read(given, self._loopback)
        return found if found.name else replace(found, name=_NAME)

    async def _made(self, metadata: Metadata, who: Registrant, organization: str) -> Outcome:
        id, word, token = f"app-{secrets.token_hex(12)}", made(), made()
        symmetric = metadata.kind == "confidential-symmetric"
        if not organization:
            await self._records.put("draft", id, b"")
        draft = await self._drafts.make(id, organization, metadata)
        client = Client(
            id,
            status="draft",
            secret_hash=digest(word) if symmetric else None,
            registration_hash=digest(token),
            device=draft.id,
            registered=int(time.time()),
            **_of(metadata),
        )
        await self._clients.add(client)
        await self._record("registration", id, who)
        return Outcome(201, _told(client, draft, replace(who, token=token), word if symmetric else None))

    async def _own(self, id: str, who: Registrant) -> Client | None:
        """The client whose registration access token it is; the same for one that is not there."""
        found = await self._clients.get(id) if len(id) <= 200 else None
        kept = (found.registration_hash if found is not None else None) or digest(made())
        right = hmac.compare_digest(kept, digest(who.token[:200]))
        return found if right and found is not None and found.device is not None else None

    async def _room(self) -> bool:
        """Whether one more draft of nobody may be kept; old ones make room."""
        kept = await self._records.list("draft", count=DRAFTS)
        if len(kept) < DRAFTS:
            return True
        oldest = time.time() - lifetimes.DRAFT
        freed = 0
        for id, _ in kept:
            client = await self._clients.get(id)
            if client is None or client.registered < oldest:
                await self._forget(client) if client is not None else await self._records.take("draft", id)
                freed += 1
        return freed > 0

    async def _forget(self, client: Client) -> None:
        await self._clients.remove(client.id)
        await self._tokens.end_where(client=client.id)
        await self._records.take("draft", client.id)
        if client.device is not None:
            await self._drafts.remove(client.device)

    async def _record(self, kind: Any, id: str, who: Registrant) -> None:
        await self._audit.record(AccessEvent(kind, client=id, address=who.source), who.addresses.base)


def _of(metadata: Metadata) -> dict[str, Any]:
    """What the client record keeps of the metadata."""
    return {
        "name": metadata.name,
        "kind": metadata.kind,
        "jwks": metadata.jwks,
        "jwks_uri": metadata.jwks_uri,
        "redirect_uris": metadata.redirect_uris,
        "scopes": metadata.scopes,
        "grants": metadata.grants,
        "launch_uri": metadata.launch_uri or None,
        "logo_uri": metadata.logo_uri or None,
    }


def _told(client: Client, draft: Draft, who: Registrant, word: str | None = None) -> dict[str, Any]:
    """RFC 7591 §3.2.1, RFC 7592 §3: what is registered, and a new secret once."""
    said = {
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "client_uri": draft.client_uri,
        "logo_uri": client.logo_uri,
        "policy_uri": draft.policy_uri,
        "initiate_login_uri": client.launch_uri,
    }
    return {
        "client_id": client.id,
        "client_id_issued_at": client.registered,
        **({"client_secret": word, "client_secret_expires_at": 0} if word else {}),
        "registration_access_token": who.token,
        "registration_client_uri": who.addresses.at(f"register/{client.id}"),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": [one for one in GRANTS if one in client.grants],
        "response_types": ["code"] if "authorization_code" in client.grants else [],
        "token_endpoint_auth_method": METHODS[client.kind],
        "scope": " ".join(client.scopes),
        "software_version": draft.software_version,
        **{name: value for name, value in said.items() if value},
    }


def _refused(status: int, error: str, words: str, headers: Mapping[str, str] | None = None) -> Outcome:
    return Outcome(status, {"error": error, "error_description": words}, headers or {})


def _often() -> Outcome:
    return _refused(429, "temporarily_unavailable", "Too many registrations: try later.", {"Retry-After": str(HOUR)})


def _reviewed(who: Registrant) -> Outcome:
    words = "The app was reviewed: it changes by the workflow of whoever reviewed it."
    return _refused(403, "access_denied", words, _insufficient(who))


def _insufficient(who: Registrant, scope: str = "") -> Mapping[str, str]:
    """RFC 6750 §3: the token is one of ours, and not enough; `scope` that would be."""
    said = f'Bearer realm="{who.addresses.issuer}", error="insufficient_scope"'
    return {"WWW-Authenticate": said + (f', scope="{scope}"' if scope else "")}


def _unknown(who: Registrant) -> Outcome:
    """RFC 7592 §2: the same for a client that is not there, and a token that is not its own."""
    said = f'Bearer realm="{who.addresses.issuer}"' + (', error="invalid_token"' if who.token else "")
    return _refused(401, "invalid_token", "The registration access token is not valid.", {"WWW-Authenticate": said})
