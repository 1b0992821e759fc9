"""Qui a consulté mon dossier: who opened the record, with what, why and when last. CSP R1111-43."""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.site.signed_in import Guest
from fhir_server.space.accesses.recent import recent
from fhir_server.space.record.pages.documents import record, whose
from fhir_server.space.record.pages.people import SITE, of_patient
from fhir_server.space.service import Surroundings


async def choose(guest: Guest[Surroundings]) -> Response:
    """Whose record; or at once that of the one patient there is."""
    return await whose(guest, "/mes-acces")


async def show(guest: Guest[Surroundings]) -> Response:
    """The accesses to one record."""
    patient = guest.path("patient")
    if of_patient(guest) is None:
        return guest.nothing()
    values = {
        **await record(guest, patient),
        "accesses": await recent(guest.entrance, guest.account, patient),
        "site": SITE,
    }
    return guest.page("record/accesses", values)
