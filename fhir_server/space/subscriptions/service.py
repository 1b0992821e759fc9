"""The declaration of subscriptions: https://hl7.org/fhir/R4/subscription.html."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.service import Service
from fhir_server.space.subscriptions import mails
from fhir_server.subscriptions import owners, writing

_ENGINE = "fhir_server.subscriptions"

SUBSCRIPTIONS = Service(
    "subscriptions",
    opens=f"{_ENGINE}.sockets.hub:opened",
    rules=owners.RULES,
    steps=(
        Step(
            "subscriptions",
            frozenset({"Subscription"}),
            validate=writing.validate,
            arrange=writing.arrange,
            judge=writing.judge,
            together=writing.together,
            complete=writing.complete,
        ),
        Step("subscription-mails", frozenset({"Subscription"}), judge=mails.judge),
    ),
    rows={"Subscription": f"{_ENGINE}.owners:rows"},
    operations={
        "backport-subscription-status": f"{_ENGINE}.operations:status",
        "backport-subscription-events": f"{_ENGINE}.operations:events",
        "backport-subscription-get-ws-binding-token": f"{_ENGINE}.sockets.operations:binding_token",
    },
    attends="fhir_server.space.subscriptions.attending:attend",
)
