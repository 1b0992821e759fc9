"""Indicators: what the space reports of itself."""

from __future__ import annotations

from fhir_server.space.indicators.reach import PUBLIC, RULES
from fhir_server.space.service import Service

_HERE = "fhir_server.space.indicators"

INDICATORS = Service(
    "indicators",
    rules=RULES,
    public=PUBLIC,
    opens=f"{_HERE}.operations:opened",
    operations={"Measure-evaluate-measure": f"{_HERE}.operations:evaluate"},
    jobs=f"{_HERE}.recounting:jobs",
    pages=f"{_HERE}.pages.rows:pages",
)
