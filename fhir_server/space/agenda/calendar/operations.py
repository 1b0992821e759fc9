"""The agenda as a file, and the address at which calendar programs subscribe to it, over REST.

https://fhir-server.example/OperationDefinition/Patient-calendar-address and Patient-export-agenda.
https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_server.access.challenge import require_all
from fhir_server.fhir.json import instant, parse
from fhir_server.fhir.outcome import Forbidden, InvalidParameter, NotFound
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Inputs, Invocation, answered
from fhir_server.space.agenda.calendar import addresses
from fhir_server.space.agenda.calendar.addresses import EARLIEST_ALARM, MOST_ALARMS, Address, Shown
from fhir_server.space.agenda.calendar.feed import Calendars

TYPE = "text/calendar; charset=utf-8"
_BOOLEANS = {"true": True, "false": False}


async def choose(here: Calendars, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the address, whose `url` is told only when it is made.

    Raises:
        Forbidden: the token does not let its holder read all of these appointments, or is an app's of the catalogue.
        NotFound: no such patient, not for this caller, or there is no address to change or to end (404).
        InvalidParameter: a parameter is none of its values (400).
    """
    patient = call.id or ""
    person = await _person(context, patient)
    records, now = here.around.records, datetime.now(UTC)
    match action := call.inputs.one("action") or "make":
        case "make":
            secret = await addresses.make(records, person, patient, shown_of(call.inputs, Shown()), now)
            return _answer(await _there(here, person, patient), here.around.address(addresses.path(secret)))
        case "show":
            return _answer(await _there(here, person, patient))
        case "change":
            before = await _there(here, person, patient)
            await addresses.change(records, person, patient, shown_of(call.inputs, before.shown), now)
            return _answer(await _there(here, person, patient))
        case "revoke":
            if not await addresses.revoke(records, person, patient):
                raise _none()
            return answered([])
    raise InvalidParameter(f"The action is make, show, change or revoke, not {action[:64]}.", "http.action")


async def export(here: Calendars, call: Invocation, context: Context) -> Response:
    """200 with the calendar: a Binary of `text/calendar`, as its content (R4 binary.html).

    Raises:
        Forbidden: no scope to search Appointments (403).
        NotFound: no such patient, or not for this caller (404).
        InvalidParameter: a parameter is none of its values (400).
    """
    repository, patient = context.repository, call.id or ""
    repository.require("Appointment", "s")
    version = await repository.read("Patient", patient)
    if parse(version.body).get("active") is False and not repository.grant.own:
        raise NotFound("There is no such Patient.")
    found = await here.feed(repository, patient, shown_of(call.inputs, Shown(content=True)), datetime.now(UTC))
    headers = {"ETag": found.tag, "Content-Disposition": 'attachment; filename="agenda.ics"'}
    return Response(200, found.body, TYPE, at=found.at, headers=headers)


def shown_of(inputs: Inputs, before: Shown) -> Shown:
    """What is asked to be told; what is not spoken of is as before.

    Raises:
        InvalidParameter: content is no boolean; there are too many alarms, or they are out of bounds (400).
    """
    content, alarms = inputs.one("content"), inputs.values.get("alarm")
    if content is not None and content not in _BOOLEANS:
        raise InvalidParameter("content is true or false.", "http.content")
    chosen = before.alarms if alarms is None else tuple(sorted({_minutes(one) for one in alarms}))
    if len(chosen) > MOST_ALARMS:
        raise InvalidParameter(f"An event has {MOST_ALARMS} alarms at most.", "http.alarm")
    return Shown(before.content if content is None else _BOOLEANS[content], chosen)


def _minutes(said: str) -> int:
    number = int(said) if said.isascii() and said.isdigit() and len(said) <= 6 else -1
    if not 0 <= number <= EARLIEST_ALARM:
        raise InvalidParameter(f"An alarm is 0 to {EARLIEST_ALARM} minutes before.", "http.alarm")
    return number


async def _person(context: Context, patient: str) -> str:
    """Who asks, for themself or for whom they act.

    An address outlives the token by which it is made and is read by whoever has it. So the token must show all that
    there will be, and an app of the catalogue, which people let in for a while and a purpose, makes none.
    """
    repository = context.repository
    grant = repository.grant
    require_all(grant, "Appointment", "s")
    subject = grant.subject or ""
    acts = subject == f"Patient/{patient}" or (bool(subject) and patient in grant.wards)
    if grant.patient not in (None, patient) or not acts:
        raise NotFound("There is no such Patient.")
    await repository.read("Patient", patient)
    if grant.referenced:
        raise Forbidden("An app of the catalogue makes no address: the person does, in their space.", "http")
    return subject


async def _there(here: Calendars, person: str, patient: str) -> Address:
    found = await addresses.address(here.around.records, person, patient)
    if found is None:
        raise _none()
    return found


def _none() -> NotFound:
    return NotFound("There is no calendar address.")


def _answer(found: Address, url: str | None = None) -> Response:
    rows: list[dict[str, Any]] = [
        *([{"name": "url", "valueUrl": url}] if url is not None else []),
        {"name": "since", "valueInstant": instant(found.since)},
        {"name": "content", "valueBoolean": found.shown.content},
        *({"name": "alarm", "valueInteger": one} for one in found.shown.alarms),
    ]
    headers = {"Cache-Control": "no-store"}
    return answered(rows, headers)
