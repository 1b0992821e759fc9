"""Reminders of an appointment, over REST: read, and chosen. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Appointment-remind and Appointment-reminders. They are the patient's,
whoever made the appointment: who acts for the patient chooses them, and no professional reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.write_rules import administers
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, Invalid, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.space.agenda.authors import is_patients
from fhir_server.space.agenda.model import actors
from fhir_server.space.agenda.reminders.keeping import COMING, FARTHEST_MINUTES, MOST, Reminders

UCUM = "http://unitsofmeasure.org"
#: UCUM code of a duration → its minutes.
UNITS: Mapping[str, int] = {"min": 1, "h": 60, "d": 1440, "wk": 10_080}


async def read(here: Reminders, call: Invocation, context: Context) -> Response:
    """200 with Parameters: how long before the appointment its patient is reminded of it, the longest last.

    Raises:
        NotFound: no such appointment, or not for this caller (404).
        Forbidden: it is not the caller's patient's (403).
    """
    id, patients = await _of(call, context)
    return _answer(await here.chosen(id, patients[0]))


async def choose(here: Reminders, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`: those given, and no others any more.

    Raises:
        NotFound, Forbidden: as `read`; or no scope to update Appointments (403).
        InvalidParameter: too many, or one that is no duration in minutes, hours, days or weeks up to a year (400).
        Invalid: the appointment is not to come (422).
    """
    context.repository.require("Appointment", "u")
    id, patients = await _of(call, context)
    minutes = _minutes(call.inputs.several.get("before", ()))
    if minutes and parse((await call.stored(context)).body).get("status") not in COMING:
        words = "The appointment is not to come: nobody is reminded of it."
        raise Invalid(words, "Appointment.status", code="business-rule", key="agenda-reminder")
    for patient in patients:
        await here.choose(id, patient, minutes, datetime.now(UTC))
    return _answer(minutes)


async def _of(call: Invocation, context: Context) -> tuple[str, list[str]]:
    """The appointment's id, and those of its patients for whom the caller acts; at least one."""
    version, grant = await call.stored(context), context.repository.grant
    named = [one for one in actors(parse(version.body), context.base) if one.startswith("Patient/")]
    found = [one.removeprefix("Patient/") for one in dict.fromkeys(named) if _acts(grant, one)]
    if not found:
        raise Forbidden("Reminders of an appointment are its patient's.", "Appointment.participant")
    return version.id, found


def _acts(grant: Grant, patient: str) -> bool:
    if grant.own or administers(grant):
        return True
    id = patient.removeprefix("Patient/")
    return is_patients(grant) and (
        grant.patient == id if grant.patient is not None else patient == grant.subject or id in grant.wards
    )


def _minutes(rows: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    if len(rows) > MOST:
        raise InvalidParameter(f"An appointment has {MOST} reminders at most.", "Parameters.parameter")
    found = [_of_duration(row, f"Parameters.parameter[{number}].valueDuration") for number, row in enumerate(rows)]
    return tuple(sorted(set(found)))


def _of_duration(row: Mapping[str, Any], where: str) -> int:
    unit, value = row.get("code"), row.get("value")
    if row.get("system", UCUM) != UCUM or not isinstance(unit, str) or unit not in UNITS:
        raise InvalidParameter(f"A reminder is so many {', '.join(UNITS)} (UCUM) before.", where)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= FARTHEST_MINUTES:
        raise InvalidParameter("A reminder is a year before at most.", where)
    minutes = value * UNITS[unit]
    if minutes > FARTHEST_MINUTES or minutes != int(minutes):
        raise InvalidParameter("A reminder is so many whole minutes before, a year at most.", where)
    return int(minutes)


def _answer(minutes: Sequence[int]) -> Response:
    durations = [{"value": one, "unit": "min", "system": UCUM, "code": "min"} for one in minutes]
    rows = [{"name": "before", "valueDuration": one} for one in durations]
    return answered(rows)
