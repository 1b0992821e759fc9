"""Who may say that somebody is of a patient's care team: it lets them in to the record.

CSP L1110-12. The patient, whoever acts for them, an establishment's software that an administrator admitted, and of
professionals those who are let in already, apart from emergencies: nobody lets themselves in.
"""

from __future__ import annotations

from fhir_server.access.record_owner import owner
from fhir_server.fhir.outcome import Forbidden
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record import standing
from fhir_server.space.record.explaining import of_record


async def judge(context: Context, change: Change) -> None:
    """Refuse a care team that a professional writes who is not let in to the record themself.

    Raises:
        Forbidden: naming the members (403).
    """
    grant = context.repository.grant
    if change.as_server or change.tree is None or grant.subject is None or not standing.is_professional(grant):
        return
    patient = owner("CareTeam", change.tree, context.base).patient
    asked = standing.key(grant.subject, grant.role, patient.removeprefix("Patient/") if patient else None, None)
    found = await standing.read(context.repository.as_server(), asked)
    if of_record(found).outcome != "allowed":
        words = "Who is not let in to the record says of nobody that they are: declare first that the patient agreed."
        raise Forbidden(words, "CareTeam.participant")
