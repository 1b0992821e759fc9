"""Delegations over REST: seen, and changed by either of the two. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-delegations, Patient-delegation-match,
Patient-delegation-invite, Patient-delegation-answer, Patient-delegation-end, Patient-delegation-attach: each of the
Patient who asks, on whichever side they are, or of the minor whom they represent. A caregiver does none of it for whom
they care. Representatives are attached, and withdrawn, by the operator.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.access.challenge import require_all
from fhir_server.access.trees import tree_of
from fhir_server.fhir.outcome import Forbidden, InvalidParameter, NotSupported
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered, element
from fhir_server.space.delegations import changing, ending, listing, matching, people, settling, telling
from fhir_server.space.delegations.bonds import BONDS, NAMED, Bond
from fhir_server.space.delegations.delegation import delegation_id, from_consent, last_moment
from fhir_server.space.delegations.ending import Asker
from fhir_server.space.delegations.listing import Row
from fhir_server.space.delegations.people import Identity
from fhir_server.space.delegations.refusals import refused
from fhir_server.space.record import choices, choosing
from fhir_server.space.record.choosing import Wanted
from fhir_server.space.service import Surroundings

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
#: Characters of what an identity is said with, and of a reason.
_LONGEST, _LONGEST_REASON = 200, 500


def opened(around: Surroundings) -> Surroundings:
    """What the operations work with."""
    return around


async def read(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: a `delegation` for each who acts for the patient, or for whom they act.

    Raises:
        Forbidden: no scope to read Consents, or the caller does not decide for the patient (403).
        NotFound: no such patient, or not for this caller (404).
    """
    await _by(call, context, "r", {"holder", "administrator"})
    return _answer(await listing.of(context.repository.as_server(), call.id or "", datetime.now(UTC)))


