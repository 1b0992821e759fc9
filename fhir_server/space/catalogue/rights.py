"""What an app gets of the scopes it holds: purposes referenced ∩ what the patient accepted ∩ the app's status.

CSP R1111-39: a suspended app neither reads nor writes; a purpose is accepted by the patient, one by one, and what a
later version widens is not covered by an earlier consent. The policy then holds the rest to the caller's own rights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fhir_server.access import scopes as smart
from fhir_server.space.catalogue.apps import App, Purpose
from fhir_server.space.catalogue.consent_resource import Decision


def effective(
    app: App,
    scopes: Sequence[str],
    decisions: Mapping[str, Decision] | None,
    now: datetime,
    synthetic: bool = False,
) -> tuple[str, ...]:
    """The scopes, of those held, that give something now; in the words of those held where one is given whole.

    Scopes that are not about resources (openid, launch, offline_access…) stay while the app may be opened at all.

    Args:
        app: as referenced now.
        scopes: held by the token or asked for.
        decisions: of the patient in context, by purpose code; None where no patient is asked: professionals, and
            software alone.
        now: aware.
        synthetic: whether the patient in context is an invented one (`Catalogue.synthetic`).
    """
    if not opens(app, now):
        return ()
    special = [one for one in scopes if one in smart.SPECIAL]
    held = smart.of_levels(scopes, *_levels(app, decisions is not None, synthetic))
    given = dict.fromkeys(smart.meet(held, allowed(app, decisions, now))) if held else {}
    return (*special, *given)


def opens(app: App, now: datetime) -> bool:
    """Whether people may open the app through this server: on line or in pre-series, under a running convention."""
    running = app.convention_end is None or now.date() <= app.convention_end
    return app.status in ("EN_LIGNE", "PRESERIE") and running


def allowed(app: App, decisions: Mapping[str, Decision] | None, now: datetime) -> list[str]:
    """The most that the purposes, as far as accepted, give: SMART scopes, each once."""
    if not app.exchanges:
        return []
    found: dict[str, None] = {}
    for purpose in app.purposes:
        if decisions is None:
            found.update(dict.fromkeys(purpose.scopes))
        elif (decision := decisions.get(purpose.code)) is not None:
            found.update(dict.fromkeys(accepted(app, purpose, decision, now)))
    return list(found)


def accepted(app: App, purpose: Purpose, decision: Decision, now: datetime) -> Iterable[str]:
    """What a decision gives of a purpose: never more than what was accepted, nor than what is referenced now."""
    if not decision.permit:
        return ()
    if decision.terms == purpose.terms:
        return purpose.scopes
    if app.reconsent_by is not None and now.date() > app.reconsent_by:
        return ()
    return smart.meet(decision.scopes, purpose.scopes)


def current(purpose: Purpose, decisions: Mapping[str, Decision]) -> bool:
    """Whether the patient has decided, yes or no, on the purpose as it is referenced now."""
    decision = decisions.get(purpose.code)
    return decision is not None and decision.terms == purpose.terms and (decision.permit or decision.refused)


def _levels(app: App, asked: bool, synthetic: bool) -> tuple[smart.Level, ...]:
    if app.status == "PRESERIE":
        return ("patient",) if synthetic else ()
    # One patient consents for one patient: the level user/ would reach everyone a representative acts for.
    return ("patient",) if asked else ("patient", "user", "system")
