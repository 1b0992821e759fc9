"""The purposes of an app as the consent page asks about them: in words, and as the patient decided before.

CSP R1111-39: each purpose is accepted or refused by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_server.access.scopes import meet
from fhir_server.smart.clients.governing import Card, Offer
from fhir_server.space.catalogue import rights
from fhir_server.space.catalogue.apps import App, Purpose
from fhir_server.space.catalogue.consent_resource import Decision
from fhir_server.space.catalogue.pages.words import done_with


def to_offers(app: App, decisions: Mapping[str, Decision], asked: Sequence[str]) -> tuple[Offer, ...]:
    """The purposes of which something is asked (SMART scopes), in the app's order; `decisions` by purpose code."""
    wanted = [one for one in app.purposes if app.exchanges and meet(asked, one.scopes)]
    return tuple(_to_offer(one, decisions) for one in wanted)


def to_card(app: App, publisher: str) -> Card:
    """An app as people are shown it; `publisher` is what its publisher is called."""
    return Card(app.name, app.version, publisher, app.description, app.privacy_url, trial=app.status == "PRESERIE")


def _to_offer(purpose: Purpose, decisions: Mapping[str, Decision]) -> Offer:
    decision, done = decisions.get(purpose.code), done_with(purpose)
    current = rights.current(purpose, decisions)
    return Offer(
        purpose.code,
        purpose.label,
        done.lines,
        done.categories,
        purpose.justification,
        purpose.retention,
        decided=decision.when if decision is not None else None,
        current=current,
        accepted=current and decision is not None and decision.permit,
    )
