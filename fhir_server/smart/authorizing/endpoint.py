"""The authorization endpoint: is the request right, what is to be asked of the person, and the answer to the app.

RFC 6749 §4.1, RFC 9207, RFC 9700, https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError

from fhir_server.access import scopes
from fhir_server.access.grant import Purpose
from fhir_server.smart import lifetimes
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.authlib_requests import Asked
from fhir_server.smart.authorizing.requests import AuthorizationRequest, AuthorizationRequests, Launch
from fhir_server.smart.brand import style_url
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.people.sessions import Session
from fhir_server.smart.secret import digest, made
from fhir_server.smart.tokens.endpoint import Server
from fhir_server.smart.tokens.storage import Decided, Family
from fhir_server.store.protocol import Keep, Records
from fhir_server.store.registry import Registry

Step = Literal["sign-in", "role", "patient", "encounter", "purpose", "consent", "done"]
#: Purposes of use an app may ask for by name (`purpose_of_use`); why is asked on a page, never taken from a URL.
ASKED: dict[str, Purpose] = {"TREAT": "TREAT", "ETREAT": "ETREAT", "BTG": "BTG"}


@dataclass(frozen=True, slots=True)
class Redirect:
    """The browser goes back to the app."""

    location: str


@dataclass(frozen=True, slots=True)
class Unsafe:
    """The request cannot be answered to the app, whose address it may not even be: the person is told."""

    reason: str


def back(redirect_uri: str, addresses: Addresses, state: str, **parameters: str) -> Redirect:
    """The answer to the app: `parameters`, `state`, and `iss` so that a mixed-up answer is noticed (RFC 9207)."""
    parts = urlsplit(redirect_uri)
    given = {**parameters, **({"state": state} if state else {}), "iss": addresses.issuer}
    query = "&".join(part for part in (parts.query, urlencode(given)) if part)
    return Redirect(urlunsplit(parts._replace(query=query)))


def read(
    server: Server,
    requests: AuthorizationRequests,
    pairs: Sequence[tuple[str, str]],
    addresses: Addresses,
    browser: str,
) -> AuthorizationRequest | Redirect | Unsafe:
    """The request that `pairs` make, begun; or the answer to a wrong one. Only inside `Bridge.run`."""
    try:
        request = Asked("GET", pairs, {}, addresses)
    except InvalidRequestError:
        return Unsafe("A parameter was sent twice.")
    try:
        server.get_consent_grant(request)
        ask = _ask(server, requests, request, browser)
    except OAuth2Error as error:
        if error.redirect_uri is None:
            return Unsafe("The application or its return address is not known here.")
        words = {"error_description": error.description} if error.description else {}
        return back(error.redirect_uri, addresses, request.form.get("state", ""), error=str(error.error), **words)
    except (ValueError, TypeError):
        return Unsafe("The request is malformed.")
    begun: AuthorizationRequest | None = server.wait(requests.begin(ask))
    if begun is None:
        too_long = {"error": "invalid_request", "error_description": "The request is too long."}
        return back(ask.redirect_uri, addresses, ask.state, **too_long)
    return begun


def _ask(server: Server, requests: AuthorizationRequests, request: Asked, browser: str) -> AuthorizationRequest:
    form, base = request.form, request.addresses.base
    uri = form["redirect_uri"]
    granted = scopes.understood(scopes.split(request.scope), server.place(base))
    kept = [one for one in granted if one in scopes.SPECIAL or scopes.of_levels([one], "patient", "user")]
    if not kept:
        raise InvalidScopeError(redirect_uri=uri)
    launch = _launched(server, requests, request, kept)
    context = launch.context if launch else {}
    if launch is not None and "encounter" not in context and "launch/encounter" in kept:
        kept.remove("launch/encounter")
    return AuthorizationRequest(
        id=made(),
        browser=digest(browser),
        client=form["client_id"],
        redirect_uri=uri,
        state=form["state"],
        challenge=form["code_challenge"],
        base=base,
        scope=tuple(kept),
        nonce=form.get("nonce"),
        prompt=form.get("prompt", ""),
        max_age=int(form["max_age"]) if form.get("max_age", "").isdigit() else None,
        created=time.time(),
        patient=launch.patient if launch else None,
        account=launch.account if launch else None,
        context=context,
        purpose=(launch.purpose if launch else None) or ASKED.get(form.get("purpose_of_use", "")),
        reason=launch.reason if launch else None,
    )


def _launched(server: Server, requests: AuthorizationRequests, request: Asked, granted: list[str]) -> Launch | None:
    """The launch context that the request brings; taken, so that it cannot come again."""
    given, uri = request.form.get("launch"), request.form["redirect_uri"]
    if given is None:
        if "launch" in granted:
            raise InvalidRequestError("The scope launch needs a launch parameter.", redirect_uri=uri)
        return None
    found = server.wait(requests.take_launch(given))
    if found is None or found.client != request.form["client_id"] or "launch" not in granted:
        raise InvalidRequestError("The launch is not known, or was used.", redirect_uri=uri)
    return found


def step(ask: AuthorizationRequest, session: Session | None, account: Account | None, approved: bool) -> Step:
    """What is to be done next."""
    if session is None or account is None or not account.open or _too_old(ask, session):
        return "sign-in"
    if len(account.roles) > 1 and session.role is None:
        return "role"
    if ask.needs_patient and ask.patient is None:
        return "patient"
    if ask.needs_encounter:
        return "encounter"
    if account.professional and ask.purpose is not None and not purposeful(ask.purpose, ask.reason, session):
        return "purpose"
    return "done" if approved and "consent" not in ask.prompt.split() else "consent"


def purposeful(purpose: Purpose, reason: str | None, session: Session) -> bool:
    """Whether a professional may act for `purpose`: breaking the glass needs a reason, regulation its centre's session.

    CSP R1111-43 and PGSSI-S: what is opened in an emergency is explained, and the record's holder is told.
    """
    if purpose == "BTG":
        return bool(reason)
    return purpose != "ETREAT" or session.regulation


def _too_old(ask: AuthorizationRequest, session: Session) -> bool:
    if "login" in ask.prompt.split() and session.began < ask.created:
        return True
    return ask.max_age is not None and session.began < ask.created - ask.max_age


def allowed(ask: AuthorizationRequest, account: Account) -> bool:
    """Whether the account may go on with the request: its own launch, and a patient it may act for."""
    if ask.account is not None and ask.account != account.id:
        return False
    return ask.patient is None or account.professional or ask.patient in account.patients


class Approvals:
    """What a person allowed an app, on a patient's data, so that opening it again asks nothing new."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._allowed = Registry(
            records, "approval", list[str], {"client-patient": lambda key, _: _of_patient(key)}, lifetimes.APPROVAL
        )

    async def covers(self, ask: AuthorizationRequest, account: Account) -> bool:
        """Whether everything asked was allowed before."""
        allowed = await self._allowed.get(_key(ask, account.id))
        return allowed is not None and set(ask.scope) <= set(allowed)

    async def keep(self, ask: AuthorizationRequest, account: Account, scope: Sequence[str]) -> None:
        """Remember a decision; it replaces the one before."""
        await self._records.apply(self.kept(ask, account, scope))

    def kept(self, ask: AuthorizationRequest, account: Account, scope: Sequence[str]) -> list[Keep]:
        """The changes that remember a decision, for who makes others with them."""
        return self._allowed.kept(_key(ask, account.id), list(scope), lifetimes.APPROVAL)

    async def withdraw(self, client: str, account: str) -> None:
        """Forget everything an account allowed an app."""
        for key, _ in await self._records.list("approval", f"{account}\n{client}\n"):
            await self._allowed.drop(key)

    async def forget(self, client: str, patient: str) -> None:
        """Forget everything anybody allowed an app on a patient."""
        async for key, _ in self._allowed.of("client-patient", f"{client}/{patient}"):
            await self._allowed.drop(key)


