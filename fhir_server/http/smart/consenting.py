"""The page on which a person decides what an app may have, and what was decided before.

https://hl7.org/fhir/smart-app-launch/best-practices.html: people decide on what they can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi.responses import Response

from fhir_server.http.smart.answering import grant, name_of, refuse
from fhir_server.http.smart.visit import Form, Visit
from fhir_server.smart.consent_words import lines

if TYPE_CHECKING:
    from fhir_server.smart.accounts import Account
    from fhir_server.smart.asks import Ask
    from fhir_server.smart.sessions import Session


async def granted(visit: Visit, ask: Ask, account: Account) -> Sequence[str] | None:
    """The scopes that earlier decisions grant; None when the person is to be asked."""
    from fhir_server.smart.authorize import Approvals

    return ask.scope if await Approvals(visit.authorization.records).covers(ask, account) else None


async def show(visit: Visit, ask: Ask, _session: Session | None, account: Account | None) -> Response:
    """What the app asks, line by line."""
    target = urlsplit(ask.redirect_uri)
    values: dict[str, Any] = {
        "client": await name_of(visit, ask),
        "account": account,
        "lines": lines(ask.scope),
        "host": target.netloc or target.scheme,
    }
    return visit.page("smart/consent", values, ask)


async def decide(visit: Visit) -> Response:
    """What the person decided."""
    from fhir_server.smart import authorize

    given, ask = await visit.posted(), await visit.ask()
    session, account = await visit.session()
    if given is None or ask is None or session is None or account is None or not authorize.allowed(ask, account):
        return visit.foreign()
    if authorize.step(ask, session, account, approved=False) != "consent":
        return visit.on(ask)
    if list(given.get("decision", ())) != ["allow"]:
        return await refuse(visit, ask, "access_denied", "The person refused.")
    accepted = _accepted(ask, given)
    await authorize.Approvals(visit.authorization.records).keep(ask, account, accepted)
    return await grant(visit, ask, session, account, accepted)


def _accepted(ask: Ask, given: Form) -> tuple[str, ...]:
    ticked = set(given.get("scope", ()))
    optional = {line.scope for line in lines(ask.scope) if line.optional}
    return tuple(one for one in ask.scope if one in ticked or one not in optional)
