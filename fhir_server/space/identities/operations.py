"""Changing somebody's identity over REST, and what was done to it. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-change-identity and Patient-identity-history.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_server.access.challenge import require_all
from fhir_server.fhir.outcome import Forbidden, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered, element
from fhir_server.space.identities import changing, steps
from fhir_server.space.identities.identity import HOWS
from fhir_server.space.identities.steps import Step
from fhir_server.space.identities.who import is_operator, reason, require_operator
from fhir_server.space.record import choosing
from fhir_server.space.service import Surroundings


def opened(around: Surroundings) -> Surroundings:
    """What the operations work with."""
    return around


async def change(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the Patient as it is then.

    Raises:
        Forbidden: the caller is not the operator (403).
        InvalidParameter: what is said is not of its kind (400).
        NotFound, Invalid, Conflict: as `changing.change`.
    """
    require_operator(context.repository.grant, "u")
    how, said = call.inputs.one("how"), call.inputs.complex.get("identity")
    if how not in HOWS:
        raise InvalidParameter(f"How it changes is one of {', '.join(HOWS)}.", element("how"))
    identity: dict[str, Any] = {} if said is None else dict(said)
    if identity.get("resourceType", "Patient") != "Patient":
        raise InvalidParameter("An identity is said by a Patient.", element("identity"))
    if identity:
        await changing.require_valid(context, identity)
    identity.pop("meta", None)
    wanted = changing.Wanted(identity, how, reason(call), steps.performer(context.repository.grant))
    tree = await changing.change(context, str(call.id), wanted, datetime.now(UTC))
    return answered([{"name": "return", "resource": tree}])


async def history(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: what was done to an identity, the newest first.

    Raises:
        Forbidden: no scope to read Basics, or neither the operator nor who decides for the patient (403).
        NotFound: no such patient, or not for this caller (404).
    """
    grant, own = context.repository.grant, context.repository.as_server()
    require_all(grant, "Basic", "r")
    if not is_operator(grant) and await choosing.decider(own, grant, str(call.id)) != "holder":
        raise Forbidden("A professional reads nothing of how an identity was kept.")
    if is_operator(grant):
        await choosing.decider(own, own.grant, str(call.id))
    return answered([_row(one) for one in await steps.history(own, str(call.id))])


def _row(step: Step) -> dict[str, Any]:
    return {
        "name": "step",
        "part": [
            {"name": "event", "valueCode": step.event},
            {"name": "at", "valueDateTime": step.at.isoformat(timespec="seconds")},
            {"name": "reason", "valueString": step.reason},
            *([{"name": "performer", "valueReference": {"reference": step.by}}] if step.by else []),
        ],
    }
