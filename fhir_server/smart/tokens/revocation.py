"""A client gives a token back.

RFC 7009. A refresh token's end is the end of its authorization; an access token's only its own.
"""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from fhir_server.audit.access_events import AccessEvent
from fhir_server.smart.authlib_requests import Asked, Caller
from fhir_server.smart.clients.registered import PROOFS
from fhir_server.smart.tokens.introspection import Found, look_up
from fhir_server.smart.tokens.storage import Refresh


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009's endpoint: an access token ends alone, a refresh token with its whole family."""

    CLIENT_AUTH_METHODS = PROOFS["revocation"]

    def check_params(self, request: Asked, client: Caller) -> None:
        """RFC 7009 §2.1: an unknown hint is ignored."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")
        request.client = client

    def authenticate_token(self, request: Asked, client: Caller) -> Found | None:
        """The token if it is the client's own; RFC 7009 §2.2: another's answers like an unknown one."""
        self.check_params(request, client)
        found = self.query_token(request.form["token"], None)
        return found if found is not None and found.check_client(client) else None

    def query_token(self, token_string: str, token_type_hint: str | None) -> Found | None:
        """Found by its digest."""
        found: Found | None = self.server.wait(look_up(self.server.tokens, token_string))
        return found

    def revoke_token(self, token: Found, request: Asked) -> None:
        """On every worker within a second."""
        self._record(token, request)
        if isinstance(token.token, Refresh):
            self.server.wait(self.server.tokens.end(token.token.family))
        else:
            self.server.wait(self.server.tokens.revoke_access(request.form["token"]))

    def _record(self, token: Found, request: Asked) -> None:
        family, server = token.family, self.server
        account = server.wait(server.identity.account(family.account)) if family else None
        event = AccessEvent(
            "revocation",
            subject=account.subject if account else None,
            client=token.token.client,
            patient=family.patient if family else None,
            scopes=family.scope if family else (),
        )
        server.wait(server.audit.record(event, request.addresses.base))
