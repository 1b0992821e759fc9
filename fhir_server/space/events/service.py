"""The declaration of events: https://interop.esante.gouv.fr/ig/fhir/nde (3.0.0)."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.events import declaring, reading_rules, subscribing
from fhir_server.space.service import Service

_HERE = "fhir_server.space.events"
_SUBSCRIPTIONS, _REQUESTS = frozenset({"Subscription"}), frozenset({"CommunicationRequest"})

EVENTS = Service(
    "events",
    rules=reading_rules.RULES,
    steps=(
        Step(
            "events",
            _REQUESTS,
            validate=declaring.validate,
            arrange=declaring.arrange,
            judge=declaring.judge,
        ),
        Step(
            "event-subscriptions",
            _SUBSCRIPTIONS,
            validate=subscribing.validate,
            arrange=subscribing.arrange,
            judge=subscribing.judge,
            tells=subscribing.tells,
        ),
    ),
    rows={"CommunicationRequest": f"{_HERE}.rows:requests", "Subscription": f"{_HERE}.rows:subscriptions"},
    found={"CommunicationRequest": f"{_HERE}.rows:found"},
)
