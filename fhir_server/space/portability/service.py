"""Portability: a person takes all that they may see of a space with them. GDPR art. 15 and 20."""

from __future__ import annotations

from fhir_server.space.service import Service

_HERE = "fhir_server.space.portability"

PORTABILITY = Service(
    "portability",
    operations={
        "Patient-export-record": f"{_HERE}.operations:ask",
        "Patient-export-status": f"{_HERE}.operations:status",
        "Patient-export-archive": f"{_HERE}.operations:archive",
    },
    opens=f"{_HERE}.preparing:opened",
    jobs=f"{_HERE}.preparing:jobs",
    pages=f"{_HERE}.pages.rows:pages",
)
