"""Sign in with a login, a password and a second factor; the first password of an account; sign out.

OWASP ASVS 2 and 3.2: a new session has a new cookie, and an error says no more than that something was wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi.responses import Response

from fhir_server.site.authorizing.answer import name_of
from fhir_server.site.visit import Visit, first, see_other
from fhir_server.smart.people.credentials import LONGEST, WeakPassword
from fhir_server.smart.secret import digest, made

if TYPE_CHECKING:
    from fhir_server.smart.authorizing.requests import AuthorizationRequest
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session

#: How long the page of a first password may stay open, in seconds.
ACTIVATION = 600


def _page(
    visit: Visit,
    ask: AuthorizationRequest | None,
    status: int = 200,
    client: str = "",
    error: str = "",
    login: str = "",
) -> Response:
    keep = urlencode({"ask": ask.id} if ask else {"then": visit.after})
    providers = [{"name": name, "href": f"{path}?{keep}"} for name, path in visit.entrance.providers]
    values = {"client": client, "error": error, "login": login, "keep": keep, "providers": providers}
    return visit.page("smart/sign-in", values, ask, status)


async def asked(
    visit: Visit, ask: AuthorizationRequest, _session: Session | None, _account: Account | None
) -> Response:
    """The sign-in page, for an app."""
    return _page(visit, ask, client=await name_of(visit, ask))


async def show(visit: Visit) -> Response:
    """The sign-in page, for somebody who comes without an app."""
    return _page(visit, None)


async def sign_in(visit: Visit) -> Response:
    """Login, password, and a second factor."""
    given = await visit.posted()
    ask = await visit.authorization.requests.peek(visit.request.query_params.get("ask", ""), visit.browser)
    if given is None:
        return visit.foreign()
    login, password, code = (first(given, name, most) for name, most in _FIELDS)
    cookie, sessions = made(), visit.authorization.sessions
    found = await visit.authorization.people.sign_in(
        login, password, code.replace(" ", ""), visit.source, lambda who, how: sessions.kept(cookie, who.id, how)
    )
    if isinstance(found, str):
        await _trace_refusal(visit, ask, found, login)
        return _page(visit, ask, 429 if found == "locked" else 403, error=found, login=login)
    account, strength = found
    if strength == "activate":
        key = made()
        await visit.authorization.records.put("activation", digest(key), account.id.encode(), ACTIVATION)
        return await _activation(visit, account, ask, key)
    role, client = account.acting_as(None), ask.client if ask else None
    await visit.record("sign-in", subject=account.subject, client=client, role=role)
    # A new session has a new cookie, whatever the browser had (session fixation); the old one ends.
    if visit.cookie:
        await visit.authorization.sessions.end(visit.cookie)
    return visit.signed_in(visit.on(ask), cookie)


async def _trace_refusal(visit: Visit, ask: AuthorizationRequest | None, refusal: str, login: str) -> None:
    """A failure names whose account it was; a login that nobody has may be a password, and is not kept at all."""
    account = await visit.authorization.accounts.by_login(login)
    subject, client = account.subject if account else None, ask.client if ask else None
    # What is locked was recorded when it failed; an AuditEvent each would let anyone fill the store.
    if refusal != "locked":
        await visit.record("sign-in", subject=subject, client=client, failed=True, why="Wrong login, password or code.")


#: Field → the most characters of it that are looked at; a longer password is wrong, not cut to a right one.
_FIELDS = (("login", 200), ("password", LONGEST + 1), ("code", 20))


async def _activation(
    visit: Visit, account: Account, ask: AuthorizationRequest | None, key: str, error: str = ""
) -> Response:
    apps = await visit.authorization.tokens.lasting(account.id)
    values = {"key": key, "error": error, "apps": apps}
    return visit.page("smart/activate", values, ask, 400 if error else 200)


async def activate(visit: Visit) -> Response:
    """The first password of an account."""
    given, ask = await visit.posted(), await visit.ask()
    if given is None:
        return visit.foreign()
    records, key, people = visit.authorization.records, first(given, "key"), visit.authorization.people
    if not await people.may_try(visit.source):
        return _page(visit, ask, 429, error="locked")
    id = await records.get("activation", digest(key))
    account = await visit.authorization.accounts.get(id.decode()) if id else None
    if account is None or account.provisional is None:
        return visit.foreign()
    await people.did_right(visit.source)
    try:
        await people.set_password(account, first(given, "password", LONGEST + 1))
    except WeakPassword:
        return await _activation(visit, account, ask, key, "weak")
    await records.take("activation", digest(key))
    # A code that is given out again means that the password was lost, or known to somebody.
    await visit.authorization.end_access(account.id, first(given, "apps") == "end")
    return _page(visit, ask, error="activated", login=account.login)


async def sign_out(visit: Visit) -> Response:
    """End the session, also with the provider who began it, and forget its cookie."""
    if await visit.posted() is None:
        return visit.foreign()
    federation, leaving = visit.authorization.federation, None
    if visit.cookie:
        _, account = await visit.session()
        if account is not None:
            await visit.record("sign-out", subject=account.subject)
        await visit.authorization.sessions.end(visit.cookie)
        leaving = await federation.leaving(visit.cookie, visit.addresses) if federation else None
    if leaving is not None:
        provider, location = leaving
        return visit.signed_out(visit.page("smart/signed-out", {"provider": provider, "leaving": location}))
    return visit.signed_out(see_other("/"))
