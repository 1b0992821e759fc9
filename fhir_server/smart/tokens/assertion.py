"""A client proves who it is with a JWT it signed: `private_key_jwt`.

RFC 7523, https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#authenticating-to-the-token-endpoint
Until the signature holds, a refusal says nothing; from then on it is the client who asks, and is told which claim of
its own was not right.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key

from fhir_server.access.software_statement import ALGORITHMS
from fhir_server.smart import lifetimes
from fhir_server.smart.authlib_bridge import Bridge
from fhir_server.smart.authlib_requests import Asked
from fhir_server.smart.clients.keys import ClientKeys
from fhir_server.smart.secret import digest
from fhir_server.store.protocol import Records

#: An assertion is a few hundred characters; a jti one or two dozen.
LONGEST, LONGEST_JTI = 8_000, 512


_log = logging.getLogger(__name__)

Authenticate = Callable[[Any, Asked], Any]


class ClaimRefused(InvalidClientError):  # type: ignore[misc]
    """The signature holds, and a claim does not; the description says which, and never repeats its value."""

    def __init__(self, client: str, words: str) -> None:
        """`client`: whose assertion it is."""
        super().__init__(description=words, status_code=401)
        self.client = client


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
        client = str(claims["sub"])
        wrong = _wrong(claims, client, self._audience, time.time())
        # Kept last, so that what is refused for another reason may be put right and sent again.
        if not wrong and not self._first(client, claims):
            wrong = "The jti of the assertion was used before."
        if wrong:
            _log.warning("The assertion of the client %s is signed, and refused: %s", client, wrong)
            raise ClaimRefused(client, wrong)

    def _first(self, client: str, claims: Mapping[str, Any]) -> bool:
        left = claims["exp"] - time.time() + 2 * lifetimes.LEEWAY
        return self._bridge.wait(self._records.add("jti", digest(f"{client}\n{claims['jti']}"), b"", left))


def _wrong(claims: Mapping[str, Any], client: str, audience: str, now: float) -> str:
    """Which claim is not right, in words; "" when all are."""
    exp, iat, nbf = (claims.get(name, now) for name in ("exp", "iat", "nbf"))
    aud, jti = claims.get("aud"), claims.get("jti")
    times = [name for name, one in (("exp", exp), ("iat", iat), ("nbf", nbf)) if not _is_instant(one)]
    if times:
        return f"The {times[0]} of the assertion is not a number of seconds since 1970."
    rows = (
        ("exp" in claims, "The exp of the assertion is missing."),
        (exp > now - lifetimes.LEEWAY, "The exp of the assertion has passed."),
        (
            exp <= now + lifetimes.ASSERTION + lifetimes.LEEWAY,
            f"The exp of the assertion is more than {lifetimes.ASSERTION} seconds away.",
        ),
        (iat <= now + lifetimes.LEEWAY, "The iat of the assertion is in the future."),
        (nbf <= now + lifetimes.LEEWAY, "The nbf of the assertion is in the future."),
        (claims.get("iss") == client, "The iss of the assertion is not its sub, the client id."),
        # An assertion for several audiences can be played to each by any other (RFC 7523bis §4, RFC 9700 §4.9).
        (aud in (audience, [audience]), "The aud of the assertion is not this token endpoint's URL, and that alone."),
        (isinstance(jti, str) and 0 < len(jti) <= LONGEST_JTI, f"The jti is not a text of 1 to {LONGEST_JTI}."),
    )
    return next((words for holds, words in rows if not holds), "")


def _is_instant(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
