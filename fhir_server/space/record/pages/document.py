"""One document of the record: opened, told in plain words, with what it replaces, and what may be done with it."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from fhir_server.site.signed_in import Guest
from fhir_server.site.words import Language
from fhir_server.space.record.pages import contents
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.documents import WORDS, record, sheets
from fhir_server.space.record.pages.folders import arrangement
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.record.pages.sheets import Sheet
from fhir_server.space.service import Surroundings

#: What was just done → said after the redirection; anything else in the address is ignored.
DONE = frozenset({"masked", "unmasked", "pinned", "unpinned", "filed", "taken-out"})


async def show(guest: Guest[Surroundings]) -> Response:
    """The page of one document."""
    asking = of_patient(guest)
    one = None if asking is None else await document(asking, guest.path("document"))
    return guest.nothing() if asking is None or one is None else await page(guest, asking, one)


async def content(guest: Guest[Surroundings]) -> Response:
    """Its content, as its author made it."""
    asking = of_patient(guest)
    one = None if asking is None else await document(asking, guest.path("document"))
    return guest.nothing() if asking is None or one is None else await contents.given(guest, asking, one)


async def page(
    guest: Guest[Surroundings], asking: Asking, one: Sheet, errors: tuple[Refusal, ...] = (), status: int = 200
) -> Response:
    """The page, with what was refused."""
    arranged = await arrangement(asking)
    done = guest.query("done")
    values = {
        **await record(guest, guest.path("patient")),
        **await told(asking, one, guest.visit.language),
        "pinned": arranged.pins(one.id),
        "folders": [(folder, one.id in folder.documents) for folder in arranged.folders],
        "done": done if done in DONE else "",
        "errors": errors,
    }
    return guest.page("record/document", values, status)


async def told(asking: Asking, one: Sheet, language: Language = "fr") -> dict[str, Any]:
    """What a page says of a document, whoever looks at it."""
    later, _ = await sheets(asking, [("relatesto", f"DocumentReference/{one.id}"), ("relation", "replaces")])
    earlier, _ = await sheets(asking, [("_id", ",".join(one.replaces))]) if one.replaces else ([], None)
    return {
        "one": one,
        "shown": await contents.shown(asking, one, language),
        "later": later,
        "earlier": earlier,
        **WORDS,
    }


async def document(asking: Asking, id: str) -> Sheet | None:
    """A document of the patient in context; None where there is none, or it is hidden from this person."""
    found, _ = await sheets(asking, [("_id", id)], 1)
    # A comma in an address would ask for several.
    return next((one for one in found if one.id == id), None)
