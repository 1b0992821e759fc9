"""Qui a consulté mon dossier: who opened the record, from where, when, what of it and why, by day. CSP R1111-43."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.fhir.json import serialize
from fhir_server.interactions.exchange import FHIR_JSON
from fhir_server.site.signed_in import Guest
from fhir_server.space.accesses.consultations import Asked, Consultations, Teller
from fhir_server.space.accesses.exporting import bundle, table
from fhir_server.space.record.pages.days import day
from fhir_server.space.record.pages.documents import record, whose
from fhir_server.space.record.pages.people import SITE, of_patient, patients
from fhir_server.space.service import Surroundings

#: Who may be chosen: a reference of this server.
_WHO = re.compile(r"(Practitioner|RelatedPerson|Patient)/[A-Za-z0-9\-.]{1,64}")
#: Field of the form → what is wrong with it: "day" for no day, "order" where the last is before the first.
Errors = Mapping[str, str]


async def choose(guest: Guest[Surroundings]) -> Response:
    """Whose record; or at once that of the one patient there is."""
    return await whose(guest, "/mes-acces")


async def show(guest: Guest[Surroundings]) -> Response:
    """The accesses to one record, a page of them."""
    if of_patient(guest) is None:
        return guest.nothing()
    asked, errors = _asked(guest)
    found = Consultations(())
    if not errors:
        try:
            found = await (await _teller(guest)).tell(asked)
        except ValueError:
            return guest.nothing()
        await _recorded(guest)
    values: dict[str, Any] = {
        **await record(guest, guest.path("patient")),
        "days": [(day, list(rows)) for day, rows in groupby(found.rows, lambda one: one.day)],
        "next": _address(guest, suite=found.next) if found.next else "",
        "people": {one.reference: one.who for one in found.rows if one.reference},
        "files": [_address(guest, "/export", format=format) for format in ("csv", "fhir")],
        "typed": {name: guest.query(name) for name in ("du", "au", "qui")},
        "narrowed": any(guest.query(name) for name in ("du", "au", "qui")),
        "errors": errors,
    }
    return guest.page("record/accesses", values, 400 if errors else 200)


async def export(guest: Guest[Surroundings]) -> Response:
    """The same as a file: a table, or the AuditEvents."""
    if of_patient(guest) is None:
        return guest.nothing()
    asked, errors = _asked(guest)
    if errors:
        return guest.to(_address(guest))
    teller, language = await _teller(guest), int(guest.visit.language == "en")
    await _recorded(guest)
    if guest.query("format") == "fhir":
        return _file(serialize(await bundle(teller, asked)), FHIR_JSON, "json")
    return _file((await table(teller, asked, language)).encode(), "text/csv; charset=utf-8", "csv")


def _asked(guest: Guest[Surroundings]) -> tuple[Asked, Errors]:
    bounds: dict[str, date] = {}
    errors = {}
    for name in ("du", "au"):
        if typed := guest.query(name).strip():
            found = day(typed)
            if found is None:
                errors[name] = "day"
            else:
                bounds[name] = found
    if not errors and len(bounds) == 2 and bounds["au"] < bounds["du"]:
        errors["au"] = "order"
    known = who if _WHO.fullmatch(who := guest.query("qui")) else ""
    return Asked(guest.path("patient"), bounds.get("du"), bounds.get("au"), known, guest.query("suite")), errors


async def _teller(guest: Guest[Surroundings]) -> Teller:
    authorization, base = guest.entrance.authorization, guest.visit.addresses.base
    # Reading about accesses is one trace of its own, whatever is looked at for it.
    grant = replace(patients(guest.account, guest.path("patient")), traced=False)

    async def called(client: str) -> str:
        if client == SITE:
            return "ce site" if guest.visit.language == "fr" else "this site"
        found = await authorization.clients.get(client)
        return found.name if found is not None else client

    return Teller(
        await guest.service.seen_by(grant, base),
        guest.service.repository(base=base),
        called,
        ZoneInfo(guest.service.settings.default_timezone),
        authorization.verifier.place(base),
    )


async def _recorded(guest: Guest[Surroundings]) -> None:
    await guest.visit.record("accesses-shown", subject=guest.account.subject, patient=guest.path("patient"))


def _address(guest: Guest[Surroundings], under: str = "", **more: str) -> str:
    """An address of these pages with what is asked for, and more."""
    kept = {name: guest.query(name) for name in ("du", "au", "qui") if guest.query(name)}
    query = urlencode({**kept, **more})
    return f"/mes-acces/{guest.path('patient')}{under}{'?' if query else ''}{query}"


def _file(body: bytes, media_type: str, end: str) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="journal.{end}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type=media_type, headers=headers)
