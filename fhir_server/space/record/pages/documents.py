"""Mon dossier: the documents of one record by category, looked for, a page at a time, what is pinned first.

Categories and what a patient may do: CSP R1111-26 and following; the pages of Mon espace santé.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.announcements import awaited
from fhir_server.space.record.pages import searches
from fhir_server.space.record.pages.asking import Asking, Found
from fhir_server.space.record.pages.categories import CATEGORIES
from fhir_server.space.record.pages.folders import Arrangement, Folder, arrangement
from fhir_server.space.record.pages.people import named, of_patient, parted
from fhir_server.space.record.pages.sheets import HIDING, Sheet, author_words, bytes_words, format_words, sheet
from fhir_server.space.service import Surroundings

#: Documents of one page.
SHOWN = 20
#: What was just done → said after the redirection; anything else in the address is ignored.
DONE = frozenset({"added", "deleted", "folder", "folder-gone"})
#: With whom a document is shown: its author, and of a role the person.
_AUTHORS = (("_include", "DocumentReference:author"), ("_include:iterate", "PractitionerRole:practitioner"))


async def choose(guest: Guest[Surroundings]) -> Response:
    """Whose record; or at once that of the one patient there is."""
    return await whose(guest, "/mon-dossier")


async def whose(guest: Guest[Surroundings], path: str) -> Response:
    """The choice of a patient for whom a page under `path` is opened; or that page, where there is one patient."""
    patients = guest.account.patients
    if len(patients) == 1:
        return guest.to(f"{path}/{patients[0]}")
    known = await guest.entrance.patients(guest.account, "")
    sexes = await guest.entrance.sexes(guest.account, patients)
    found = [(id, *parted(label), sexes.get(id, "")) for id, label in known if id in patients]
    return guest.page("record/whose", {"patients": found, "path": path})


async def show(guest: Guest[Surroundings]) -> Response:
    """The documents of one record."""
    asking = of_patient(guest)
    return guest.nothing() if asking is None else await listed(guest, asking, await searches.kept(guest))


async def search(guest: Guest[Surroundings]) -> Response:
    """What a form looks for: kept, and shown at an address that has none of its words."""
    asking, asked = of_patient(guest), searches.typed(guest)
    if asking is None:
        return guest.nothing()
    if asked.errors():
        return await listed(guest, asking, asked, 400)
    path = f"/mon-dossier/{asking.grant.patient}"
    return guest.to(f"{path}?recherche={await searches.keep(guest, asked)}" if asked.matters else path)


async def sheets(asking: Asking, pairs: Sequence[tuple[str, str]], count: int = SHOWN) -> tuple[list[Sheet], Found]:
    """Documents of the patient in context that a search finds, with the names of their authors."""
    whose = [("patient", f"Patient/{asking.grant.patient}"), *pairs]
    found = await asking.find("DocumentReference", [*whose, *_AUTHORS, ("_count", str(count))])
    return [sheet(tree, found.included) for tree in found.trees], found


async def listed(
    guest: Guest[Surroundings], asking: Asking, asked: searches.Search, status: int = 200, **more: Any
) -> Response:
    """The page of what a search finds; `more` is said on it beside."""
    patient, cursor = guest.path("patient"), guest.visit.request.query_params.get("suite", "")
    errors = asked.errors()
    arranged = await arrangement(asking)
    folder = arranged.folder(asked.folder)
    try:
        shown, found = ([], Found(())) if errors else await _documents(asking, asked, folder, cursor)
    except FhirError:
        # A page of another search, or one that is no more: from the beginning.
        return guest.to(f"/mon-dossier/{patient}")
    pinned = [] if asked.matters or cursor else await _pinned(asking, arranged)
    done = guest.query("done")
    of = await record(guest, patient)
    values = {
        **of,
        "consult": await awaited(guest.service.repository(), patient, of["own"], datetime.now(UTC)),
        "asked": asked,
        "errors": errors,
        "documents": shown,
        "pinned": pinned,
        "total": found.total,
        "next": found.next,
        "first": not cursor,
        "query": searches.address(guest),
        "categories_said": [(code, row.words) for code, row in CATEGORIES.items()],
        "folders": arranged.folders,
        "folder": folder,
        "categories": CATEGORIES,
        "orders": list(searches.ORDERS),
        "done": done if done in DONE else "",
        **WORDS,
        **more,
    }
    return guest.page("record/documents", values, status)


#: What templates say of a document with.
WORDS: dict[str, Any] = {
    "author_words": author_words,
    "bytes_words": bytes_words,
    "format_words": format_words,
    "hiding": HIDING,
}


async def record(guest: Guest[Surroundings], patient: str) -> dict[str, Any]:
    """What every page of one record says: whose it is, and whether it is the person's own."""
    return {
        "patient": patient,
        "whom": (await named(guest, patient))[0],
        "own": guest.account.subject == f"Patient/{patient}",
    }


async def _documents(
    asking: Asking, asked: searches.Search, folder: Folder | None, cursor: str
) -> tuple[list[Sheet], Found]:
    pairs = [("status", "current"), *asked.pairs(), *([("_cursor", cursor)] if cursor else [])]
    if asked.folder:
        if folder is None or not folder.documents:
            return [], Found((), total=0)
        pairs.append(("_id", ",".join(folder.documents)))
    return await sheets(asking, pairs)


async def _pinned(asking: Asking, arranged: Arrangement) -> list[Sheet]:
    if arranged.pinned is None or not arranged.pinned.documents:
        return []
    ids = arranged.pinned.documents[-SHOWN:]
    found, _ = await sheets(asking, [("status", "current"), ("_id", ",".join(ids))])
    return sorted(found, key=lambda one: ids.index(one.id))
