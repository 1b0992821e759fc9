"""The public keys of a client: inline, or fetched from its `jwks_uri` and kept for a short time.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.access.software_statement import ALGORITHMS, SHORTEST_RSA
from fhir_server.smart.clients.registered import Client
from fhir_server.smart.fetch import Refused, fetch

if TYPE_CHECKING:
    from joserfc.jwk import Key

#: Fetched keys are used this long, in seconds, or less where their answer says so; an unknown `kid` has them fetched
#: anew, at most this often.
KEPT, ANEW = 300.0, 5.0


class ClientKeys:
    """Finds the key an assertion says it was signed with."""

    def __init__(self, loopback: bool = False) -> None:
        """`loopback`: whether `jwks_uri` may be on this machine, for development."""
        self._loopback = loopback
        self._fetched: dict[str, _Fetched] = {}

    async def find(self, client: Client, header: Mapping[str, Any]) -> Key | None:
        """The key for a JOSE header; None when there is none that fits its `kid` and `alg`."""
        kid, alg = header.get("kid"), header.get("alg")
        if not isinstance(kid, str) or alg not in ALGORITHMS:
            return None
        # A `jku` is only ever the address that was registered: another one is somebody else's keys.
        if header.get("jku", client.jwks_uri) != client.jwks_uri or "crit" in header:
            return None
        if client.jwks is not None:
            return _fitting(client.jwks.get("keys", []), kid, ALGORITHMS[alg])
        if client.jwks_uri is None:
            return None
        kept = self._fetched.get(client.jwks_uri)
        if kept is not None and time.monotonic() - kept.when < kept.seconds:
            found = _fitting(kept.keys, kid, ALGORITHMS[alg])
            if found is not None or time.monotonic() - kept.when < ANEW:
                return found
        return _fitting(await self._at(client.jwks_uri), kid, ALGORITHMS[alg])

    async def _at(self, url: str) -> list[dict[str, Any]]:
        now, seconds = time.monotonic(), KEPT
        try:
            answer = await fetch(url, self._loopback)
            document = msgspec.json.decode(answer.body, type=dict[str, Any])
            keys = [key for key in document.get("keys", []) if isinstance(key, dict)]
            # SMART: keys are kept no longer than their answer allows.
            seconds = min(KEPT, KEPT if answer.fresh is None else answer.fresh)
        except (Refused, msgspec.DecodeError, TypeError):
            keys, seconds = [], ANEW
        self._fetched[url] = _Fetched(now, seconds, keys)
        return keys


@dataclass(frozen=True, slots=True)
class _Fetched:
    """Keys fetched at `when` (monotonic), of use for `seconds`."""

    when: float
    seconds: float
    keys: list[dict[str, Any]]


def _fitting(keys: Any, kid: str, kty: str) -> Key | None:
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    fit = [key for key in keys if isinstance(key, dict) and key.get("kid") == kid and key.get("kty") == kty]
    if len(fit) != 1 or fit[0].get("use", "sig") != "sig":
        return None
    # Only what is public: a client that published its private key is not verified with it.
    public = {name: fit[0][name] for name in ("kty", "kid", "n", "e", "crv", "x", "y") if name in fit[0]}
    try:
        return import_key(public) if kty != "RSA" or _bits(fit[0]["n"]) >= SHORTEST_RSA else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _bits(modulus: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
