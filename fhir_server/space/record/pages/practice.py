"""A record before a professional: its documents, looked for and opened, as far as this professional may see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.access.trees import tree_of
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.authorizing.purpose_of_use import LONGEST, SHORTEST
from fhir_server.site.signed_in import Guest
from fhir_server.space.acting import is_of_age, minute
from fhir_server.space.identities import homonyms
from fhir_server.space.record.pages import contents, searches
from fhir_server.space.record.pages.asking import Asking, Found
from fhir_server.space.record.pages.categories import CATEGORIES
from fhir_server.space.record.pages.document import document, told
from fhir_server.space.record.pages.documents import WORDS, sheets
from fhir_server.space.record.pages.openings import Opening, begin, found
from fhir_server.space.record.pages.people import named
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.record.pages.sheets import Sheet
from fhir_server.space.record.writers import caller_of
from fhir_server.space.service import Surroundings

#: Years that the first search goes back to: PDSm4DMP, TD3.1a.
YEARS = 2
#: What was just done → said after the redirection; anything else in the address is ignored.
DONE = frozenset({"filed", "agreed", "urgent", "masked", "unmasked"})


async def show(guest: Guest[Surroundings]) -> Response:
    """The documents of a record that is open."""
    here = await found(guest)
    if here is None:
        return await _not_open(guest)
    asked = await searches.kept(guest)
    if not asked.matters and not guest.query("tout"):
        asked = searches.Search(since=_years_ago(guest))
    return await listed(guest, *here, asked)


async def search(guest: Guest[Surroundings]) -> Response:
    """What a form looks for: kept, and shown at an address that has none of its words."""
    here, asked = await found(guest), searches.typed(guest)
    if here is None:
        return guest.nothing()
    if asked.errors():
        return await listed(guest, *here, asked, status=400)
    path = f"/patients/{here[0].patient}"
    return guest.to(f"{path}?recherche={await searches.keep(guest, asked)}" if asked.matters else f"{path}?tout=1")


async def show_document(guest: Guest[Surroundings]) -> Response:
    """One document of the patient in context; 404 where it may not be seen."""
    here = await found(guest)
    one = None if here is None else await document(here[1], guest.path("document"))
    return guest.nothing() if here is None or one is None else await page(guest, *here, one)


async def content(guest: Guest[Surroundings]) -> Response:
    """Its content, as its author made it."""
    here = await found(guest)
    one = None if here is None else await document(here[1], guest.path("document"))
    return guest.nothing() if here is None or one is None else await contents.given(guest, here[1], one)


async def listed(
    guest: Guest[Surroundings],
    opening: Opening,
    asking: Asking,
    asked: searches.Search,
    refusals: tuple[Refusal, ...] = (),
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page of what a search finds."""
    wrong, cursor = asked.errors(), guest.visit.request.query_params.get("suite", "")
    pairs = [("status", "current"), *asked.pairs(), *([("_cursor", cursor)] if cursor else [])]
    try:
        shown, page_found = ([], Found(())) if wrong else await sheets(asking, pairs)
    except FhirError:
        return guest.to(f"/patients/{opening.patient}")
    values = {
        **await before(guest, opening),
        "asked": asked,
        "errors": wrong,
        "documents": shown,
        # Asked where it matters: each question is a trace that the patient reads.
        "homonyms": 0 if cursor else await _homonyms(guest, opening.patient),
        "why": "" if shown or wrong or cursor else await _why(asking),
        "total": page_found.total,
        "next": page_found.next,
        "first": not cursor,
        "query": searches.address(guest) or ("tout=1" if guest.query("tout") else ""),
        "categories_said": [(code, row.words) for code, row in CATEGORIES.items()],
        "orders": list(searches.ORDERS),
        "recent": asked == searches.Search(since=_years_ago(guest)),
        "refusals": refusals,
        "wrong": errors or {},
        "reason": guest.field("reason", LONGEST),
        **WORDS,
    }
    return guest.page("record/practice", values, status)


async def _homonyms(guest: Guest[Surroundings], patient: str) -> int:
    """How many others have the same traits: Référentiel INS, whoever is about to file or read is warned."""
    own = guest.service.repository()
    place = guest.visit.authorization.verifier.place(guest.visit.addresses.base)
    return len(await homonyms.of(own, tree_of(await own.current("Patient", patient)), place))


async def _why(asking: Asking) -> str:
    """By which rule somebody to whom nothing is shown is let in, or is not (`$access-explain`); "" where none says."""
    try:
        found = await asking.operate(("Patient", asking.grant.patient or "", "$access-explain"))
    except FhirError:
        return ""
    return next((str(one["valueCode"]) for one in found.get("parameter", ()) if one["name"] == "rule"), "")


async def page(
    guest: Guest[Surroundings],
    opening: Opening,
    asking: Asking,
    one: Sheet,
    refusals: tuple[Refusal, ...] = (),
    error: str = "",
    status: int = 200,
) -> Response:
    """The page of one document, with what was refused."""
    # As writes are judged: PDSm has authors contained, and then an RPPS says who they are.
    writer = await caller_of(asking.around.repository(asking.grant, asking.base), f"Patient/{opening.patient}")
    values = {
        **await before(guest, opening),
        **await told(asking, one, guest.visit.language),
        "author": "author" in writer.parts(one.tree, asking.base),
        "refusals": refusals,
        "error": error,
        "reason": guest.field("reason", LONGEST),
    }
    return guest.page("record/practice-document", values, status)


async def before(guest: Guest[Surroundings], opening: Opening) -> dict[str, Any]:
    """What every page of an open record says: whose it is, why it is open."""
    done = guest.query("done")
    name, born = await named(guest, opening.patient)
    return {
        "patient": opening.patient,
        "whom": name,
        "born": born,
        "child": bool(born) and not is_of_age({"birthDate": born}, minute()),
        "sex": (await guest.entrance.sexes(guest.account, [opening.patient])).get(opening.patient, ""),
        "opening": opening,
        "regulation": guest.session.regulation,
        "shortest": SHORTEST,
        "longest": LONGEST,
        "done": done if done in DONE else "",
    }


async def _not_open(guest: Guest[Surroundings]) -> Response:
    """A patient whom the tools have at hand was found there: the record opens. Nobody else is known by an address."""
    from fhir_server.space.at_hand import at_hand

    patient = guest.path("patient")
    if (await at_hand(guest)).patient != patient:
        return guest.to("/patients")
    await begin(guest, patient)
    return guest.to(f"/patients/{patient}")


def _years_ago(guest: Guest[Surroundings]) -> str:
    today = datetime.now(ZoneInfo(guest.service.settings.default_timezone)).date()
    # From a 29 February the 1st of March: a day that every year has.
    last = today.replace(day=28) if (today.month, today.day) == (2, 29) else today
    return last.replace(year=last.year - YEARS).isoformat()
