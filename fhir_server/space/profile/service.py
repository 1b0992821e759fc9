"""Profile: what matters of a person's health, for whoever meets them anew. IPS; CSP R1111-26."""

from __future__ import annotations

from fhir_server.space.service import Service

PROFILE = Service("profile", operations={"Patient-summary": "fhir_server.space.profile.summary:summary"})
