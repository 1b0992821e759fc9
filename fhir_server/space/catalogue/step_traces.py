"""The trace that each step of a referencing leaves beside it.

https://hl7.org/fhir/R4/auditevent.html; DICOM 110100 Application Activity,
http://dicom.nema.org/resources/ontology/DCM. Nothing of a patient is in it.
"""

from __future__ import annotations

from typing import Any

from fhir_server.access.audit import who
from fhir_server.space.catalogue.apps import OWN
from fhir_server.space.catalogue.dossiers import Dossier, Taken

STEPS = f"{OWN}/CodeSystem/ens-referencing-step"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_ENTITIES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"


def trace(client: str | None, dossier: Dossier, taken: Taken) -> dict[str, Any]:
    """The AuditEvent of a step.

    Args:
        client: through which software, its client id.
        dossier: after the step, its `version` being the one before.
        taken: the step.
    """
    person = {"who": who(taken.by), "requestor": True, "role": [{"text": taken.duty}]}
    software = [{"who": {"identifier": {"value": client}}, "requestor": False}] if client else []
    about = (f"Task/{dossier.id}/_history/{dossier.version + 1}", f"Device/{dossier.app}")
    return {
        "resourceType": "AuditEvent",
        "type": {"system": _DCM, "code": "110100", "display": "Application Activity"},
        "subtype": [{"system": STEPS, "code": taken.step}],
        "action": "C" if taken.step == "file" else "U",
        "recorded": taken.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": "0",
        **({"outcomeDesc": taken.reason} if taken.reason else {}),
        "agent": [person, *software],
        "source": {"observer": {"display": "fhir-server"}},
        "entity": [{"what": {"reference": one}, "type": {"system": _ENTITIES, "code": "2"}} for one in about],
    }
