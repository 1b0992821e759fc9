"""Prevention over REST: read, and spoken of. https://hl7.org/fhir/R4/operations.html

https://fhir-server.example/OperationDefinition/Patient-prevention and Patient-prevention-mark. Decree of 24 May 2024
(CSP R1111-27): the reason stands with each item, and a person refuses to be told of it at any time, without a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.access.challenge import require_all
from fhir_server.access.write_rules import administers
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.space.agenda.authors import is_patients
from fhir_server.space.agenda.prevention import calendar
from fhir_server.space.agenda.prevention.calendar import Due
from fhir_server.space.agenda.prevention.marks import STATUSES, Mark, Marks, change, marks
from fhir_server.space.agenda.reminders.keeping import Reminders

#: How far back and ahead is shown where the caller does not say.
AROUND = timedelta(days=366)
Tree = dict[str, Any]


async def read(here: Reminders, call: Invocation, context: Context) -> Response:
    """200 with Parameters: what is due to the patient between two days, the earliest first, with what they say of it.

    Raises:
        Forbidden: the caller is not the patient's side, or has no scope to read Patients (403).
        NotFound: no such patient, or not for this caller (404).
        InvalidParameter: `from` or `to` is no day (400).
    """
    tree = await _patient(context, call.id or "", "r")
    today = _today(context)
    low, high = _day(call, "from") or today - AROUND, _day(call, "to") or today + AROUND
    found = [one for one in calendar.of(tree, today) if one.start <= high and one.end > low]
    said = await marks(here.records, str(call.id))
    return _answer(sorted(found, key=lambda one: (one.start, one.item.code)), said, today)


async def mark(here: Reminders, call: Invocation, context: Context) -> Response:
    """200 with Parameters, as `read`, of the one item.

    Raises:
        Forbidden, NotFound: as `read`, of a scope to update Patients.
        InvalidParameter: there is no such item, or what is said of it is wrong (400).
    """
    tree = await _patient(context, call.id or "", "u")
    today, inputs = _today(context), call.inputs
    code, start = inputs.one("code"), _day(call, "start")
    dues = [one for one in calendar.of(tree, today) if one.item.code == code]
    if not dues:
        raise InvalidParameter("There is no such item of prevention for this patient.", "http.code")
    due = next((one for one in dues if one.start == start), None)
    said = _said(call, tree, today)
    if said is not None and due is None:
        raise InvalidParameter("The item of prevention does not begin on that day.", "http.start")
    refused = inputs.one("refused")
    if refused not in (None, "true", "false"):
        raise InvalidParameter("Whether it is refused is true or false.", "http.refused")
    if said is None and refused is None:
        raise InvalidParameter("The operation takes a status, or refused.", "http.status", code="required")

    def changed(before: Marks) -> Marks:
        after = before if said is None or due is None else before.marked(due.key, said)
        return after if refused is None else after.refusing(str(code), refused == "true")

    after = await change(here.records, str(call.id), changed)
    return _answer([due] if due is not None else dues, after, today)


async def _patient(context: Context, patient: str, verb: str) -> Tree:
    """The Patient, as far as the caller acts for them."""
    repository = context.repository
    grant = repository.grant
    if not grant.own:
        require_all(grant, "Patient", verb)
    tree = parse((await repository.read("Patient", patient)).body)
    acts = grant.patient == patient or (
        grant.patient is None and (grant.subject == f"Patient/{patient}" or patient in grant.wards)
    )
    if not (grant.own or administers(grant) or (is_patients(grant) and acts)):
        raise Forbidden("Prevention is shown to the patient's side alone.", "Patient")
    return tree


def _said(call: Invocation, tree: Tree, today: date) -> Mark | None:
    status, executed = call.inputs.one("status"), _day(call, "executed")
    known = next((one for one in STATUSES if one == status), None)
    if status is not None and known is None:
        raise InvalidParameter(f"The status is one of {', '.join(STATUSES)}.", "http.status")
    if executed is None:
        return None if known is None else Mark(known)
    born = calendar.birth(tree)
    if known != "DONE":
        raise InvalidParameter("A day of execution is of what is DONE.", "http.executed")
    if executed > today or (born is not None and executed < born):
        raise InvalidParameter("It was done after the birth, and not later than today.", "http.executed")
    return Mark(known, executed)


def _day(call: Invocation, name: str) -> date | None:
    said = call.inputs.one(name)
    if said is None:
        return None
    try:
        found = date.fromisoformat(said) if len(said) == 10 else None
    except ValueError:
        found = None
    if found is None:
        raise InvalidParameter("A day is written YYYY-MM-DD.", f"http.{name}")
    return found


def _today(context: Context) -> date:
    return datetime.now(ZoneInfo(context.settings.default_timezone)).date()


def _answer(found: Sequence[Due], said: Marks, today: date) -> Response:
    rows = [{"name": "item", "part": [*_parts(one, said, today)]} for one in found]
    return answered(rows)


def _parts(one: Due, said: Marks, today: date) -> Iterator[Tree]:
    item, mark = one.item, said.of(one, today)
    yield {"name": "code", "valueCode": item.code}
    yield {"name": "kind", "valueCode": item.kind}
    yield {"name": "title", "valueString": item.title[0]}
    yield {"name": "reason", "valueString": item.reason[0]}
    yield {"name": "requirement", "valueCode": item.requirement}
    yield {"name": "source", "valueString": calendar.calendar(today).sources[item.source]}
    yield {"name": "start", "valueDate": one.start.isoformat()}
    yield {"name": "end", "valueDate": (one.end - timedelta(days=1)).isoformat()}
    yield {"name": "status", "valueCode": mark.status}
    if mark.executed is not None:
        yield {"name": "executed", "valueDate": mark.executed.isoformat()}
    yield {"name": "refused", "valueBoolean": item.code in said.refused}
    if item.certificate is not None:
        yield {"name": "certificate", "valuePositiveInt": item.certificate}
