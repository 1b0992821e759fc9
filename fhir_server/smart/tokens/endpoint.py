"""The token endpoint: a code, a refresh token or a client's own credentials become an access token.

RFC 6749 §4.1.3, §4.4 and §6, RFC 7636, https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token,
https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidRequestError,
)

from fhir_server.audit.access_events import AccessAudit, AccessEvent
from fhir_server.search.asking.query import Place
from fhir_server.smart.authlib_bridge import Bridge
from fhir_server.smart.authlib_requests import Asked, Caller, Reply
from fhir_server.smart.bearer import scheme
from fhir_server.smart.clients.claimed import claimed
from fhir_server.smart.clients.keys import ClientKeys
from fhir_server.smart.clients.registered import Clients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.people.requesting_professional import Acting
from fhir_server.smart.people.sessions import Sessions
from fhir_server.smart.tokens.assertion import ClaimRefused, assertion
from fhir_server.smart.tokens.held_scopes import HeldScopes
from fhir_server.smart.tokens.identity import IdentityTokens
from fhir_server.smart.tokens.introspection import Introspection
from fhir_server.smart.tokens.revocation import Revocation
from fhir_server.smart.tokens.smart_request import SmartRequest
from fhir_server.smart.tokens.storage import Access, Family, Refresh, Tokens
from fhir_server.smart.tokens.token_grants import Challenge, ClientCredentials, CodeGrant, RefreshGrant
from fhir_server.store.protocol import Records

T = TypeVar("T")

#: RFC 6749 §5.1: what a token answer says to caches.
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's authorization server over our records."""

    def __init__(
        self,
        bridge: Bridge,
        records: Records,
        tokens: Tokens,
        clients: Clients,
        keys: ClientKeys,
        sessions: Sessions,
        identity: IdentityTokens,
        place: Callable[[str], Place],
        scopes_held: HeldScopes,
        audit: AccessAudit,
        acting: Acting,
    ) -> None:
        """`place` says where granular scopes of a FHIR base are judged, `scopes_held` what of them clients hold now.

        `acting` finds the professional that an establishment's software asks for.
        """
        super().__init__()
        self.bridge = bridge
        self.tokens = tokens
        self.sessions = sessions
        self.identity = identity
        self.place = place
        self.scopes_held = scopes_held
        self.audit = audit
        self.acting = acting
        self._clients = clients
        self.register_client_auth_method("private_key_jwt", assertion(bridge, records, keys))
        self.register_grant(CodeGrant, [Challenge(), SmartRequest()])
        self.register_grant(RefreshGrant)
        self.register_grant(ClientCredentials)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the loop gives."""
        return self.bridge.wait(coroutine)

    def query_client(self, client_id: str) -> Caller | None:
        """The client of that id; None for one that is unknown, or is not active."""
        found = self.wait(self._clients.get(client_id)) if len(client_id) <= 200 else None
        return Caller(found) if found is not None and found.status == "active" else None

    def _record_suspended(self, request: Asked) -> None:
        """Keep an AuditEvent of a client that is known, asks, and may not."""
        id = claimed(request.form, request.headers.get("Authorization", ""))
        found = self.wait(self._clients.get(id)) if 0 < len(id) <= 200 else None
        if found is not None and found.status != "active":
            event = AccessEvent("token-refused", client=found.id, failed=True, why=f"The client is {found.status}.")
            self.wait(self.audit.record_seldom(event, request.addresses.base))

    async def held(
        self, client_id: str, scope: tuple[str, ...], account: Account, patient: str | None
    ) -> tuple[str, ...]:
        """As `HeldScopes.held`; () when there is no such client, or it is not active."""
        client = await self._clients.get(client_id)
        if client is None or client.status != "active":
            return ()
        return await self.scopes_held.held(client, scope, account, patient)

    async def held_now(self, token: Access | Refresh, family: Family | None) -> tuple[str, ...] | None:
        """The scopes of a token that give something now; None when it lets nobody in any more.

        As `verify.Verifier` judges an access token; a refresh token's session must go on besides.
        """
        client = await self._clients.get(token.client)
        if client is None or client.status != "active":
            return None
        if family is None:
            scope = token.scope if isinstance(token, Access) else ()
            held = await self.scopes_held.held(client, scope, None, None)
            return held or None
        if isinstance(token, Refresh) and family.session is not None and not await self.sessions.lives(family.session):
            return None
        scope = token.scope if isinstance(token, Access) else family.scope
        return await self.scopes_held.of_family(client, family, scope) or None

    def validate_requested_scope(self, scope: str | None) -> None:
        """Nothing is refused here: what cannot be granted is left out, and the answer says what was."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Authlib's signals: nobody listens to them here."""

    def create_oauth2_request(self, request: Asked) -> Asked:
        """It is one already."""
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Reply:
        """The library's answer as ours."""
        return Reply(status, dict(body) if isinstance(body, dict) else {}, {**dict(headers), **NO_STORE})

    def handle_error_response(self, request: Asked, error: OAuth2Error) -> Reply:
        """The error as RFC 6749 §5.2 has it; who failed to authenticate does not learn whether the client exists."""
        if isinstance(error, ClaimRefused):
            event = AccessEvent("token-refused", client=error.client, failed=True, why=error.description)
            self.wait(self.audit.record_seldom(event, request.addresses.base))
        elif isinstance(error, InvalidClientError):
            self._record_suspended(request)
            error = InvalidClientError("The client did not authenticate.", status_code=401)
        status, body, headers = error(None)
        said = {name: value for name, value in dict(headers).items() if name != "WWW-Authenticate"}
        if status == 401:
            # RFC 6749 §5.2: in the scheme that was tried; RFC 7617 §2: with a realm.
            bearer = scheme(request.headers.get("Authorization", "")) == "bearer"
            realm = f'realm="{request.addresses.issuer}"'
            said["WWW-Authenticate"] = f'Bearer {realm}, error="invalid_token"' if bearer else f"Basic {realm}"
        return Reply(status, dict(body), {**said, **NO_STORE})

    def answer(self, judge: Callable[[], Any], request: Asked) -> Reply:
        """`judge`'s answer; what the library does not expect of a request is a bad one. Only inside `Bridge.run`."""
        try:
            found: Reply = judge()
            return found
        except OAuth2Error as error:
            return self.handle_error_response(request, error)
        except (ValueError, KeyError, TypeError):
            return self.handle_error_response(request, InvalidRequestError("The request is malformed."))
