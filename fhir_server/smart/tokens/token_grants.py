"""What an access token is given for: a code, a refresh token, a client's own credentials.

RFC 6749 §4.1.3, §4.4 and §6, RFC 7636, https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token,
https://hl7.org/fhir/smart-app-launch/backend-services.html. Authlib checks in its own order; codes and refresh tokens
are used up by the request they come in, so that of many simultaneous requests one is given something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge

from fhir_server.access import scopes
from fhir_server.audit.access_events import AccessEvent
from fhir_server.smart import lifetimes
from fhir_server.smart.authlib_requests import Caller
from fhir_server.smart.people.person import Person
from fhir_server.smart.people.requesting_professional import said
from fhir_server.smart.tokens.signing_keys import signed
from fhir_server.smart.tokens.storage import Family, Presented, Used


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
        """S256, the only method that is taken (SMART App Launch 2.2, PKCE)."""
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
        """Everything that was granted with the code, whatever is asked for now."""
        return " ".join(self.family.scope)


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749 §4.1. A code is used up by the request it comes in, whatever that is answered."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt", "client_secret_basic", "none")

    _presented: Presented | None = None

    def validate_token_request(self) -> None:
        """Whose code it is, that it comes back where it was asked from, and PKCE."""
        if len(self.request.form.get("code", "")) > 200:
            raise InvalidGrantError()
        with self._used_up():
            super().validate_token_request()

    def query_authorization_code(self, code: str, client: Caller) -> Redeemed | None:
        """The code, if it is this client's and of this base."""
        self._presented = self.server.wait(self.server.tokens.presented(code, client.client.id))
        if self._presented is None or self._presented.family.base != self.request.addresses.base:
            return None
        return Redeemed(self._presented)

    def delete_authorization_code(self, authorization_code: Redeemed) -> None:
        """It is used up with the answer."""

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """The tokens, in one commit with the use of the code."""
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


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """RFC 6749 §6, with rotation: RFC 9700 §4.14.2."""

    TOKEN_ENDPOINT_AUTH_METHODS = CodeGrant.TOKEN_ENDPOINT_AUTH_METHODS

    def validate_token_request(self) -> None:
        """Whose token it is, and that no more is asked than was granted."""
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
        """An access token and the next refresh token."""
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


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 §4.4 as SMART backend services: a signed assertion and system scopes."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt",)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """An access token for as long as the software asks again."""
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
    server = grant.server
    caller: Caller = grant.request.client
    held: tuple[str, ...] = server.wait(server.scopes_held.of_family(caller.client, family, scope))
    if scope and not held:
        raise InvalidGrantError("Nothing of what was granted is left.")
    return held


def _answer(
    grant: Any, family: Family, scope: tuple[str, ...], nonce: str | None, access: str, refresh: str
) -> dict[str, Any]:
    """The token answer of an authorization, with these tokens ("" for none): app-launch.html#response-5."""
    server = grant.server
    answer = {**_bearer(access, scope), **family.context}
    if family.until:
        answer["expires_in"] = max(0, min(lifetimes.ACCESS, family.until - int(time.time())))
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
