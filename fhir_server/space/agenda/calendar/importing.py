"""A calendar taken into somebody's own agenda: all of it in one commit, or nothing.

https://fhir-server.example/OperationDefinition/Patient-import-agenda. Each entry is an Appointment under the event's
UID (guide GAP 3.0.0: UID → identifier), written as a conditional update, so that a calendar that is brought again
changes its entries and doubles none. https://hl7.org/fhir/R4/http.html#cond-update
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import Invalid, InvalidParameter, NotFound, TooLarge, Unavailable
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.interactions.routes import dispatch
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.search.kinds.values import escape
from fhir_server.space.agenda.authors import is_patients
from fhir_server.space.agenda.calendar.bounds import LARGEST
from fhir_server.space.agenda.calendar.feed import Calendars
from fhir_server.space.agenda.calendar.reading import Entry, read
from fhir_server.space.agenda.calendar.recurrence import Unreadable
from fhir_server.space.agenda.model import AUTHOR, PATIENT
from fhir_server.space.agenda.writing import LONGEST
from fhir_server.work.beside import Busy, Ended, Lost, aside

#: System of the UIDs of events.
UIDS = "https://fhir-server.example/NamingSystem/calendar-uid"
_TYPE = "text/calendar"
_PLACE = 200


async def take_in(_: Calendars, call: Invocation, context: Context) -> Response:
    """200 with Parameters: how many entries were made or changed, left as they are, and shortened.

    Raises:
        Forbidden: no scope to write Appointments (403).
        NotFound: no such patient, or the caller does not act for them (404).
        TooLarge: more than `LARGEST` bytes (413).
        Invalid: the calendar cannot be taken in, with the reason (422).
    """
    repository, patient = context.repository, call.id or ""
    for verb in "csu":
        repository.require("Appointment", verb)
    grant = repository.grant
    acts = grant.subject == f"Patient/{patient}" or patient in grant.wards or grant.patient == patient
    if not is_patients(grant) or not acts or grant.patient not in (None, patient):
        raise NotFound("There is no such Patient.")
    await repository.read("Patient", patient)
    found = await _read(_content(call.inputs.complex["calendar"]))
    known = await _known(context, found)
    taken = [one for one in found if one.uid.partition("#")[0] not in known]
    if taken:
        entries = [_entry(one, patient) for one in taken]
        body = serialize({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        await dispatch(Request("POST", (), body=body, content_type=FHIR_JSON), context)
    rows = {"imported": len(taken), "left": len(found) - len(taken), "shortened": sum(map(_is_long, taken))}
    told = [{"name": name, "valueInteger": count} for name, count in rows.items()]
    return answered(told)


def _content(binary: dict[str, Any]) -> bytes:
    data, said = binary.get("data"), str(binary.get("contentType", "")).partition(";")[0].strip().lower()
    if said != _TYPE or not isinstance(data, str):
        raise InvalidParameter(f"The calendar is a Binary of {_TYPE}, with data.", "Parameters.calendar")
    if len(data) > LARGEST * 4 // 3 + 4:
        raise TooLarge(f"A calendar has {LARGEST} bytes at most.", "Binary.data")
    try:
        return b64decode(data, validate=True)
    except ValueError:
        raise InvalidParameter("The data of a Binary is base64.", "Binary.data") from None


async def _read(data: bytes) -> Sequence[Entry]:
    """Beside the event loop: a calendar of a megabyte takes seconds."""
    try:
        return await aside(read, data)
    except Unreadable as wrong:
        raise Invalid(str(wrong), "Binary.data", code="business-rule", key="agenda-calendar") from None
    except Ended:
        raise Invalid("The calendar takes too long to read.", "Binary.data", code="too-costly") from None
    except (Busy, Lost):
        raise Unavailable("Too many long requests at once.", headers={"Retry-After": "5"}) from None


async def _known(context: Context, found: Sequence[Entry]) -> set[str]:
    """UIDs of events that this server itself wrote, of appointments that are still here: they are left as they are."""
    host = urlsplit(context.base).hostname or "localhost"
    uids = {one.uid.partition("#")[0] for one in found}
    ids = {uid.removesuffix(f"@{host}") for uid in uids if uid.endswith(f"@{host}")}
    there = await context.repository.there([("Appointment", id) for id in sorted(ids)])
    return {f"{id}@{host}" for _, id in there}


def _entry(one: Entry, patient: str) -> dict[str, Any]:
    """An entry of the transaction: of the patient's own notebook, whatever else has that identifier."""
    criteria = [
        ("identifier", f"{UIDS}|{escape(one.uid)}"),
        ("patient", f"Patient/{patient}"),
        ("_tag", f"{AUTHOR}|{PATIENT}"),
    ]
    place = [{"actor": {"type": "Location", "display": _cut(one.place, _PLACE)}, "status": "accepted"}]
    tree: dict[str, Any] = {
        "resourceType": "Appointment",
        "identifier": [{"system": UIDS, "value": one.uid}],
        "status": one.status,
        "start": one.start.isoformat(),
        "end": one.end.isoformat(),
        "participant": [
            {"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"},
            *(place if one.place else []),
        ],
    }
    tree |= {"description": _cut(one.title, LONGEST["description"])} if one.title else {}
    tree |= {"comment": _cut(one.notes, LONGEST["comment"])} if one.notes else {}
    return {"resource": tree, "request": {"method": "PUT", "url": f"Appointment?{urlencode(criteria)}"}}


def _is_long(one: Entry) -> bool:
    return len(one.title) > LONGEST["description"] or len(one.notes) > LONGEST["comment"] or len(one.place) > _PLACE


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
