"""A client proves who it is with a JWT it signed: `private_key_jwt`.

RFC 7523, https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key

from fhir_server.smart import lifetimes
from fhir_server.smart.bridge import Bridge
from fhir_server.smart.clients.keys import ALGORITHMS, ClientKeys
from fhir_server.smart.requests import Asked
from fhir_server.smart.secret import digest
from fhir_server.store.protocol import Records

#: An assertion is a few hundred characters; a jti one or two dozen.
LONGEST, LONGEST_JTI = 8_000, 512


Authenticate = Callable[[Any, Asked], Any]


def assertion(bridge: Bridge, records: Records, keys: ClientKeys) -> Authenticate:
    """The way of authenticating, as Authlib registers it: gives the client, or None without an assertion."""

    def authenticate(query_client: Any, request: Asked) -> Any:
        if len(request.form.get("client_assertion", "")) > LONGEST:
            raise InvalidClientError()
        return _Assertion(bridge, records, keys, request)(query_client, request)

    return authenticate


class _Assertion(JWTBearerClientAssertion):  # type: ignore[misc]
    """The assertion of one request; made for each, since it holds what the header said."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, bridge: Bridge, records: Records, keys: ClientKeys, request: Asked) -> None:
        super().__init__(leeway=lifetimes.LEEWAY)
        self._bridge = bridge
        self._records = records
        self._keys = keys
        self._audience = request.addresses.at("token")
        self._client_id = request.form.get("client_id")
        self._granted = request.granted
        self._header: dict[str, Any] = {}

    def extract_assertion(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        header, claims = super().extract_assertion(assertion)
        self._header = header
        if self._client_id not in (None, claims.get("sub")):
            raise InvalidClientError()
        return header, claims

    def resolve_client_public_key(self, client: Any) -> Key:
        key = self._bridge.wait(self._keys.find(client.client, self._header))
        if key is None:
            raise InvalidClientError()
        return key

    def process_assertion_claims(self, assertion: str, resolve_key: Key) -> dict[str, Any]:
        try:
            # The list of algorithms is ours: what the header says only chooses within it (algorithm confusion).
            token = jwt.decode(assertion, resolve_key, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            raise InvalidClientError() from None
        self.verify_claims(token.claims)
        self._granted["assertion"] = dict(token.claims)
        return dict(token.claims)

    def get_audiences(self) -> list[str]:
        return [self._audience]

    def verify_claims(self, claims: Any) -> None:
        now = time.time()
        times = [claims.get(name, now) for name in ("exp", "iat", "nbf")]
        if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
            raise InvalidClientError()
        exp, iat, nbf = times
        late = exp > now + lifetimes.ASSERTION + lifetimes.LEEWAY
        if "exp" not in claims or late or max(iat, nbf) > now + lifetimes.LEEWAY:
            raise InvalidClientError()
        super().verify_claims(claims)

    def validate_jti(self, claims: Any, jti: Any) -> bool:
        if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
            return False
        left = claims["exp"] - time.time() + 2 * lifetimes.LEEWAY
        return self._bridge.wait(self._records.add("jti", digest(f"{claims['sub']}\n{jti}"), b"", left))