async def match(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the `transaction` under which whoever was named can be invited, the same for nobody.

    Raises:
        Forbidden, NotFound: as `read`, of a scope to update Consents.
        NotSupported: this server has no caregivers (400).
        InvalidParameter: what names them is not of its kind (400).
        TooManyRequests: too many were named in a while (429).
    """
    await _by(call, context, "u", {"holder"})
    _require_kind(here, _bond(call))
    word, until = await matching.match(here, call.id or "", _identity(call), datetime.now(UTC))
    rows = [
        {"name": "transaction", "valueString": word},
        {"name": "expires", "valueDateTime": until.isoformat(timespec="seconds")},
    ]
    return answered(rows)


async def invite(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`: the invitation.

    Raises:
        Forbidden, NotFound, NotSupported: as `match`.
        InvalidParameter: the end is not a date, or the kind is none (400).
        Invalid: it cannot be; the code stands in the details (422).
        Conflict: others kept changing the same (409).
    """
    by = await _by(call, context, "u", {"holder"})
    bond = _bond(call)
    _require_kind(here, bond)
    now, patient, said = _now(), call.id or "", call.inputs.one("end")
    end = last_moment(said) if said else None
    if said and end is None:
        raise InvalidParameter("The end is a date.", element("end"))
    if bond.invites == "representative":
        if by == f"Patient/{patient}":
            raise refused("NOT_A_REPRESENTATIVE")
        if call.inputs.one("declaration") != "true":
            raise refused("DECLARATION_NEEDED")
    delegate = await matching.named(here, patient, call.inputs.one("transaction") or "")
    if delegate is None:
        raise refused("PROFILE_NOT_FOUND")
    id = delegation_id(patient, delegate, bond.kind)
    async with settling.settled(here, id, patient, now):
        await changing.invite(context.repository, patient, delegate, by, end, now, bond.kind)
    await telling.tell(here, id, by, now)
    return await _of(context, patient, id)


async def attach(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`: the legal representative of a minor, whom the operator names.

    Raises:
        Forbidden, NotFound: as `match`; the caller is not the operator (403).
        InvalidParameter: what names them is not of its kind (400).
        Invalid, Conflict: as `invite`.
    """
    by = await _by(call, context, "u", {"administrator"})
    now, patient = _now(), call.id or ""
    delegate = await people.matched(context.repository.as_server(), _identity(call), now)
    if delegate is None or delegate == patient:
        raise refused("PROFILE_NOT_FOUND")
    id = delegation_id(patient, delegate, "representation")
    async with settling.settled(here, id, patient, now):
        await changing.attach(context.repository, patient, delegate, by, now)
    await telling.tell(here, id, "", now)
    return await _of(context, patient, id)


async def answer(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`: what became of the invitation.

    Raises:
        Forbidden, NotFound, NotSupported: as `match`; there is no such invitation of the caller's (404).
        InvalidParameter: what is said is neither yes nor no (400).
        Invalid, Conflict: as `invite`.
    """
    by = await _by(call, context, "u", {"holder"})
    said, person, now = call.inputs.one("accept"), call.id or "", _now()
    if said not in ("true", "false"):
        # A refusal is not taken back.
        raise InvalidParameter("Whether it is accepted is true or false.", element("accept"))
    id = call.inputs.one("delegation") or ""
    asked = from_consent(tree_of(await context.repository.as_server().current("Consent", id)))
    if said == "true":
        _require_kind(here, BONDS[asked.kind if asked is not None else "caregiving"])
    async with settling.settled(here, id, person, now):
        one = await changing.answer(context.repository, id, person, said == "true", by, now)
    await telling.tell(here, id, by, now)
    return await _of(context, person, one.id)


async def end(here: Surroundings, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`: what is left of it.

    Raises:
        Forbidden, NotFound: as `match`, of the caller's delegation (404).
        Invalid: it has ended, or not by the caller, or a reason is missing (422).
        InvalidParameter: the reason is too long (400).
        Conflict: as `invite`.
    """
    by = await _by(call, context, "u", {"holder", "administrator"})
    person, id, now = call.id or "", call.inputs.one("delegation") or "", _now()
    reason = (call.inputs.one("reason") or "").strip()
    if len(reason) > _LONGEST_REASON:
        raise InvalidParameter(f"A reason has at most {_LONGEST_REASON} characters.", element("reason"))
    is_operator = not context.repository.grant.subject
    choice = choices.from_consent(tree_of(await context.repository.as_server().current("Consent", id)))
    if choice is not None and (choice.kind, choice.patient) == ("administrator", person):
        # A professional who helps with the space is a choice of the record.
        released = Wanted("administrator", choice.professional, chosen=False)
        await choosing.choose(context.repository, person, [released], timedelta())
        return await _of(context, person, id)
    async with settling.settled(here, id, person, now):
        await ending.end(context.repository, id, Asker(person, by, is_operator, reason), now)
    await telling.tell(here, id, "" if is_operator else by, now)
    return await _of(context, person, id)


def _bond(call: Invocation) -> Bond:
    """What is asked for; of whom nothing is said, a caregiver."""
    said = call.inputs.one("kind") or "CAREGIVING"
    if said not in NAMED:
        raise InvalidParameter(f"The kind is one of {', '.join(NAMED)}.", element("kind"))
    return NAMED[said]


def _identity(call: Invocation) -> Identity:
    said = {name: (call.inputs.one(name) or "").strip() for name in ("ins", "given", "family", "birthDate")}
    for name, value in said.items():
        if not 0 < len(value) <= _LONGEST or (name == "birthDate" and not _DAY.fullmatch(value)):
            raise InvalidParameter("Somebody is named by INS, given name, family name and day of birth.", element(name))
    return Identity(said["ins"], said["given"], said["family"], said["birthDate"])


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def _by(call: Invocation, context: Context, verb: str, may: set[str]) -> str:
    """Who decides, as a reference: the holder, or the operator for them."""
    repository = context.repository
    grant = repository.grant
    who = await choosing.decider(repository.as_server(), grant, call.id or "")
    require_all(grant, "Consent", verb)
    if who not in may:
        raise Forbidden("Only the person themself decides on who acts for them, and for whom they act.")
    return choosing.performer(grant, call.id or "")


def _require_kind(here: Surroundings, bond: Bond) -> None:
    if bond.kind == "caregiving" and here.settings.caregivers == "off":
        raise NotSupported("This server lets nobody invite a caregiver.")


async def _of(context: Context, person: str, id: str) -> Response:
    rows = await listing.of(context.repository.as_server(), person, datetime.now(UTC))
    return _answer([one for one in rows if one.id == id])


def _answer(rows: Sequence[Row]) -> Response:
    return answered([_row(one) for one in rows])


def _row(one: Row) -> dict[str, Any]:
    instants = {"created": one.created, "expires": one.expires, "start": one.start, "end": one.end}
    return {
        "name": "delegation",
        "part": [
            {"name": "id", "valueId": one.id},
            {"name": "kind", "valueCode": one.kind},
            {"name": "direction", "valueCode": one.direction},
            {"name": "status", "valueCode": one.status},
            {"name": "person", "valueString": one.name or "?"},
            *(
                {"name": name, "valueDateTime": at.astimezone(UTC).isoformat(timespec="seconds")}
                for name, at in instants.items()
                if at is not None
            ),
        ],
    }
