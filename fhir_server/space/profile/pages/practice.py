"""The summary of a patient before a professional who has the record open: what they may read of it, to print too.

It is what `Patient/$summary` gives this professional, so that it is hidden and traced alike.
"""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.profile.composing import TITLES
from fhir_server.space.profile.pages.own import Tree, printed, sections_of
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.openings import found
from fhir_server.space.record.pages.practice import before
from fhir_server.space.service import Surroundings

#: A summary is of all types: their rules say what of them is read.
_READS = {"*": "rs"}
#: What is said of what no professional wrote, by language.
_MARKS = {"fr": " – noté par le patient ou ses proches", "en": " – noted by the patient or their relatives"}


async def show(guest: Guest[Surroundings]) -> Response:
    """The summary, section by section; 404 where the record is not open."""
    here = await found(guest, _READS)
    bundle = None if here is None else await _summary(here[1], guest.visit.language)
    if here is None or bundle is None:
        return guest.nothing()
    mark = _MARKS[guest.visit.language]
    values = {**await before(guest, here[0]), "sections": sections_of(bundle, guest.visit.language, mark)}
    return guest.page("profile/practice", values)


async def prints(guest: Guest[Surroundings]) -> Response:
    """The summary as a PDF, in the language that is asked for: "fr" or "en"."""
    asked = guest.query("langue")
    language = asked if asked in TITLES else guest.visit.language
    here = await found(guest, _READS)
    bundle = None if here is None else await _summary(here[1], language)
    return guest.nothing() if bundle is None else guest.visit.known(await printed(bundle, language))


async def _summary(asked: Asking, language: str) -> Tree | None:
    try:
        return await asked.operate(("Patient", str(asked.grant.patient), "$summary"), language=language)
    except FhirError:
        return None
