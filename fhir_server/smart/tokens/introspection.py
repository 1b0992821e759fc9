"""What a token allows, told to its own client and to resource servers.

RFC 7662, https://hl7.org/fhir/smart-app-launch/token-introspection.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from fhir_server.smart.authlib_requests import Asked, Caller
from fhir_server.smart.bearer import bearer, scheme
from fhir_server.smart.clients.registered import PROOFS
from fhir_server.smart.tokens.storage import Access, Family, Refresh


@dataclass(frozen=True, slots=True)
class Found:
    """A token that holds.

    Attributes:
        token: its data.
        family: the authorization behind it.
        held: the scopes that give something now, when they were asked for.
        issuer: of the token, when it was asked for.
    """

    token: Access | Refresh
    family: Family | None
    held: tuple[str, ...] = ()
    issuer: str = ""

    def check_client(self, client: Caller) -> bool:
        """Whether it was issued to `client`."""
        return self.token.client == client.client.id

    def is_expired(self) -> bool:
        """Never: an expired token is not found."""
        return False

    def is_revoked(self) -> bool:
        """Never: a revoked token is not found."""
        return False


async def look_up(tokens: Any, token: str) -> Found | None:
    """The token, of either kind, if it still holds."""
    if not 0 < len(token) <= 512:
        return None
    found = await tokens.access(token) or await tokens.refresh(token)
    if found is None:
        return None
    return Found(found, None if found.family is None else await tokens.family(found.family))


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """RFC 7662 for clients that can prove who they are."""

    CLIENT_AUTH_METHODS = tuple(one for one in PROOFS["introspection"] if one != "Bearer")

    def authenticate_endpoint_client(self, request: Asked) -> Caller:
        """The client, by its own proof; a resource server's by an access token of its own too (SMART, see above)."""
        header = request.headers.get("Authorization", "")
        if scheme(header) != "bearer":
            return cast(Caller, super().authenticate_endpoint_client(request))
        found = self.query_token(bearer(header) or "", None)
        access = found.token if found is not None and isinstance(found.token, Access) else None
        caller: Caller | None = self.server.query_client(access.client) if access is not None else None
        if caller is None or not caller.client.introspects or found is None or self._held(found, request) is None:
            raise InvalidClientError()
        request.client = caller
        return caller

    def authenticate_token(self, request: Asked, client: Caller) -> Found | None:
        """The token, of this base and still giving something: the client's own, or any for a resource server."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")
        # RFC 7662 §2.1: the hint is only a hint.
        found = self.query_token(request.form["token"], None)
        if found is None or not (found.check_client(client) or client.client.introspects):
            return None
        held = self._held(found, request)
        return None if held is None else replace(found, held=held, issuer=request.addresses.issuer)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Found | None:
        """Found by its digest."""
        found: Found | None = self.server.wait(look_up(self.server.tokens, token_string))
        return found

    def introspect_token(self, token: Found) -> dict[str, Any]:
        """RFC 7662 §2.2 and what SMART adds."""
        family, kept = token.family, token.token
        payload: dict[str, Any] = {
            "client_id": kept.client,
            "exp": kept.expires,
            "scope": " ".join(token.held),
            "iss": token.issuer,
        }
        if isinstance(kept, Access):
            payload |= {"token_type": "Bearer", "iat": kept.issued, "aud": kept.base}
        if family is not None:
            payload |= {**family.context, **self.server.wait(self.server.identity.claims(family))}
            payload |= {"patient": family.patient} if family.patient else {}
        return payload

    def _held(self, found: Found, request: Asked) -> tuple[str, ...] | None:
        base = found.token.base if isinstance(found.token, Access) else found.family and found.family.base
        if base != request.addresses.base:
            return None
        held: tuple[str, ...] | None = self.server.wait(self.server.held_now(found.token, found.family))
        return held
