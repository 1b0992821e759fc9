"""The directory of MSSanté mailboxes (https://interop.esante.gouv.fr/ig/fhir/mss)."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.mailboxes import patches, red_list, step
from fhir_server.space.mailboxes.model import HOLDERS
from fhir_server.space.service import Service

_HERE = "fhir_server.space.mailboxes"

MAILBOXES = Service(
    "mailboxes",
    rules=(red_list.RULE,),
    steps=(
        Step(
            "mailboxes",
            frozenset(HOLDERS),
            spelled=patches.spelled,
            arrange=step.arrange,
            judge=step.judge,
            complete=step.complete,
        ),
    ),
    rows=dict.fromkeys(HOLDERS, f"{_HERE}.rows:rows"),
    found=dict.fromkeys(HOLDERS, f"{_HERE}.red_list:published"),
)
