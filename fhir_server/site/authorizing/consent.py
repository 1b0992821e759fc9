"""The page on which a person decides what an app may have: by purpose where a service governs it, by scope else.

CSP R1111-39: each purpose is accepted or refused by itself, in words a person can read, and nothing is ticked for them.
https://hl7.org/fhir/smart-app-launch/best-practices.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi.responses import Response

from fhir_server.site.authorizing.answer import grant, name_of, refuse
from fhir_server.site.visit import Form, Visit, first
from fhir_server.smart.consent_words import TOGETHER, Line, lines

if TYPE_CHECKING:
    from fhir_server.smart.authorizing.consenting import Offers
    from fhir_server.smart.authorizing.requests import AuthorizationRequest
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session

#: Value of a choice → whether it accepts.
_CHOICES = {"yes": True, "no": False}


async def show(visit: Visit, ask: AuthorizationRequest, _session: Session | None, account: Account | None) -> Response:
    """What the app asks, purpose by purpose or scope by scope."""
    offers = await visit.authorization.consenting.offers(ask, account) if account is not None else None
    if offers is not None and account is not None:
        return await _purposes(visit, ask, account, offers)
    return await _scopes(visit, ask, account)


async def _scopes(visit: Visit, ask: AuthorizationRequest, account: Account | None, error: str = "") -> Response:
    target, asked = urlsplit(ask.redirect_uri), lines(ask.scope)
    values: dict[str, Any] = {
        "client": await name_of(visit, ask),
        "account": account,
        # RGPD art. 4(11): consent is an act of the person; a box that was ticked for them is none (CJEU C-673/17).
        "optional": [line for line in asked if line.optional],
        "together": [line for line in asked if not line.optional],
        "host": target.netloc or target.scheme,
        "error": error,
    }
    return visit.page("smart/consent", values, ask, 400 if error else 200)


async def decide(visit: Visit) -> Response:
    """What the person decided."""
    from fhir_server.smart.authorizing import endpoint

    given = await visit.posted()
    ask, session, account = await visit.asked_by()
    if given is None or ask is None or session is None or account is None or not endpoint.allowed(ask, account):
        return visit.foreign()
    ask = ask.settled(account.patients)
    if endpoint.step(ask, session, account, approved=False) != "consent":
        return visit.on(ask)
    offers = await visit.authorization.consenting.offers(ask, account)
    if offers is not None:
        return await _by_purpose(visit, ask, session, account, offers, given)
    if list(given.get("decision", ())) != ["allow"]:
        return await refuse(visit, ask, "access_denied", "The person refused.")
    if not _ticked(ask, given):
        return await _scopes(visit, ask, account, "nothing")
    accepted, approvals = _accepted(ask, given), endpoint.Approvals(visit.authorization.records)
    return await grant(visit, ask, session, account, accepted, approvals.kept(ask, account, accepted))


def _ticked(ask: AuthorizationRequest, given: Form) -> bool:
    """Whether something that can be ticked was, or nothing can be."""
    optional = {line.scope for line in lines(ask.scope) if line.optional}
    return not optional or not optional.isdisjoint(given.get("scope", ()))


def _accepted(ask: AuthorizationRequest, given: Form) -> tuple[str, ...]:
    ticked = set(given.get("scope", ()))
    optional = {line.scope for line in lines(ask.scope) if line.optional}
    return tuple(one for one in ask.scope if one in ticked or one not in optional)


async def _by_purpose(
    visit: Visit, ask: AuthorizationRequest, session: Session, account: Account, offers: Offers, given: Form
) -> Response:
    consenting = visit.authorization.consenting
    if list(given.get("decision", ())) != ["allow"]:
        # Refusing everything is a decision on each purpose, and takes back what was accepted before.
        _, kept = await consenting.accept(ask, account, (), ())
        await visit.authorization.records.apply(kept)
        return await refuse(visit, ask, "access_denied", "The person refused.")
    chosen = {name: _CHOICES.get(first(given, name)) for name in _names(offers)}
    if None in chosen.values():
        return await _purposes(visit, ask, account, offers, chosen, 400)
    purposes = [line.code for line in offers.lines if chosen[f"purpose-{line.code}"]]
    special = [one for one in offers.special if chosen.get(f"special-{one}", True)]
    granted, kept = await consenting.accept(ask, account, purposes, special)
    return await grant(visit, ask, session, account, granted, kept)


def _names(offers: Offers) -> list[str]:
    """The fields that must be answered."""
    asked = [f"purpose-{line.code}" for line in offers.lines]
    return asked + [f"special-{line.scope}" for line in _optional(offers)]


def _optional(offers: Offers) -> Sequence[Line]:
    return [line for line in lines(offers.special) if line.optional]


async def _purposes(
    visit: Visit,
    ask: AuthorizationRequest,
    account: Account,
    offers: Offers,
    chosen: Mapping[str, bool | None] | None = None,
    status: int = 200,
) -> Response:
    known = {f"purpose-{one.code}": one.accepted for one in offers.lines if one.current}
    values: dict[str, Any] = {
        "app": await visit.authorization.consenting.card(offers),
        "offers": offers.lines,
        "optional": _optional(offers),
        "together": [line for line in lines(offers.special) if line.scope in TOGETHER],
        "account": account,
        "whom": await visit.entrance.name_of(account, offers.patient),
        "own": account.subject == f"Patient/{offers.patient}",
        # Only what the person chose before, on these very terms, is shown as chosen.
        "chosen": chosen if chosen is not None else known,
        "missing": [name for name, choice in (chosen or {}).items() if choice is None],
    }
    return visit.page("smart/offers", values, ask, status)
