"""What somebody is told of, over REST: read, and chosen. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-notice-preferences and Patient-notice-prefer. A person has one
set of preferences, for themself and for those they act for; the patient says for whom they ask, and an administrator's
software asks for the holder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.access.challenge import require_all
from fhir_server.access.write_rules import administers
from fhir_server.fhir.outcome import InvalidParameter, NotFound
from fhir_server.interactions.exchange import Context, Response
from fhir_server.jobs.outbox import Channel
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.space.notices.occasions import KINDS, Kind
from fhir_server.space.notices.preferences import CHANNELS, Preferences, prefer, preferences
from fhir_server.space.notices.telling import Notices

_PARTS = frozenset({"kind", "channel", "on"})


async def read(here: Notices, call: Invocation, context: Context) -> Response:
    """200 with Parameters: for each kind and channel whether the person is written to.

    Raises:
        Forbidden: the token has no scope to read Patients (403).
        NotFound: no such patient, or not for this caller (404).
    """
    person = await _person(context, call.id or "", "r")
    return _answer(await preferences(here.records, person))


async def choose(here: Notices, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`: what was not spoken of is as it was.

    Raises:
        Forbidden, NotFound: as `read`, of a scope to update Patients.
        InvalidParameter: a preference is not made of its parts, or is there twice (400).
    """
    person = await _person(context, call.id or "", "u")
    rows = call.inputs.parts.get("preference", [])
    wanted = _wanted(rows)
    return _answer(await prefer(here.records, person, wanted))


async def _person(context: Context, patient: str, verb: str) -> str:
    """Whose preferences are asked for: the caller's; those of nobody else are said to be there."""
    repository = context.repository
    grant = repository.grant
    if not grant.own:
        require_all(grant, "Patient", verb)
    subject = grant.subject or ""
    acts = subject == f"Patient/{patient}" or (bool(subject) and patient in grant.wards)
    administrator = not subject and (grant.own or administers(grant))
    if grant.patient not in (None, patient) or not (acts or administrator):
        raise NotFound("There is no such Patient.")
    # As the caller sees it: absent, closed to them and theirs no more are answered alike, and it is traced.
    await repository.read("Patient", patient)
    return subject or f"Patient/{patient}"


def _wanted(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Kind, Channel], bool]:
    if not rows:
        raise InvalidParameter("The operation takes parameters preference.", "Parameters.parameter")
    found: dict[tuple[Kind, Channel], bool] = {}
    for number, row in enumerate(rows):
        where = f"Parameters.parameter[{number}].part"
        kind = next((one for one in KINDS if one == row.get("kind")), None)
        channel = next((one for one in CHANNELS if one == row.get("channel")), None)
        if kind is None:
            raise InvalidParameter(f"The kind of a preference is one of {', '.join(KINDS)}.", where)
        if channel is None:
            raise InvalidParameter(f"The channel of a preference is one of {', '.join(CHANNELS)}.", where)
        if not isinstance(row.get("on"), bool):
            raise InvalidParameter("Whether a preference is on is a boolean.", where)
        if unknown := row.keys() - _PARTS:
            raise InvalidParameter(f"A preference has no part {min(unknown)[:64]}.", where, code="not-supported")
        if (kind, channel) in found:
            raise InvalidParameter("Each kind and channel stands once in a call.", where)
        found[kind, channel] = row["on"]
    return found


def _answer(chosen: Preferences) -> Response:
    rows = [
        {
            "name": "preference",
            "part": [
                {"name": "kind", "valueCode": kind},
                {"name": "channel", "valueCode": channel},
                {"name": "on", "valueBoolean": chosen.wants(kind, channel)},
            ],
        }
        for kind in KINDS
        for channel in CHANNELS
    ]
    return answered(rows)
