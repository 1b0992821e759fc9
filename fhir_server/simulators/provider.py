"""A simulated provider: what it decides, without HTTP. Codes and tokens are used once or for a minute.

OpenID Connect Core §3.1, RFC 6749 §4.1, RFC 7636, RFC 9207. A simulator keeps no register of clients: any may ask, if
its answers stay on this machine.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import msgspec

from fhir_server.simulators.keys import ALGORITHMS, Keys
from fhir_server.smart.bearer import bearer, credentials, scheme
from fhir_server.smart.federation.providers import KINDS, SIMULATED, simulated_secret
from fhir_server.store.protocol import Records

#: Seconds a code and an access token hold.
CODE, ACCESS = 60, 60
#: Provider → the level it says people proved themselves with, and whether userinfo is a signed JWT.
SAYS: dict[str, tuple[str, bool]] = {"psc": ("eidas1", False), "franceconnect": ("eidas2", True)}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Wrong(Exception):
    """A request is not as it must be; its first argument is the error code of the protocol."""


@dataclass(frozen=True, slots=True)
class Given:
    """What stands behind a code."""

    provider: str
    client: str
    redirect_uri: str
    nonce: str | None
    challenge: str
    claims: dict[str, Any]


class Provider:
    """One simulated provider: what it offers, whom it signs in, and what it then tells of them."""

    def __init__(self, id: str, issuer: str, records: Records, keys: Keys) -> None:
        """`issuer` is where it was asked."""
        self.id = id
        self.issuer = issuer
        self._records = records
        self._keys = keys

    @property
    def name(self) -> str:
        """What it is called on its pages."""
        return SIMULATED[self.id][1]

    def configuration(self) -> dict[str, Any]:
        """OpenID Connect Discovery §3."""
        scope, _, levels = KINDS[SIMULATED[self.id][0]]
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/end-session",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public" if self.id == "psc" else "pairwise"],
            "id_token_signing_alg_values_supported": [ALGORITHMS[self.id]],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic" if self.id == "psc" else "client_secret_post"
            ],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": scope.split(),
            "acr_values_supported": list(levels),
            "authorization_response_iss_parameter_supported": True,
        }

    async def jwks(self) -> dict[str, Any]:
        """Its public keys, as a JWK Set."""
        return await self._keys.jwks(self.id)

    def check(self, asked: Mapping[str, str]) -> str:
        """Where the answer to an authorization request goes.

        Raises:
            Wrong: there is nowhere safe to send an answer, or the request is not one that the real provider takes.
        """
        uri = asked.get("redirect_uri", "")
        if not self.near(uri):
            raise Wrong("The redirect_uri is not on this machine.")
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            raise Wrong("Only response_type=code with the scope openid is answered.")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            raise Wrong("A code_challenge with S256 is required.")
        if not asked.get("state") or not asked.get("nonce"):
            raise Wrong("A state and a nonce are required.")
        return uri

    def near(self, uri: str) -> bool:
        """Whether an address is of this server, or of this machine."""
        parts = urlsplit(uri)
        own = urlsplit(self.issuer)
        same = (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
        return not parts.fragment and (same or (parts.scheme in ("http", "https") and parts.hostname in LOOPBACK))

    async def granted(self, asked: Mapping[str, str], claims: Mapping[str, Any]) -> str:
        """The answer's address, with a code for the person of `claims`."""
        code = secrets.token_urlsafe(32)
        given = Given(
            self.id,
            asked.get("client_id", ""),
            self.check(asked),
            asked.get("nonce"),
            asked["code_challenge"],
            dict(claims),
        )
        await self._records.put("simulator-code", code, msgspec.json.encode(given), CODE)
        return self.answer(asked, code=code)

    def answer(self, asked: Mapping[str, str], **parameters: str) -> str:
        """The address an answer goes to, with the issuer's name in it."""
        uri = self.check(asked)
        query = urlencode({**parameters, "state": asked.get("state", ""), "iss": self.issuer})
        return f"{uri}{'&' if '?' in uri else '?'}{query}"

    async def token(self, form: Mapping[str, str], header: str) -> dict[str, Any]:
        """The answer of the token endpoint.

        Raises:
            Wrong: with an error code of RFC 6749 §5.2.
        """
        client = self._client(form, header)
        value = await self._records.take("simulator-code", form.get("code", "")[:200])
        given = None if value is None else msgspec.json.decode(value, type=Given)
        if form.get("grant_type") != "authorization_code":
            raise Wrong("unsupported_grant_type")
        if given is None or (given.provider, given.client, given.redirect_uri) != (
            self.id,
            client,
            form.get("redirect_uri"),
        ):
            raise Wrong("invalid_grant")
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() != given.challenge:
            raise Wrong("invalid_grant")
        access = secrets.token_urlsafe(32)
        await self._records.put("simulator-access", access, msgspec.json.encode(given), ACCESS)
        token = await self._keys.sign(self.id, self._id_token(given, access))
        return {"access_token": access, "token_type": "Bearer", "expires_in": ACCESS, "id_token": token}

    async def userinfo(self, header: str) -> dict[str, Any] | str:
        """The claims about the person: an object, or a signed JWT.

        Raises:
            Wrong: the token is none of ours.
        """
        token = bearer(header)
        value = await self._records.get("simulator-access", token[:200]) if token else None
        given = None if value is None else msgspec.json.decode(value, type=Given)
        if given is None or given.provider != self.id:
            raise Wrong("invalid_token")
        if not SAYS[self.id][1]:
            return given.claims
        return await self._keys.sign(self.id, {**given.claims, "iss": self.issuer, "aud": given.client})

    def _id_token(self, given: Given, access: str) -> dict[str, Any]:
        now = int(time.time())
        half = hashlib.sha256(access.encode()).digest()[:16]
        return {
            "iss": self.issuer,
            "sub": given.claims["sub"],
            "aud": given.client,
            "iat": now,
            "exp": now + ACCESS,
            "auth_time": now,
            "nonce": given.nonce,
            "acr": SAYS[self.id][0],
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        }

    def _client(self, form: Mapping[str, str], header: str) -> str:
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if scheme(header) == "basic":
            try:
                pair = credentials(header, "basic") or "-"
                client, _, secret = base64.b64decode(pair, validate=True).decode().partition(":")
            except ValueError:
                raise Wrong("invalid_client") from None
            client, secret = unquote(client), unquote(secret)
        if not client or not hmac.compare_digest(secret.encode(), simulated_secret().encode()):
            raise Wrong("invalid_client")
        return client
