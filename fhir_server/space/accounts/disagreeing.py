"""Two representatives of a minor who disagree: what one took back the other does not do again.

Code civil, art. 372-2: each is deemed to act with the other's agreement for usual acts, as long as the other says
nothing; art. 373-2-11: where they disagree a judge decides. So either closes the child's space or asks that it be
deleted; the other, who is told, takes it back, and it then stays so until the operator is shown what was decided.
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.operations.invocation import element
from fhir_server.space.accounts.moving import Found
from fhir_server.space.accounts.states import Event
from fhir_server.space.acting import ended, minute, only_cares

#: What is asked for → what it was taken back by.
_TAKEN_BACK: Mapping[Event, Event] = {"close": "reopen", "ask-deletion": "cancel-deletion"}


async def require_agreement(own: Repository, space: Found, event: Event, performer: str) -> None:
    """Refuse what another representative, who acts still, took back last; `own` is the server's own sight.

    Raises:
        Invalid: by the code `REPRESENTATIVES_DISAGREE` (422).
    """
    life, patient = space.life, space.patient.id
    if life is None or life.event != _TAKEN_BACK.get(event) or life.role != "holder":
        return
    if life.performer in (performer, "") or not await _represents(own, life.performer, patient):
        return
    words = "Another representative took this back: the operator is shown what a judge decided."
    key = "REPRESENTATIVES_DISAGREE"
    raise Invalid(issues=[Issue("error", "business-rule", words, element("event"), key=key)])


async def _represents(own: Repository, subject: str, patient: str) -> bool:
    if subject == f"Patient/{patient}" or await ended(own, subject, (patient,), minute()):
        return False
    return not await only_cares(own, subject, patient)
