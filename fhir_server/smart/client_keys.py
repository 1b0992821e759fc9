"""The public keys of a client: inline, or fetched from its `jwks_uri` and kept for a short time.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.smart.clients import Client
from fhir_server.smart.fetch import Refused, fetch

if TYPE_CHECKING:
    from joserfc.jwk import Key

#: Fetched keys are used this long, in seconds; an unknown `kid` has them fetched anew, at most this often.
KEPT, ANEW = 300.0, 5.0
#: Signature algorithm → key type it needs. SMART asks for both; every other algorithm is refused, `none` and HS* first.
ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}
#: Bits of the shortest RSA key that is used: RFC 7518 §3.3.
SHORTEST_RSA = 2048


class ClientKeys:
    """Finds the key an assertion says it was signed with."""

    def __init__(self, loopback: bool = False) -> None:
        """`loopback`: whether `jwks_uri` may be on this machine, for development."""
        self._loopback = loopback
        self._fetched: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    async def find(self, client: Client, header: Mapping[str, Any]) -> Key | None:
        """The key for a JOSE header; None when there is none that fits its `kid` and `alg`."""
        kid, alg = header.get("kid"), header.get("alg")
        if not isinstance(kid, str) or alg not in ALGORITHMS:
            return None
        if client.jwks is not None:
            return _fitting(client.jwks.get("keys", []), kid, ALGORITHMS[alg])
        if client.jwks_uri is None or header.get("jku", client.jwks_uri) != client.jwks_uri:
            return None
        found = _fitting(await self._at(client.jwks_uri, KEPT), kid, ALGORITHMS[alg])
        return found or _fitting(await self._at(client.jwks_uri, ANEW), kid, ALGORITHMS[alg])

    async def _at(self, url: str, oldest: float) -> list[dict[str, Any]]:
        when, keys = self._fetched.get(url, (0.0, []))
        now = time.monotonic()
        if when and now - when < oldest:
            return keys
        try:
            document = msgspec.json.decode(await fetch(url, self._loopback), type=dict[str, Any])
            keys = [key for key in document.get("keys", []) if isinstance(key, dict)]
        except (Refused, msgspec.DecodeError, TypeError):
            keys = []
        self._fetched[url] = (now, keys)
        return keys


def _fitting(keys: Any, kid: str, kty: str) -> Key | None:
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    fit = [key for key in keys if isinstance(key, dict) and key.get("kid") == kid and key.get("kty") == kty]
    if len(fit) != 1 or fit[0].get("use", "sig") != "sig":
        return None
    # Only what is public: a client that published its private key is not verified with it.
    public = {name: fit[0][name] for name in ("kty", "kid", "n", "e", "crv", "x", "y") if name in fit[0]}
    try:
        return import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
