"""To share one's medical profile with professionals, and to stop: `Patient/$share-profile`; what keeps it up to date.

https://fhir-server.example/OperationDefinition/Patient-share-profile. The first time is an act of the person; from then
on the synthesis follows what they write in the pages of their profile, a quarter of an hour after an editing began: so
that a session of editing makes one version. What an app writes is in it the next time, or when the app asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fhir_server.access.challenge import require_all
from fhir_server.fhir.outcome import Forbidden, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.jobs.clock import Job
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.space.agenda.authors import is_patients
from fhir_server.space.profile import synthesis
from fhir_server.space.service import Surroundings
from fhir_server.store.protocol import Drop, Records

#: Kind of the records: key = the instant at which it is due, and the patient (id).
DUE = "profile-synthesis-due"
#: How long after an editing began its synthesis is made; and as many at one look.
SESSION = timedelta(minutes=15)
_MOST = 100


async def share(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the document that is shared now; none once it is withdrawn.

    Raises:
        Forbidden: the caller is not the patient's side, or may not write documents of theirs (403).
        NotFound, Gone: no such patient, or not for this caller (404, 410).
        InvalidParameter: `withdrawn` is neither true nor false (400).
        Invalid: the record takes no document (422); Conflict: another was made meanwhile (409).
    """
    patient, withdrawn = str(call.id), call.inputs.one("withdrawn") or "false"
    if withdrawn not in ("true", "false"):
        raise InvalidParameter("Whether it is withdrawn is true or false.", "http.withdrawn")
    grant = context.repository.grant
    await context.repository.read("Patient", patient)
    acts = grant.patient == patient or (
        grant.patient is None and (grant.subject == f"Patient/{patient}" or patient in grant.wards)
    )
    if grant.subject is None or not is_patients(grant) or not acts:
        raise Forbidden("A profile is shared by the patient's side alone.", "Patient")
    require_all(grant, "DocumentReference", "c")
    if withdrawn == "true":
        require_all(grant, "DocumentReference", "u")
        await synthesis.withdraw(here, patient, context.base)
        return answered([])
    document = await synthesis.share(here, patient, datetime.now(UTC), context.base)
    return answered([{"name": "document", "valueReference": {"reference": f"DocumentReference/{document['id']}"}}])


def opened(around: Surroundings) -> Surroundings:
    """What the operation works with."""
    return around


async def edited(records: Records, patient: str, now: datetime) -> None:
    """A patient (id) edits their profile: its synthesis is due when the session may be over."""
    # In steps of a session, so that what is edited within one is due once.
    step = SESSION.total_seconds()
    due = datetime.fromtimestamp((now.timestamp() // step + 2) * step, UTC)
    await records.put(DUE, f"{due:%Y-%m-%dT%H:%M} {patient}", b"")


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is done as time passes."""

    async def refresh(now: datetime) -> int:
        return await refreshed(around, now)

    return (Job("profile-synthesis", timedelta(minutes=5), refresh),)


async def refreshed(around: Surroundings, now: datetime) -> int:
    """Make what is due; how many were replaced. What a process that dies leaves is due still."""
    done, until = 0, f"{now.astimezone(UTC):%Y-%m-%dT%H:%M}"
    while True:
        waiting = [key for key, _ in await around.records.list(DUE, count=_MOST) if key[: len(until)] <= until]
        for key in waiting:
            done += await synthesis.refreshed(around, key.rpartition(" ")[2], now)
            await around.records.apply([Drop(DUE, key)])
        if len(waiting) < _MOST:
            return done
