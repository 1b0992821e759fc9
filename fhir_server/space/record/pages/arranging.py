"""A patient arranges documents for themself: pins them, makes folders and puts documents into them."""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.document import document, page
from fhir_server.space.record.pages.documents import listed
from fhir_server.space.record.pages.folders import LONGEST_NAME, MOST, arrangement, make, put, take
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.record.pages.refusals import refused
from fhir_server.space.record.pages.searches import Search
from fhir_server.space.record.pages.sheets import Sheet
from fhir_server.space.service import Surroundings


async def pin(guest: Guest[Surroundings]) -> Response:
    """A document on top of the list, or no more."""
    found = await _found(guest)
    if found is None:
        return guest.nothing()
    asking, one = found
    pinned, wanted = (await arrangement(asking)).pinned, guest.field("pin") == "yes"
    try:
        if pinned is None and wanted:
            # Made at the same instant for another document, it is to have this one too.
            await put(asking, await make(asking, "pinned", "Documents épinglés", [one.id]), one.id)
        elif pinned is not None:
            await (put if wanted else take)(asking, pinned, one.id)
    except FhirError as error:
        return await page(guest, asking, one, tuple(refused(error)), error.status)
    return _back(guest, one, "pinned" if wanted else "unpinned")


async def file(guest: Guest[Surroundings]) -> Response:
    """A document into the folders that are ticked, and out of the others."""
    found = await _found(guest)
    if found is None:
        return guest.nothing()
    asking, one = found
    wanted = set(guest.given.get("folder", ()))
    try:
        for folder in (await arrangement(asking)).folders:
            if (folder.id in wanted) != (one.id in folder.documents):
                await (put if folder.id in wanted else take)(asking, folder, one.id)
    except FhirError as error:
        return await page(guest, asking, one, tuple(refused(error)), error.status)
    return _back(guest, one, "filed")


async def add_folder(guest: Guest[Surroundings]) -> Response:
    """A new folder, empty."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    name = guest.field("name", LONGEST_NAME + 1)
    there = (await arrangement(asking)).folders
    wrong = _wrong(name, {one.name.casefold() for one in there})
    if wrong:
        return await listed(guest, asking, Search(), 400, folder_name=name[:LONGEST_NAME], folder_error=wrong)
    await make(asking, "folder", name)
    return guest.to(f"/mon-dossier/{guest.path('patient')}?done=folder")


async def remove_folder(guest: Guest[Surroundings]) -> Response:
    """A folder away; its documents stay."""
    asking = of_patient(guest)
    folder = None if asking is None else (await arrangement(asking)).folder(guest.path("folder"))
    if asking is None or folder is None:
        return guest.nothing()
    await asking.delete("List", folder.id)
    return guest.to(f"/mon-dossier/{guest.path('patient')}?done=folder-gone")


def _wrong(name: str, there: set[str]) -> str:
    """What is wrong with the name of a new folder: a key of the page's words; "" for nothing."""
    if not name:
        return "empty"
    if len(name) > LONGEST_NAME:
        return "long"
    if name.casefold() in there:
        return "twice"
    return "many" if len(there) >= MOST else ""


async def _found(guest: Guest[Surroundings]) -> tuple[Asking, Sheet] | None:
    asking = of_patient(guest)
    one = None if asking is None else await document(asking, guest.path("document"))
    return None if asking is None or one is None else (asking, one)


def _back(guest: Guest[Surroundings], one: Sheet, done: str) -> Response:
    return guest.to(f"/mon-dossier/{guest.path('patient')}/document/{one.id}?done={done}")
