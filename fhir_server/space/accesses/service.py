"""What patients are told of who opened their record."""

from __future__ import annotations

from fhir_server.space.service import Service

ACCESSES = Service(
    "accesses",
    jobs="fhir_server.space.accesses.emergencies:jobs",
    operations={
        "AuditEvent-emergencies": "fhir_server.space.accesses.reviewing:listed",
        "AuditEvent-emergency-review": "fhir_server.space.accesses.reviewing:review",
    },
    pages="fhir_server.space.accesses.pages.rows:pages",
    demands={"AuditEvent": "fhir_server.space.accesses.asking:required"},
)
