"""A professional says why they open a record: care by default; an emergency with its reason; medical regulation.

Purposes of use are those of http://terminology.hl7.org/CodeSystem/v3-ActReason: TREAT, BTG, ETREAT. A reason is asked
on a page and sent in a form's body: no free text about anyone is ever in a URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

from fhir_server.access.grant import Purpose
from fhir_server.site.authorizing.answer import name_of
from fhir_server.site.visit import Form, Visit, first

if TYPE_CHECKING:
    from fhir_server.smart.authorizing.requests import AuthorizationRequest
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session

#: Length of a reason, in characters.
SHORTEST, LONGEST = 10, 500
#: What a professional may choose, the usual one first.
CHOICES: tuple[Purpose, ...] = ("TREAT", "BTG", "ETREAT")


def open_to(session: Session) -> Sequence[Purpose]:
    """The purposes a session may choose: regulation only where the provider said so."""
    return [one for one in CHOICES if one != "ETREAT" or session.regulation]


def read(given: Form, session: Session) -> tuple[Purpose, str | None] | str:
    """The purpose and its reason, or what is wrong: "purpose" or "reason"."""
    chosen = next((one for one in open_to(session) if one == first(given, "purpose")), None)
    reason = " ".join(first(given, "reason", LONGEST + 1).split())
    if chosen is None:
        return "purpose"
    if chosen != "BTG":
        return chosen, None
    return (chosen, reason) if SHORTEST <= len(reason) <= LONGEST else "reason"


async def asked(visit: Visit, ask: AuthorizationRequest, session: Session | None, account: Account | None) -> Response:
    """The page, when the app asked for a purpose that must be explained."""
    return await _page(visit, ask, session, account) if session is not None else visit.foreign()


async def show(visit: Visit) -> Response:
    """The page, when a professional asks for it."""
    found = await _professional(visit)
    return await _page(visit, *found) if found is not None else visit.foreign()


async def choose(visit: Visit) -> Response:
    """Take the purpose that was chosen, and what comes with it, and go on."""
    given, found = await visit.posted(), await _professional(visit)
    if given is None or found is None:
        return visit.foreign()
    ask, session, account = found
    said = read(given, session)
    if isinstance(said, str):
        kept = {"error": said, "reason": first(given, "reason", LONGEST), "chosen": first(given, "purpose")}
        return await _page(visit, ask, session, account, 400, **kept)
    return visit.on(await visit.authorization.requests.say_why(ask, *said))


async def _professional(visit: Visit) -> tuple[AuthorizationRequest, Session, Account] | None:
    ask = await visit.ask()
    session, account = await visit.session()
    if ask is None or session is None or account is None or not account.professional:
        return None
    return ask, session, account


async def _page(
    visit: Visit, ask: AuthorizationRequest, session: Session, account: Account | None, status: int = 200, **said: Any
) -> Response:
    values = {
        "client": await name_of(visit, ask),
        "choices": open_to(session),
        "chosen": ask.purpose or "TREAT",
        "reason": ask.reason or "",
        "shortest": SHORTEST,
        "longest": LONGEST,
        "error": "",
        "account": account,
        **said,
    }
    return visit.page("smart/purpose", values, ask, status)
