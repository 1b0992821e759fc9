"""The page of one's own account: who one is, password, second factor, sessions, and where to go from here.

OWASP ASVS 2.1.5 and 2.1.6 (password changes), 2.8 (TOTP, RFC 6238), 3.3.3 and 3.3.4 (sessions seen and ended).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

from fhir_server.site.signed_in import greet
from fhir_server.site.visit import OWN_SPACE, Form, Route, Visit, first, see_other
from fhir_server.smart.people.credentials import LONGEST, WeakPassword

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session, Strength

#: How long a second factor may wait for its first code, in seconds.
DRAFT = 600
#: What was just done → shown after the redirection; anything else in the address is ignored.
DONE = ("password", "enrolled", "removed", "elsewhere")
#: The name an authenticator app shows beside the login.
ISSUER = "Espace santé"

#: Paths of the site's own pages that somebody may be taken to after signing in.
PAGES = (OWN_SPACE, "/auth/me", "/auth/me/second-factor")


async def show(visit: Visit) -> Response:
    """Who is signed in, and what they may change."""
    session, account = await visit.session()
    if session is None or account is None or not account.open:
        return visit.to_sign_in()
    done = visit.request.query_params.get("done", "")
    return await _page(visit, session, account, done=done if done in DONE else "")


async def change_password(visit: Visit) -> Response:
    """A new password; every session ends but this browser's, which gets a new one, and apps' access if one says so."""
    given, session, account = await _sent(visit)
    if given is None or session is None or account is None:
        return visit.foreign()
    strength, error = await _proven(visit, account, given)
    if strength is None:
        return await _page(visit, session, account, 403, error=error, form="password")
    try:
        await visit.authorization.people.set_password(account, first(given, "new", LONGEST + 1))
    except WeakPassword:
        return await _page(visit, session, account, 400, error="weak", form="password")
    await _end(visit, account, given)
    cookie = await visit.authorization.sessions.begin(account.id, strength, session.role)
    return visit.signed_in(_done("password"), cookie)


async def start_second_factor(visit: Visit) -> Response:
    """A new secret for an authenticator app, kept aside until its first code is given."""
    given, session, account = await _sent(visit)
    if given is None or session is None or account is None or account.totp is not None:
        return visit.foreign()
    strength, error = await _proven(visit, account, given)
    if strength is None:
        return await _page(visit, session, account, 403, error=error, form="second-factor")
    import pyotp

    await visit.authorization.records.put("totp-draft", account.id, pyotp.random_base32().encode(), DRAFT)
    return see_other("/auth/me/second-factor")


async def show_second_factor(visit: Visit) -> Response:
    """The secret to copy, and where its first code is typed."""
    _, account = await visit.session()
    if account is None:
        return visit.to_sign_in()
    return await _enrolment(visit, account)


async def confirm_second_factor(visit: Visit) -> Response:
    """The first code: from now on one is asked at each sign-in."""
    given, _, account = await _sent(visit)
    if given is None or account is None:
        return visit.foreign()
    authorization = visit.authorization
    kept = await authorization.records.get("totp-draft", account.id)
    if kept is None or account.totp is not None:
        return see_other("/auth/me")
    code = first(given, "code", 20).replace(" ", "")
    if not await authorization.people.second_factor(account.id, kept.decode(), code):
        return await _enrolment(visit, account, "code", 403)
    await authorization.accounts.revise(account, replace(account, totp=kept.decode()))
    await authorization.records.take("totp-draft", account.id)
    return _done("enrolled")


async def remove_second_factor(visit: Visit) -> Response:
    """No second factor any more; both factors are asked once again for that."""
    given, session, account = await _sent(visit)
    if given is None or session is None or account is None or account.totp is None:
        return visit.foreign()
    strength, error = await _proven(visit, account, given)
    if strength is None:
        return await _page(visit, session, account, 403, error=error, form="second-factor")
    await visit.authorization.accounts.revise(account, replace(account, totp=None))
    return _done("removed")


async def sign_out_everywhere(visit: Visit) -> Response:
    """Every session ends, this one included, and what hangs on them; apps' lasting access if one says so."""
    given, _, account = await _sent(visit)
    if given is None or account is None:
        return visit.foreign()
    await _end(visit, account, given)
    return visit.signed_out(see_other("/auth/sign-in"))


ROUTES: tuple[Route, ...] = (
    ("GET", "/auth/me", show),
    ("POST", "/auth/me/password", change_password),
    ("POST", "/auth/me/second-factor/start", start_second_factor),
    ("GET", "/auth/me/second-factor", show_second_factor),
    ("POST", "/auth/me/second-factor", confirm_second_factor),
    ("POST", "/auth/me/second-factor/remove", remove_second_factor),
    ("POST", "/auth/me/sign-out-everywhere", sign_out_everywhere),
)


async def _end(visit: Visit, account: Account, given: Form) -> None:
    apps = first(given, "apps") == "end"
    await visit.record("sign-out", subject=account.subject, why="Everywhere, and apps too." if apps else "Everywhere.")
    await visit.authorization.end_access(account.id, apps)


async def _sent(visit: Visit) -> tuple[Form | None, Session | None, Account | None]:
    return (await visit.posted(), *await visit.session())


async def _proven(visit: Visit, account: Account, given: Form) -> tuple[Strength | None, str]:
    """How strongly the person just proved again who they are; None and "wrong" or "locked" when they did not."""
    code = first(given, "code", 20).replace(" ", "")
    password = first(given, "current", LONGEST + 1)
    return await visit.authorization.people.again(account, password, code, visit.source)


def _done(what: str) -> Response:
    return see_other(f"/auth/me?done={what}")


async def _page(
    visit: Visit, session: Session, account: Account, status: int = 200, error: str = "", form: str = "", done: str = ""
) -> Response:
    from fhir_server.smart.people import roles
    from fhir_server.smart.secret import digest

    await greet(visit, session, account)
    here = digest(visit.cookie or "")
    sessions = [(key == here, _told(one)) for key, one in await visit.authorization.sessions.of_account(account.id)]
    chosen = account.acting_as(session.role)
    values: dict[str, Any] = {
        "account": account,
        "role": await roles.name(visit.entrance.repository, account, chosen) if chosen else "",
        "sessions": sessions,
        "error": error,
        "form": form,
        "done": done,
    }
    return visit.page("smart/me", values, status=status)


def _told(session: Session) -> dict[str, Any]:
    began, seen = (datetime.fromtimestamp(one, UTC) for one in (session.began, session.seen))
    return {"began": began, "seen": seen, "strength": session.strength}


async def _enrolment(visit: Visit, account: Account, error: str = "", status: int = 200) -> Response:
    import pyotp

    kept = await visit.authorization.records.get("totp-draft", account.id)
    if kept is None or account.totp is not None:
        return visit.known(see_other("/auth/me"))
    secret = kept.decode()
    values = {
        "secret": " ".join(_fours(secret)),
        "uri": pyotp.TOTP(secret).provisioning_uri(name=account.login, issuer_name=ISSUER),
        "error": error,
    }
    return visit.page("smart/second-factor", values, status=status)


def _fours(secret: str) -> Sequence[str]:
    return [secret[start : start + 4] for start in range(0, len(secret), 4)]
