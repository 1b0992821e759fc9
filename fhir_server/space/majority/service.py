"""Majority: the switch at eighteen. Code civil, art. 388, 414; domain file §2.2."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.majority import writing
from fhir_server.space.service import Service

_HERE = "fhir_server.space.majority"

MAJORITY = Service(
    "majority",
    steps=(Step("majority-kept", frozenset({"Patient"}), judge=writing.age_kept),),
    jobs=f"{_HERE}.clock:jobs",
    pages=f"{_HERE}.pages.rows:pages",
)
