"""What people are told, and how: the notices of every service leave through this one."""

from __future__ import annotations

from fhir_server.space.service import Service

_HERE = "fhir_server.space.notices"

NOTICES = Service(
    "notices",
    opens=f"{_HERE}.telling:opened",
    operations={
        "Patient-notice-preferences": f"{_HERE}.operations:read",
        "Patient-notice-prefer": f"{_HERE}.operations:choose",
    },
    last_jobs=f"{_HERE}.composing:jobs",
    pages=f"{_HERE}.pages.rows:pages",
)
