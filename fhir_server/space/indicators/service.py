"""Indicators: what the space reports of itself."""

from __future__ import annotations

from fhir_server.space.service import Service

_HERE = "fhir_server.space.indicators"

INDICATORS = Service("indicators", jobs=f"{_HERE}.recounting:jobs", pages=f"{_HERE}.pages.rows:pages")
