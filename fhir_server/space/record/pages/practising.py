"""What a professional does with a record: notes that the patient agreed, opens it in an emergency, masks a document.

CSP R1111-47 and R1111-48: an agreement is the patient's, and told to them; an emergency needs its reason in words, is
told to the patient and to the attending doctor, and ends.
"""

from __future__ import annotations

from dataclasses import replace

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.authorizing.purpose_of_use import read
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages.choosing import choose
from fhir_server.space.record.pages.document import document
from fhir_server.space.record.pages.openings import asked_for, begin, found
from fhir_server.space.record.pages.practice import listed, page
from fhir_server.space.record.pages.refusals import refused
from fhir_server.space.record.pages.searches import Search
from fhir_server.space.record.pages.visibility import mask
from fhir_server.space.service import Surroundings


async def agree(guest: Guest[Surroundings]) -> Response:
    """The professional says that the patient agreed to their reading the record."""
    here = await found(guest)
    if here is None:
        return guest.nothing()
    if guest.field("agreed") != "yes":
        return await listed(guest, *here, Search(), errors={"agreed": "agreed"}, status=400)
    try:
        await choose(here[1], [("authorised", True)], guest.account.subject)
    except FhirError as error:
        return await listed(guest, *here, Search(), tuple(refused(error)), status=error.status)
    return guest.to(f"/patients/{here[0].patient}?done=agreed")


async def hurry(guest: Guest[Surroundings]) -> Response:
    """The record opened in an emergency, with its reason in words; or for regulation, where that is the work."""
    here = await found(guest)
    if here is None:
        return guest.nothing()
    said = read(guest.given, guest.session)
    if isinstance(said, str):
        return await listed(guest, *here, Search(), errors={"reason": said}, status=400)
    purpose, reason = said
    await begin(guest, here[0].patient, purpose, reason)
    return guest.to(f"/patients/{here[0].patient}{'' if purpose == 'TREAT' else '?done=urgent'}")


async def change(guest: Guest[Surroundings]) -> Response:
    """A document masked, or shown again, by who wrote it; why, in words, stands in the trace that the patient reads."""
    here = await found(guest)
    one = None if here is None else await document(here[1], guest.path("document"))
    if here is None or one is None:
        return guest.nothing()
    masked = guest.field("masked") == "yes"
    given = read({**guest.given, "purpose": ("BTG",)}, guest.session)
    if isinstance(given, str):
        return await page(guest, *here, one, error=given, status=400)
    try:
        await mask(asked_for(guest, replace(here[0], reason=None), given[1]), one.tree, masked)
    except FhirError as error:
        return await page(guest, *here, one, tuple(refused(error)), status=error.status)
    done = "masked" if masked else "unmasked"
    return guest.to(f"/patients/{here[0].patient}/document/{one.id}?done={done}")
