"""The catalogue of referenced apps: how they get in, what patients accept of them, and what their tokens are given."""

from __future__ import annotations

from fhir_server.space.catalogue.reach import PUBLIC, RULES
from fhir_server.space.service import Service

_HERE = "fhir_server.space.catalogue"

CATALOGUE = Service(
    "catalogue",
    opens=f"{_HERE}.opening:opened",
    rules=RULES,
    public=PUBLIC,
    operations={
        "Task-referencing-file": f"{_HERE}.operations:file",
        "Task-referencing-step": f"{_HERE}.operations:step",
    },
    jobs=f"{_HERE}.opening:jobs",
    pages=f"{_HERE}.opening:pages",
    governs=f"{_HERE}.opening:governs",
)
