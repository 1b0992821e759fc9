"""A provider's own configuration and keys: fetched when first needed, kept for a while, fetched anew for a new key.

OpenID Connect Discovery §4, RFC 8414 §3.3: the issuer in the document must be the one it was asked from.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.smart.fetch import Refused, fetch, send

if TYPE_CHECKING:
    import httpx

#: Seconds a configuration and keys are kept; and how soon keys may be fetched again for one that is not among them.
KEPT, ANEW = 600.0, 5.0


@dataclass(frozen=True, slots=True)
class Metadata:
    """What of a provider's configuration is used.

    Attributes:
        issuer: as it names itself.
        authorization_endpoint, token_endpoint, userinfo_endpoint, jwks_uri: absolute URLs.
        end_session_endpoint: where it signs people out; "" when it says none.
        names_itself: whether its answers carry `iss` (RFC 9207).
        by_basic: whether the token endpoint takes the secret in a header; else in the form.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    end_session_endpoint: str
    names_itself: bool
    by_basic: bool


class Discovery:
    """Reads and keeps configurations and keys by issuer."""

    def __init__(self, loopback: bool, within: httpx.AsyncBaseTransport | None = None) -> None:
        """`loopback`: whether a provider may be on this machine; `within`: how simulators are asked."""
        self.loopback = loopback
        self.within = within
        self._metadata: dict[str, tuple[float, Metadata]] = {}
        self._keys: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    async def metadata(self, issuer: str, simulated: bool) -> Metadata:
        """The configuration of the provider with that issuer.

        Raises:
            Refused: it cannot be fetched, or is not that issuer's.
        """
        when, found = self._metadata.get(issuer, (0.0, None))
        if found is not None and time.monotonic() - when < KEPT:
            return found
        made = _metadata(await self._document(f"{issuer}/.well-known/openid-configuration", simulated), issuer)
        self._metadata[issuer] = (time.monotonic(), made)
        return made

    async def keys(self, metadata: Metadata, simulated: bool, kid: str | None) -> list[dict[str, Any]]:
        """The provider's public keys, as JWKs; fetched anew when none of those kept is called `kid`.

        Raises:
            Refused: they cannot be fetched.
        """
        when, keys = self._keys.get(metadata.jwks_uri, (0.0, []))
        age = time.monotonic() - when
        known = any(key.get("kid") == kid for key in keys) or kid is None
        if when and (age < KEPT if known else age < ANEW):
            return keys
        document = await self._document(metadata.jwks_uri, simulated)
        keys = [key for key in document.get("keys") or () if isinstance(key, dict)]
        self._keys[metadata.jwks_uri] = (time.monotonic(), keys)
        return keys

    async def _document(self, url: str, simulated: bool) -> dict[str, Any]:
        if simulated:
            answer = await send(url, within=self.within)
            body = answer.body if answer.status == 200 else b""
        else:
            body = (await fetch(url, self.loopback)).body
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise Refused("It is not a JSON object.") from None


def _metadata(document: dict[str, Any], issuer: str) -> Metadata:
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    if str(document.get("issuer", "")).rstrip("/") != issuer:
        raise Refused("The configuration is another issuer's.")
    if not all(isinstance(document.get(name), str) and document[name] for name in names):
        raise Refused("The configuration is not whole.")
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Metadata(
        issuer=str(document["issuer"]),
        **{name: str(document[name]) for name in names},
        end_session_endpoint=str(document.get("end_session_endpoint") or ""),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        by_basic="client_secret_basic" in methods,
    )
