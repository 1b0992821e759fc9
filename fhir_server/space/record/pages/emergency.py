"""En cas d'urgence: which emergencies open the record, what is seen then, and whether new documents are masked.

CSP R1111-48 and L1111-17: the medical regulation centre (centre 15), and any professional whose patient cannot answer,
unless the patient refused beforehand. Each time the patient and the attending doctor are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError, Forbidden
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.choices import Kind
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.choosing import choose, made
from fhir_server.space.record.pages.documents import record
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.service import Surroundings

#: Name of a box → the choice it is, and whether the choice is made when the box is ticked: people allow, law refuses.
BOXES: Mapping[str, tuple[Kind, bool]] = {
    "regulation": ("regulation-refused", False),
    "btg": ("btg-refused", False),
    "masked": ("emergency-sees-masked", True),
    "default": ("masked-by-default", True),
}


async def show(guest: Guest[Surroundings]) -> Response:
    """The page about access in an emergency, of who has a record."""
    asking = of_patient(guest)
    return guest.nothing() if asking is None else await _page(guest, asking)


async def change(guest: Guest[Surroundings]) -> Response:
    """What is ticked, kept."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    ticked = set(guest.given.get("box", ()))
    wanted = [(kind, (name in ticked) is chosen) for name, (kind, chosen) in BOXES.items()]
    try:
        now = {one.kind: one.chosen for one in await made(asking)}
        await choose(asking, [one for one in wanted if now.get(one[0], False) != one[1]])
    except FhirError as error:
        return await _page(guest, asking, refused(error), error.status)
    return guest.to(f"/mon-dossier/{guest.path('patient')}/urgence?done=kept")


async def _page(
    guest: Guest[Surroundings], asking: Asking, refusals: Sequence[Refusal] = (), status: int = 200
) -> Response:
    try:
        now = {one.kind: one.chosen for one in await made(asking) if not one.practitioner}
        decides = True
    except Forbidden:
        now, decides = {}, False
    values = {
        **await record(guest, guest.path("patient")),
        "ticked": [name for name, (kind, chosen) in BOXES.items() if now.get(kind, False) is chosen],
        "decides": decides,
        "refusals": refusals,
        "done": guest.query("done") == "kept",
    }
    return guest.page("record/emergency", values, status)
