"""The token endpoint: a code, a refresh token or a client's own credentials become an access token.

RFC 6749 §4.1.3, §4.4 and §6, RFC 7636, https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token,
https://hl7.org/fhir/smart-app-launch/backend-services.html. Authlib checks in its own order; codes and refresh tokens
are used up by the request they come in, so that of many simultaneous requests one is given something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge

from fhir_server.access import scopes
from fhir_server.audit.access_events import AccessAudit, AccessEvent
from fhir_server.search.asking.query import Place
from fhir_server.smart import lifetimes
from fhir_server.smart.authlib_bridge import Bridge
from fhir_server.smart.authlib_requests import Asked, Caller, Reply
from fhir_server.smart.bearer import scheme
from fhir_server.smart.clients.claimed import claimed
from fhir_server.smart.clients.keys import ClientKeys
from fhir_server.smart.clients.registered import Clients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.people.person import Person
from fhir_server.smart.people.requesting_professional import Acting, said
from fhir_server.smart.people.sessions import Sessions
from fhir_server.smart.tokens.assertion import ClaimRefused, assertion
from fhir_server.smart.tokens.held_scopes import HeldScopes
from fhir_server.smart.tokens.identity import IdentityTokens
from fhir_server.smart.tokens.introspection import Introspection
from fhir_server.smart.tokens.revocation import Revocation
from fhir_server.smart.tokens.signing_keys import signed
from fhir_server.smart.tokens.smart_request import SmartRequest
from fhir_server.smart.tokens.storage import Access, Family, Presented, Refresh, Tokens, Used
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
        self.register_grant(_Code, [Challenge(), SmartRequest()])
        self.register_grant(_Refresh)
        self.register_grant(_ClientCredentials)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the loop gives."""
        return self.bridge.wait(coroutine)

    def query_client(self, client_id: str) -> Caller | None:
        """An active client."""
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
        """Nobody listens."""

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


class Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 for every client: RFC 9700 §2.1.1, SMART App Launch 2.2 `code-challenge-methods`."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse a request without an S256 challenge."""
        form = grant.request.form
        if "code_challenge" not in form or form.get("code_challenge_method") != "S256":
            raise InvalidRequestError("A code_challenge with code_challenge_method S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge(self, authorization_code: Redeemed) -> str:
        """As it was asked with."""
        return authorization_code.code.challenge

    def get_authorization_code_challenge_method(self, authorization_code: Redeemed) -> str:
        """The only one."""
        return "S256"


class Redeemed:
    """A code that is presented, as Authlib asks about it."""

    def __init__(self, presented: Presented) -> None:
        self.presented = presented
        self.code = presented.code
        self.family = presented.family

    def get_redirect_uri(self) -> str:
        """Which must come again."""
        return self.code.redirect_uri

    def get_scope(self) -> str:
        """Everything granted."""
        return " ".join(self.family.scope)


class _Code(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749 §4.1. A code is used up by the request it comes in, whatever that is answered."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt", "client_secret_basic", "none")

    _presented: Presented | None = None

    def validate_token_request(self) -> None:
        if len(self.request.form.get("code", "")) > 200:
            raise InvalidGrantError()
        with self._used_up():
            super().validate_token_request()

    def query_authorization_code(self, code: str, client: Caller) -> Redeemed | None:
        self._presented = self.server.wait(self.server.tokens.presented(code, client.client.id))
        if self._presented is None or self._presented.family.base != self.request.addresses.base:
            return None
        return Redeemed(self._presented)

    def delete_authorization_code(self, authorization_code: Redeemed) -> None:
        """It is used up with the answer."""

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        redeemed: Redeemed = self.request.authorization_code
        family = redeemed.family
        with self._used_up():
            scope = _now(self, family, family.scope)
        seconds = _refreshable(self, family)
        given = self.server.wait(self.server.tokens.redeem(redeemed.presented, family.base, scope, seconds))
        if given is None:
            raise InvalidGrantError()
        return 200, _answer(self, family, scope, redeemed.code.nonce, *given), self.TOKEN_RESPONSE_HEADER

    @contextmanager
    def _used_up(self) -> Iterator[None]:
        """What is refused inside has used its code up."""
        try:
            yield
        except Exception:
            if self._presented is not None:
                self.server.wait(self.server.tokens.use(self._presented))
            raise


class _Refresh(grants.RefreshTokenGrant):  # type: ignore[misc]
    """RFC 6749 §6, with rotation: RFC 9700 §4.14.2."""

    TOKEN_ENDPOINT_AUTH_METHODS = _Code.TOKEN_ENDPOINT_AUTH_METHODS

    def validate_token_request(self) -> None:
        client = self._validate_request_client()
        self.request.client = client
        token = self.request.form.get("refresh_token", "")
        if not 0 < len(token) <= 200:
            raise InvalidGrantError()
        family: Family | None = self.server.wait(self.server.tokens.family_of(token))
        mine = family is not None and family.client == client.client.id
        if family is not None and mine and family.base != self.request.addresses.base:
            raise InvalidGrantError()
        asked = scopes.split(self.request.form.get("scope")) or list(
            family.scope if family is not None and mine else ()
        )
        # Judged before the token is taken: what asks for too much may ask again.
        if family is not None and mine and not set(asked) <= set(scopes.meet(asked, family.scope)):
            raise InvalidScopeError()
        used = self._used(token, client, family)
        if used is None or family is None:
            raise InvalidGrantError()
        self.request.granted = {"family": family, "scope": _now(self, family, tuple(asked)), "again": used.until > 0}

    def authenticate_token_endpoint_client(self) -> Caller:
        """The client; one that says nothing of itself is the public one its refresh token was issued to.

        SMART's request for a refresh has no `client_id`: app-launch.html#refresh-access-token.
        """
        form, headers = self.request.form, self.request.headers
        if "Authorization" in headers or {"client_id", "client_assertion", "client_secret"} & form.keys():
            return cast(Caller, super().authenticate_token_endpoint_client())
        family = self.server.wait(self.server.tokens.family_of(form.get("refresh_token", "")[:200]))
        caller: Caller | None = self.server.query_client(family.client) if family is not None else None
        if caller is None or caller.client.kind != "public":
            raise InvalidClientError()
        return caller

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        family, scope = self.request.granted["family"], self.request.granted["scope"]
        token, again = self.request.form["refresh_token"], self.request.granted["again"]
        seconds, tokens = _refreshable(self, family), self.server.tokens
        issued = (family.client, self.request.addresses.base, scope, family.id)
        if seconds and not again:
            access, refresh = self.server.wait(tokens.issue_both(*issued, seconds, token))
        else:
            # Used a moment before: its successor is kept already.
            refresh = self.server.wait(tokens.successor(token)) if seconds else ""
            access = self.server.wait(tokens.issue(*issued))
        return 200, _answer(self, family, scope, None, access, refresh), self.TOKEN_RESPONSE_HEADER

    def _used(self, token: str, client: Caller, family: Family | None) -> Used | None:
        """The token, used up now or just before, if it was of use: its authorization and its session go on."""
        used: Used | None = self.server.wait(self.server.tokens.take_refresh(token, client.client.id))
        if used is None or family is None or used.token.expires <= time.time():
            return None
        lives = family.session is None or self.server.wait(self.server.sessions.lives(family.session))
        return used if lives else None


class _ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 §4.4 as SMART backend services: a signed assertion and system scopes."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt",)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        client = self.client.client
        base = self.request.addresses.base
        asked = scopes.of_levels(scopes.split(self.request.form.get("scope")), "system")
        allowed = scopes.understood(scopes.meet(asked, client.scopes), self.server.place(base))
        # A governed client that holds nothing now gets no token that gives nothing.
        scope: tuple[str, ...] = self.server.wait(self.server.scopes_held.held(client, allowed, None, None))
        if not scope:
            raise InvalidScopeError()
        person = self._person(base)
        event = AccessEvent(
            "authorization-granted",
            subject=person.subject if person else None,
            client=client.id,
            scopes=scope,
            role=person.role if person else None,
            purpose=person.purpose if person else None,
            reason=person.reason if person else None,
        )
        self.server.wait(self.server.audit.record(event, base))
        token = self.server.wait(self.server.tokens.issue(client.id, base, scope, None, person))
        return 200, _bearer(token, scope), self.TOKEN_RESPONSE_HEADER

    def _person(self, base: str) -> Person | None:
        """The professional the software asks for, as its assertion says."""
        what = said(self.request.granted.get("assertion", {}))
        found = self.server.wait(self.server.acting.find(what, base)) if what is not None else None
        if what is not None and found is None:
            raise InvalidRequestError("The professional is not known here.")
        return found


def _bearer(token: str, scope: tuple[str, ...]) -> dict[str, Any]:
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetimes.ACCESS,
        "scope": " ".join(scope),
    }


def _now(grant: Any, family: Family, scope: tuple[str, ...]) -> tuple[str, ...]:
    """What of `scope` still gives something: the answer says what a withdrawn purpose took away (RFC 6749 §5.1)."""
    server: Server = grant.server
    caller: Caller = grant.request.client
    held = server.wait(server.scopes_held.of_family(caller.client, family, scope))
    if scope and not held:
        raise InvalidGrantError("Nothing of what was granted is left.")
    return held


def _answer(
    grant: Any, family: Family, scope: tuple[str, ...], nonce: str | None, access: str, refresh: str
) -> dict[str, Any]:
    """The token answer of an authorization, with these tokens ("" for none): app-launch.html#response-5."""
    server: Server = grant.server
    answer = {**_bearer(access, scope), **family.context}
    if family.patient and any(one.startswith(("patient/", "launch")) for one in family.scope):
        answer["patient"] = family.patient
    if refresh:
        answer["refresh_token"] = refresh
    if "openid" in scope:
        claims = server.wait(server.identity.about(family, grant.request.addresses, nonce))
        key = server.wait(server.identity.key())
        # A millisecond of arithmetic, which holds up nobody else.
        answer["id_token"] = server.wait(asyncio.to_thread(signed, claims, key))
    return answer


def _refreshable(grant: Any, family: Family) -> int:
    """For how many seconds a refresh token of the authorization is of use; 0 without one."""
    if not grant.client.check_grant_type("refresh_token"):
        return 0
    if "offline_access" in family.scope:
        return lifetimes.OFFLINE
    return lifetimes.ONLINE if "online_access" in family.scope else 0
