"""Profile: what matters of a person's health, for whoever meets them anew. IPS; CSP R1111-26."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.profile import possible
from fhir_server.space.service import Service

_HERE = "fhir_server.space.profile"

PROFILE = Service(
    "profile",
    opens=f"{_HERE}.sharing:opened",
    operations={
        "Patient-summary": f"{_HERE}.summary:summary",
        "Patient-not-concerned": f"{_HERE}.saying_none:not_concerned",
        "Patient-attending-doctor": f"{_HERE}.attending:change",
        "Patient-share-profile": f"{_HERE}.sharing:share",
    },
    jobs=f"{_HERE}.sharing:jobs",
    steps=(Step("measures-possible", frozenset({"Observation"}), judge=possible.judge),),
    pages=f"{_HERE}.pages.rows:pages",
)
