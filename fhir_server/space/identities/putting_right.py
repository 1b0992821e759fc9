"""Over REST: moving what was misfiled, and who has somebody's traits. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-refile and Patient-homonyms.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, InvalidParameter, NotFound
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered, element
from fhir_server.space.identities import homonyms, refiling, steps
from fhir_server.space.identities.who import is_operator, reason, require_operator
from fhir_server.space.notices.telling import Notices
from fhir_server.space.service import Surroundings


async def refile(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: what was moved, with what went along. Both people are told, neither of the other.

    Raises:
        Forbidden: the caller is not the operator (403).
        InvalidParameter: what is said is not of its kind (400).
        NotFound, Invalid, Conflict: as `refiling.refile`.
    """
    require_operator(context.repository.grant, "u")
    said = call.inputs.several.get("resource", [])
    references = tuple(_local(one, context, "resource") for one in said)
    target = _local(call.inputs.complex.get("to"), context, "to")
    if not references or len(references) > refiling.MOST or not target.startswith("Patient/"):
        raise InvalidParameter(f"1 to {refiling.MOST} resources are moved, to a Patient.", element("resource"))
    now, source = datetime.now(UTC).replace(microsecond=0), str(call.id)
    by = steps.performer(context.repository.grant)
    wanted = refiling.Wanted(source, target.partition("/")[2], references, reason(call), by)
    moved = await refiling.refile(context.repository, wanted, now)
    notices: Notices = here.service("notices")
    for patient in (wanted.source, wanted.target):
        await notices.tell(patient, "access", f"refiled {patient} {now.isoformat()}", occasion="identity", at=now)
    return answered(refiling.named(moved))


async def shared(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: how many others have the same traits; to the operator, who.

    Raises:
        Forbidden: the caller is neither the operator nor a professional (403).
        NotFound: no such patient, or not for this caller (404).
    """
    grant, own = context.repository.grant, context.repository.as_server()
    if not is_operator(grant) and not (grant.subject or "").startswith(("Practitioner/", "PractitionerRole/")):
        raise Forbidden("Who shares somebody's traits is told to professionals, as a number, and to the operator.")
    if is_operator(grant):
        require_operator(grant, "r")
        version = await own.current("Patient", str(call.id))
        if version is None or version.deleted:
            raise NotFound("There is no such Patient.")
    else:
        version = await context.repository.read("Patient", str(call.id))
    others = await homonyms.of(own, parse(version.body), context)
    rows: list[dict[str, Any]] = [{"name": "count", "valueUnsignedInt": len(others)}]
    if is_operator(grant):
        rows += [
            {
                "name": "other",
                "part": [
                    {"name": "patient", "valueReference": {"reference": f"Patient/{one.tree['id']}"}},
                    {"name": "kind", "valueCode": one.kind},
                ],
            }
            for one in others
        ]
    return answered(rows)


def _local(said: Any, context: Context, name: str) -> str:
    text = said.get("reference") if isinstance(said, dict) else None
    found = parse_reference(text, context.base) if isinstance(text, str) else None
    if found is None or not found.local or found.fragment or found.target.count("/") != 1:
        raise InvalidParameter("This is a literal reference to a resource of this server.", element(name))
    return found.target
