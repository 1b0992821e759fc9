"""Where a space stands over REST, and what happens to it. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-space and Patient-space-move. The holder, or the legal
representative of a minor, decides for the space; a professional whom they let help with it records that they object, or
take that back; the operator's software (`system/` scopes, no person) informs of it, suspends it and learns of deaths. A
caregiver does none of it, nor does an app of the catalogue, which shows its holder where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.challenge import require_all
from fhir_server.fhir.dates import interval
from fhir_server.fhir.outcome import Forbidden, InvalidParameter, NotFound
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered, element
from fhir_server.space.accounts import disagreeing, moving
from fhir_server.space.accounts.moving import LONGEST_REASON, Asked, Found
from fhir_server.space.accounts.states import ASKED, Role
from fhir_server.space.paris import PARIS
from fhir_server.space.record import choosing
from fhir_server.space.record.choosing import Decider

#: As whom somebody decides on a record → in which role they move its space.
_ROLES: Mapping[Decider, Role] = {"holder": "holder", "professional": "professional", "administrator": "operator"}


async def read(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the state, since when, when time acts by itself, and what the caller may have happen.

    Raises:
        Forbidden: the token has no scope to read the Basic, or the caller does not decide for the patient (403).
        NotFound: no such patient, or not for this caller (404).
    """
    role, space = await _asked_of(call, context, "r")
    return _answer(space, role)


async def move(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`: what happened to the space.

    Raises:
        Forbidden, NotFound: as `read`, of a scope to update the Basic.
        InvalidParameter: there is no such event, or what is said beside it is wrong (400).
        Invalid: it cannot happen in this state, or not by this caller; another representative took it back (422).
        Conflict: others kept changing the same space (409).
    """
    role, space = await _asked_of(call, context, "u")
    if role == "holder" and context.repository.grant.referenced:
        # People let it in for a while and a purpose; their own page asks for the password before it closes a space.
        raise Forbidden("An app of the catalogue decides nothing of a space: the person does, in it.")
    event, patient = call.inputs.one("event"), str(call.id)
    if event not in ASKED:
        raise InvalidParameter(f"The event is one of {', '.join(ASKED)}.", element("event"))
    reason, died = call.inputs.one("reason") or "", call.inputs.one("died") or ""
    if len(reason) > LONGEST_REASON:
        raise InvalidParameter(f"A reason has at most {LONGEST_REASON} characters.", element("reason"))
    if died and event != "die":
        raise InvalidParameter("When somebody died is said with the event die.", element("died"))
    now = datetime.now(UTC)
    if died and _begins(died) > now:
        raise InvalidParameter("Nobody is known to have died later than now.", element("died"))
    performer = await _performer(context, role, patient)
    if role == "holder":
        await disagreeing.require_agreement(context.repository.as_server(), space, event, performer)
    await moving.move(context.repository, patient, Asked(event, role, now, performer, reason, died))
    (after,) = await moving.found(context.repository.as_server(), [patient])
    if after is None:
        raise NotFound("There is no such Patient.")
    return _answer(after, role)


async def _performer(context: Context, role: Role, patient: str) -> str:
    grant = context.repository.grant
    if role == "professional":
        return await choosing.practitioner_of(context.repository.as_server(), grant.subject or "")
    return choosing.performer(grant, patient) if role == "holder" else ""


async def _asked_of(call: Invocation, context: Context, verb: str) -> tuple[Role, Found]:
    """As whom the caller decides, and the space.

    Raises:
        Forbidden, NotFound: as `read`.
    """
    repository = context.repository
    grant = repository.grant
    own = repository.as_server()
    who = await choosing.decider(own, grant, call.id or "")
    require_all(grant, "Basic", verb)
    if who == "professional" and not await choosing.helps_with_space(own, grant, call.id or ""):
        raise Forbidden(
            "A professional decides nothing of a patient's space, unless the patient lets them help with it."
        )
    (space,) = await moving.found(own, [call.id or ""])
    if space is None:
        raise NotFound("There is no such Patient.")
    return _ROLES[who], space


def _answer(space: Found, role: Role) -> Response:
    life, state = space.life, space.state
    rows: list[dict[str, Any]] = [{"name": "state", "valueCode": state}]
    if life is not None:
        rows.append({"name": "since", "valueDateTime": life.since.isoformat(timespec="seconds")})
        if life.next is not None:
            rows.append({"name": "next", "valueDateTime": life.next.isoformat(timespec="seconds")})
        rows.append({"name": "deletionAsked", "valueBoolean": life.deletion})
    rows += [{"name": "may", "valueCode": event} for event in space.may(role)]
    return answered(rows)


def _begins(said: str) -> datetime:
    try:
        first, _ = interval(said, PARIS)
        return datetime.fromtimestamp(first // 1_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidParameter("When somebody died is a date or dateTime.", element("died")) from None
