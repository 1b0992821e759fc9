"""Profile: what matters of a person's health, for whoever meets them anew. IPS; CSP R1111-26."""

from __future__ import annotations

from fhir_server.space.service import Service

_HERE = "fhir_server.space.profile"

PROFILE = Service(
    "profile",
    operations={
        "Patient-summary": f"{_HERE}.summary:summary",
        "Patient-not-concerned": f"{_HERE}.saying_none:not_concerned",
    },
    pages=f"{_HERE}.pages.rows:pages",
)
