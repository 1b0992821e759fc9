"""A patient deletes documents that they added themself: ten at once at most, and only when they say so again; all that
they chose, or none of it.

CSP R1111-26 and following: what professionals and the insurance filed is not the holder's to delete. The deletion is
logical: status "entered-in-error", by which nobody finds the document again.
"""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.fhir.nos import DOCUMENT_TYPES
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.categories import OWN_TYPES
from fhir_server.space.record.pages.documents import WORDS, record, sheets
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.record.pages.sheets import Sheet
from fhir_server.space.service import Surroundings

#: Documents deleted at once, and shown to choose from.
MOST, SHOWN = 10, 100
_GONE = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]


async def show(guest: Guest[Surroundings]) -> Response:
    """The documents that may be chosen."""
    asking = of_patient(guest)
    return guest.nothing() if asking is None else await _choosing(guest, asking)


async def remove(guest: Guest[Surroundings]) -> Response:
    """What was chosen: shown again to be sure, then deleted."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    chosen = list(dict.fromkeys(guest.given.get("document", ())))
    if not 1 <= len(chosen) <= MOST:
        return await _choosing(guest, asking, "number", 400)
    found, _ = await sheets(asking, [("_id", ",".join(one[:64] for one in chosen)), ("status", "current")], MOST)
    own = [one for one in found if one.own]
    if len(own) < len(chosen):
        return await _choosing(guest, asking, "others", 400)
    if guest.field("sure") != "yes":
        values = {**await record(guest, guest.path("patient")), "documents": own, **WORDS}
        return guest.page("record/removing-sure", values)
    return await _removed(guest, asking, own)


async def _removed(guest: Guest[Surroundings], asking: Asking, own: list[Sheet]) -> Response:
    try:
        await asking.patch_all([dict(one.tree) for one in own], _GONE)
    except FhirError as error:
        return await _choosing(guest, asking, status=error.status, errors=refused(error))
    return guest.to(f"/mon-dossier/{guest.path('patient')}?done=deleted")


async def _choosing(
    guest: Guest[Surroundings], asking: Asking, error: str = "", status: int = 200, errors: list[Refusal] | None = None
) -> Response:
    types = ",".join(f"{DOCUMENT_TYPES}|{code}" for code, _ in OWN_TYPES)
    found, _ = await sheets(asking, [("type", types), ("status", "current"), ("_sort", "-date")], SHOWN)
    values = {
        **await record(guest, guest.path("patient")),
        "documents": [one for one in found if one.own],
        "error": error,
        "errors": errors or [],
        "most": MOST,
        **WORDS,
    }
    return guest.page("record/removing", values, status)
