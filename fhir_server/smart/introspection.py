"""What a token allows, told to its own client and to resource servers.

RFC 7662, https://hl7.org/fhir/smart-app-launch/token-introspection.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from fhir_server.smart.requests import Asked, Caller
from fhir_server.smart.tokens import Access, Family, Refresh


@dataclass(frozen=True, slots=True)
class Found:
    """A token that holds: its data, and the authorization behind it."""

    token: Access | Refresh
    family: Family | None

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

    CLIENT_AUTH_METHODS = ("private_key_jwt", "client_secret_basic")

    def check_params(self, request: Asked, client: Caller) -> None:
        """RFC 7662 §2.1: the hint is only a hint."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")
        request.granted["base"] = request.addresses.base

    def check_permission(self, token: Found, client: Caller, request: Asked) -> bool:
        """Its own tokens, or any for a resource server; and only those of this base."""
        own = token.check_client(client) or client.client.introspects
        base = token.token.base if isinstance(token.token, Access) else token.family and token.family.base
        holder = self.server.query_client(token.token.client)
        return own and holder is not None and base == request.addresses.base

    def query_token(self, token_string: str, token_type_hint: str | None) -> Found | None:
        """Found by its digest."""
        found: Found | None = self.server.wait(look_up(self.server.tokens, token_string))
        return found

    def introspect_token(self, token: Found) -> dict[str, Any]:
        """RFC 7662 §2.2 and what SMART adds."""
        family, kept = token.family, token.token
        payload: dict[str, Any] = {"client_id": kept.client, "exp": kept.expires}
        if isinstance(kept, Access):
            payload |= {
                "token_type": "Bearer",
                "scope": " ".join(kept.scope),
                "iat": kept.issued,
                "aud": kept.base,
            }
        if family is not None:
            payload |= {**family.context, **self.server.wait(self.server.identity.claims(family))}
            payload.setdefault("scope", " ".join(family.scope))
            payload |= {"iss": family.base.removesuffix("/fhir")}
            payload |= {"patient": family.patient} if family.patient else {}
        return payload
