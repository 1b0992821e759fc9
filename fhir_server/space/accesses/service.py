"""What patients are told of who opened their record."""

from __future__ import annotations

from fhir_server.space.service import Service

ACCESSES = Service(
    "accesses",
    jobs="fhir_server.space.accesses.emergencies:jobs",
    demands={"AuditEvent": "fhir_server.space.accesses.asking:required"},
)
