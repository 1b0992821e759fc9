"""A calendar file (.ics) taken into one's own agenda: all of it, or nothing with the reason. RFC 5545.

`Patient/$import-agenda` does it; the form is whole without a script, and with one a file may be dropped on it.
"""

from __future__ import annotations

from base64 import b64encode

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.calendar.bounds import LARGEST, MOST
from fhir_server.space.agenda.pages.agenda import about
from fhir_server.space.agenda.pages.brought import refused
from fhir_server.space.agenda.pages.entries import of_patient
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.service import Surroundings

#: What the operation counts, in the order in which the page's address has it.
COUNTED = ("imported", "left", "shortened")


async def show(guest: Guest[Surroundings]) -> Response:
    """The form; and what the one before it brought."""
    return guest.nothing() if of_patient(guest) is None else await _page(guest)


async def bring(guest: Guest[Surroundings]) -> Response:
    """A file taken in; the same file again changes its entries and doubles none."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    body = guest.file("file")[1]
    wrong = "file" if not body else "large" if len(body) > LARGEST else ""
    if wrong:
        return await _page(guest, wrong, status=400)
    calendar = {"resourceType": "Binary", "contentType": "text/calendar", "data": b64encode(body).decode()}
    given = {"resourceType": "Parameters", "parameter": [{"name": "calendar", "resource": calendar}]}
    try:
        answer = await asking.operate(("Patient", str(asking.grant.patient), "$import-agenda"), given)
    except FhirError as error:
        return await _page(guest, refusals=refused(error), status=error.status)
    counts = {one["name"]: int(one["valueInteger"]) for one in answer["parameter"]}
    said = "&".join(f"{name}={counts[name]}" for name in COUNTED)
    return guest.to(f"/mon-agenda/{guest.path('patient')}/importer?{said}")


async def _page(
    guest: Guest[Surroundings], wrong: str = "", refusals: tuple[Refusal, ...] = (), status: int = 200
) -> Response:
    said = {name: guest.query(name) for name in COUNTED}
    are_counts = all(one.isascii() and one.isdigit() and len(one) <= 4 for one in said.values())
    values = {
        **await about(guest),
        "wrong": wrong,
        "refusals": refusals,
        "counts": {name: int(one) for name, one in said.items()} if are_counts else None,
        "most": MOST,
    }
    return guest.page("agenda/bringing", values, status)