def _of_patient(key: str) -> str | None:
    _, client, patient = key.split("\n")
    return f"{client}/{patient}" if patient else None


def _key(ask: AuthorizationRequest, account: str) -> str:
    return f"{account}\n{ask.client}\n{ask.patient or ''}"


async def granted(
    server: Server,
    ask: AuthorizationRequest,
    account: Account,
    session: Session,
    cookie: str,
    scope: Sequence[str],
    by: Decided,
) -> Redirect | None:
    """The code, on its way to the app: what the person accepted of what was asked; None when it was decided already.

    Of a governed client no more than its service leaves it (`Governing.held`); where that is nothing, the answer is
    `access_denied`. `by` ends the request, with what is kept of the decision.
    """
    patient = ask.patient if ask.needs_patient or ask.account else None
    accepted = tuple(one for one in ask.scope if one in scope)
    held = await server.held(ask.client, accepted, account, patient)
    nothing = not scopes.of_levels(held, "patient", "user") and scopes.of_levels(ask.scope, "patient", "user")
    if nothing or not held:
        denied = refused(ask, "access_denied", "Nothing of what was asked was granted.")
        return denied if await by(()) else None
    family = Family(
        id=made(),
        client=ask.client,
        account=account.id,
        base=ask.base,
        scope=held,
        patient=patient,
        role=session.role or (account.roles[0] if len(account.roles) == 1 else None),
        purpose=(ask.purpose or session.purpose) if account.professional else None,
        reason=(ask.reason or session.reason) if account.professional else None,
        session=None if "offline_access" in held else digest(cookie),
        auth_time=int(session.began),
        context=_context(ask),
    )
    code = await server.tokens.begin(family, ask.redirect_uri, ask.challenge, ask.nonce, by)
    if code is None:
        return None
    return back(ask.redirect_uri, Addresses(ask.base), ask.state, code=code)


def _context(ask: AuthorizationRequest) -> dict[str, Any]:
    """Further parameters of the token answer; in an EHR launch, how its pages look too."""
    banner = {"need_patient_banner": ask.account is None} if ask.patient else {}
    style = {"smart_style_url": style_url(Addresses(ask.base))} if ask.account is not None else {}
    return {**banner, **style, **ask.context}


def refused(ask: AuthorizationRequest, error: str, description: str) -> Redirect:
    """An error on its way to the app."""
    return back(ask.redirect_uri, Addresses(ask.base), ask.state, error=error, error_description=description)
