"""Who says who cares for a patient: that opens the record, so whoever decides on it says it, or is let in already.

CSP L1110-12, R1111-47: the care team is presumed to be agreed to. Who is not of it becomes so by the patient, or by
somebody of it; else by the agreement that `$record-choose` keeps, which ends and of which the patient is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record import choosing, standing
from fhir_server.space.record.explaining import of_record
from fhir_server.space.record.sharing.words import patient_of


async def judge(context: Context, change: Change) -> None:
    """Refuse that a professional lets themself in, and that somebody decides who does not.

    Raises:
        Forbidden: (403).
        NotFound: the patient is not there for this caller (404).
    """
    grant = context.repository.grant
    if change.as_server or grant.own:
        return
    before = parse(change.before.body) if change.before is not None and not change.before.deleted else None
    for patient in dict.fromkeys(map(_patient, filter(None, (before, change.tree)))):
        if patient is None:
            continue
        own = context.repository.as_server()
        if await choosing.decider(own, grant, patient) != "professional":
            continue
        # Without their emergency: it lets them in to read, and says nothing of who cares for the patient.
        found = await standing.read(own, standing.key(grant.subject or "", grant.role, patient, None))
        if of_record(found).outcome != "allowed":
            words = "Who is not let in to the record says nothing of who is: the patient agrees first."
            raise Forbidden(words, "CareTeam.subject", key="care-team")


def _patient(tree: Mapping[str, Any]) -> str | None:
    found = patient_of(tree)
    return found.removeprefix("Patient/").partition("/")[0] if found is not None else None
