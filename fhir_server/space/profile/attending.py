"""To say who one's attending doctor is, and that there is none: `Patient/$attending-doctor`.

https://hl7.org/fhir/R4/patient.html (generalPractitioner); CSS L162-5-3: one doctor, whom the insured person chooses,
or the parents of a minor. Nobody changes a Patient through a token of theirs but how they are reached: this is the
space's own write. Whoever is named is told of emergency accesses, so that caregivers name nobody.
"""

from __future__ import annotations

from typing import Any

from fhir_server.access.challenge import require_all
from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Forbidden, Invalid, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.interactions.pipeline import is_refused
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.space.names import name_of
from fhir_server.space.record.choosing import decider
from fhir_server.store.protocol import Stale

_ATTEMPTS = 20
Tree = dict[str, Any]


async def change(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the doctor who attends the patient now, by a reference; none once it is withdrawn.

    Raises:
        NotFound: no such patient, or not for this caller (404).
        Forbidden: the caller does not decide for the patient, is an app, or may not update Patients (403).
        InvalidParameter: neither or both of `practitioner` and `withdrawn` are said (400).
        Invalid: there is no such professional, or they are no longer active (422).
    """
    practitioner, withdrawn = call.inputs.one("practitioner"), call.inputs.one("withdrawn") or "false"
    if withdrawn not in ("true", "false"):
        raise InvalidParameter("Whether it is withdrawn is true or false.", "http.withdrawn")
    if (practitioner is None) == (withdrawn == "false"):
        raise InvalidParameter("A practitioner is said, or that it is withdrawn.", "http.practitioner")
    patient, grant = str(call.id), context.repository.grant
    own = context.repository.as_server()
    if await decider(own, grant, patient) == "professional":
        raise Forbidden("An attending doctor is named by the patient's side.", "Patient.generalPractitioner")
    if grant.referenced:
        raise Forbidden("An app of the catalogue names no doctor: the person does, in their space.")
    if not grant.own:
        require_all(grant, "Patient", "u")
    named = None if practitioner is None else await _named(own, practitioner)
    await _write(context, own, patient, named)
    return answered([] if named is None else [{"name": "practitioner", "valueReference": named}])


async def _named(own: Repository, practitioner: str) -> Tree:
    """A Reference to a professional of the directory."""
    type, _, id = practitioner.partition("/")
    tree = await referred(own, practitioner) if type == "Practitioner" and id else {}
    if not tree or tree.get("active") is False:
        raise Invalid("There is no such Practitioner.", "Patient.generalPractitioner", code="not-found")
    return {"reference": f"Practitioner/{tree['id']}", "display": name_of(tree)}


async def _write(context: Context, own: Repository, patient: str, named: Tree | None) -> None:
    for _ in range(_ATTEMPTS):
        before = await own.current("Patient", patient)
        assert before is not None, "who decides was found by it"
        tree = parse(before.body)
        others = [one for one in tree.get("generalPractitioner", ()) if not _is_somebody(one)]
        doctors = [*others, *([named] if named is not None else [])]
        rest = {name: one for name, one in tree.items() if name != "generalPractitioner"}
        after = rest | ({"generalPractitioner": doctors} if doctors else {})
        issues = await context.pipeline.issues(context, after)
        if is_refused(issues):
            raise Invalid(issues=issues)
        put = await own.put("Patient", patient, after, serialize(after), before)
        try:
            await context.repository.transact([put], [])
        except Stale:
            continue
        return
    raise Conflict("Others keep changing the same person; try again.", headers={"Retry-After": "1"})


def _is_somebody(reference: Tree) -> bool:
    """Whether it names a doctor, and not the establishment where somebody is a patient."""
    return not str(reference.get("reference", "")).startswith("Organization/")
