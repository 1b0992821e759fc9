"""One entry of an agenda: noted, changed, cancelled and deleted by its person; read where software made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.fhir.dates import begins
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.notebook import URIS, saying
from fhir_server.space.agenda.notebook import entry as own_entry
from fhir_server.space.agenda.pages.agenda import about
from fhir_server.space.agenda.pages.entries import WITH, Entry, Tree, entry, of_patient, words_of
from fhir_server.space.agenda.pages.noting import NOTES, TITLE, Noted, noted, number, parsed_day
from fhir_server.space.agenda.pages.refusals import refused
from fhir_server.space.agenda.pages.reminding import chosen, keep, offered, ticked, wrong
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.service import Surroundings

#: What a button does → the status that an own entry has then, and how the next page says it.
STATUSES = {"cancel": ("cancelled", "cancelled"), "restore": ("booked", "restored")}


async def new(guest: Guest[Surroundings]) -> Response:
    """The form of an entry that is not there yet."""
    if of_patient(guest) is None:
        return guest.nothing()
    coming = datetime.now(_zone(guest)) + timedelta(hours=1)
    day = parsed_day(guest.query("jour")) or coming.date()
    return await _form(guest, {"day": day.isoformat(), "start": f"{coming:%H}:00", "kind": "appointment"})


async def add(guest: Guest[Surroundings]) -> Response:
    """An entry noted; the same form sent twice makes one."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    made = noted(guest, _zone(guest))
    if made.errors or made.lasts is None:
        return await _form(guest, made.fields, made.errors, status=400)
    given = number(guest)
    tree = _said(own_entry(f"Patient/{asking.grant.patient}", given), made)
    try:
        stored = await asking.create(tree, unless=f"identifier={URIS}|urn:uuid:{given}")
        await keep(asking, stored["id"], ticked(guest) or ((0,) if made.fields["kind"] == "reminder" else ()))
    except FhirError as error:
        return await _form(guest, made.fields, refusals=refused(error), status=error.status)
    return _to_month(guest, tree, "added")


async def show(guest: Guest[Surroundings]) -> Response:
    """One entry: a form where it is the person's own."""
    asking = of_patient(guest)
    found = None if asking is None else await _read(guest, asking)
    if asking is None or found is None:
        return guest.nothing()
    tree, shown = found
    if not shown.own:
        return await _read_only(guest, shown, await chosen(asking, shown.id))
    return await _form(guest, words_of(tree, _zone(guest)), one=shown, reminders=await chosen(asking, shown.id))


async def change(guest: Guest[Surroundings]) -> Response:
    """An own entry changed, cancelled, restored or deleted; of any, when one is reminded of it."""
    asking = of_patient(guest)
    found = None if asking is None else await _read(guest, asking)
    if asking is None or found is None:
        return guest.nothing()
    tree, shown = found
    act = guest.field("act", 20)
    if act == "remind" and shown.is_to_come:
        return await _reminded(guest, asking, shown)
    if not shown.own:
        return guest.nothing()
    if act == "delete":
        return await _done(guest, asking, tree, shown, None, "deleted")
    if act in STATUSES:
        status, done = STATUSES[act]
        return await _done(guest, asking, tree, shown, {**tree, "status": status}, done)
    made = noted(guest, _zone(guest))
    if made.errors or made.lasts is None:
        return await _form(guest, made.fields, made.errors, one=shown, status=400)
    return await _done(guest, asking, tree, shown, _said(tree, made), "changed", made.fields)


async def _reminded(guest: Guest[Surroundings], asking: Asking, shown: Entry) -> Response:
    """The reminders of an entry chosen anew."""
    minutes = ticked(guest)
    refusals: tuple[Refusal, ...] = ()
    if not wrong(minutes):
        try:
            await keep(asking, shown.id, minutes)
        except FhirError as error:
            refusals = refused(error)
        else:
            return guest.to(f"/mon-agenda/{guest.path('patient')}?mois={shown.start:%Y-%m}&done=reminded")
    return await _read_only(guest, shown, minutes, wrong(minutes), refusals)


async def _read_only(
    guest: Guest[Surroundings],
    shown: Entry,
    minutes: tuple[int, ...],
    error: str = "",
    refusals: tuple[Refusal, ...] = (),
) -> Response:
    values = {**await about(guest), **offered(minutes), "one": shown, "error": error, "refusals": refusals}
    return guest.page("agenda/appointment", values, 400 if error or refusals else 200)


async def _done(
    guest: Guest[Surroundings],
    asking: Asking,
    tree: Tree,
    shown: Entry,
    after: Tree | None,
    done: str,
    fields: Mapping[str, str] | None = None,
) -> Response:
    """What was asked done, of the version that the form showed; `after` is None for a deletion."""
    version = guest.field("version", 64) or tree["meta"]["versionId"]
    try:
        if after is None:
            await asking.delete("Appointment", tree["id"])
        else:
            await asking.update({**after, "meta": {**after["meta"], "versionId": version}})
    except FhirError as error:
        words = fields or words_of(tree, _zone(guest))
        return await _form(guest, words, refusals=refused(error), one=shown, status=error.status)
    return _to_month(guest, after or tree, done)


async def _read(guest: Guest[Surroundings], asking: Asking) -> tuple[Tree, Entry] | None:
    """The Appointment of the address, which is of this patient's agenda."""
    whose = ("patient", f"Patient/{asking.grant.patient}")
    found = await asking.find("Appointment", [("_id", guest.path("appointment")), whose, *WITH])
    tree = next(iter(found.trees), None)
    shown = None if tree is None else entry(tree, found.included, _zone(guest))
    return None if tree is None or shown is None else (tree, shown)


async def _form(
    guest: Guest[Surroundings],
    fields: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    refusals: tuple[Refusal, ...] = (),
    one: Entry | None = None,
    status: int = 200,
    reminders: tuple[int, ...] | None = None,
) -> Response:
    values: dict[str, Any] = {
        **await about(guest),
        **offered(ticked(guest) if reminders is None else reminders),
        "fields": fields,
        "errors": errors or {},
        "refusals": refusals,
        "one": one,
        "number": number(guest),
        "most": (TITLE, NOTES),
    }
    return guest.page("agenda/entry", values, status)


def _said(tree: Tree, made: Noted) -> Tree:
    assert made.lasts is not None
    fields = made.fields
    reminds = fields["kind"] == "reminder"
    return saying(tree, fields["title"], fields["notes"], fields["with"], made.lasts, reminds)


def _to_month(guest: Guest[Surroundings], tree: Tree, done: str) -> Response:
    at = begins(tree["start"], _zone(guest))
    month = "" if at is None else f"mois={at.year:04}-{at:%m}&"
    return guest.to(f"/mon-agenda/{guest.path('patient')}?{month}done={done}")


def _zone(guest: Guest[Surroundings]) -> ZoneInfo:
    return ZoneInfo(guest.service.settings.default_timezone)
