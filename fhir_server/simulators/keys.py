"""The keys of the simulators: made at first need, kept in the records so that every worker signs with the same.

RFC 7517, RFC 7518 §3.1. One signs with RSA and the other on a curve, as the real ones may.
"""

from __future__ import annotations

from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server.store.protocol import Records

#: Provider → algorithm.
ALGORITHMS = {"psc": "RS256", "franceconnect": "ES256"}


class Keys:
    """One signing key for each provider."""

    def __init__(self, records: Records) -> None:
        """Keys are kept in `records`, and made when first asked for."""
        self._records = records
        self._known: dict[str, RSAKey | ECKey] = {}

    async def jwks(self, provider: str) -> dict[str, Any]:
        """The public key, as a JWK Set."""
        key = await self._key(provider)
        own = {"kid": key.thumbprint(), "use": "sig", "alg": ALGORITHMS[provider]}
        return {"keys": [{**key.as_dict(private=False), **own}]}

    async def sign(self, provider: str, claims: dict[str, Any]) -> str:
        """`claims` as a signed JWT."""
        key, alg = await self._key(provider), ALGORITHMS[provider]
        return jwt.encode({"alg": alg, "kid": key.thumbprint()}, claims, key, algorithms=[alg])

    async def _key(self, provider: str) -> RSAKey | ECKey:
        if provider not in self._known:
            made: RSAKey | ECKey = RSAKey.generate_key(2048) if provider == "psc" else ECKey.generate_key("P-256")
            await self._records.add("simulator", provider, msgspec.json.encode(made.as_dict(private=True)))
            jwk = msgspec.json.decode(await self._records.get("simulator", provider) or b"{}")
            self._known[provider] = (RSAKey if provider == "psc" else ECKey).import_key(jwk)
        return self._known[provider]
