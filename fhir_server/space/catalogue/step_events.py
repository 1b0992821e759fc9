"""The AuditEvent that each step of a referencing leaves beside it. Nothing of a patient is in it."""

from __future__ import annotations

from typing import Any

from fhir_server.audit.audit_event import Event, resource, to_audit_event
from fhir_server.audit.kinds import ACTIVITY, Code, EventKind
from fhir_server.space.catalogue.apps import OWN
from fhir_server.space.catalogue.dossiers import Dossier, Taken

STEPS = f"{OWN}/CodeSystem/ens-referencing-step"


def step_event(client: str | None, dossier: Dossier, taken: Taken) -> dict[str, Any]:
    """The AuditEvent of a step.

    Args:
        client: through which software, its client id.
        dossier: after the step, its `version` being the one before.
        taken: the step.
    """
    about = (f"Task/{dossier.id}/_history/{dossier.version + 1}", f"Device/{dossier.app}")
    return to_audit_event(
        Event(
            EventKind(ACTIVITY, Code(STEPS, taken.step), "C" if taken.step == "file" else "U"),
            "fhir-server",
            subject=taken.by,
            client=client,
            role=taken.duty,
            described=taken.reason,
            entities=[resource(reference) for reference in about],
            at=taken.at,
        )
    )
