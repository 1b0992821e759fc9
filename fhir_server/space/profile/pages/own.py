"""A patient summary for who it is about: read in French or in English, and downloaded as the document that it is.

What is shown is what `Patient/$summary` gives the same person, so that it is hidden and traced alike; that a section
concerns nobody is said by `Patient/$not-concerned`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.operations.references import Key
from fhir_server.site.signed_in import Guest
from fhir_server.space.profile import synthesis
from fhir_server.space.profile.assertions import ASSERTIONS, is_none
from fhir_server.space.profile.composing import TITLES
from fhir_server.space.profile.narrative import line
from fhir_server.space.profile.papers import paper
from fhir_server.space.profile.sections import SECTIONS
from fhir_server.space.profile.writing.kinds import KINDS
from fhir_server.space.record.clinical_writers import writer
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.record.pages.people import patients
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.service import Surroundings

Tree = dict[str, Any]
SCOPES = (Scope("patient", "*", frozenset("cruds")),)
#: Code of a section → what it is called where it is said that it concerns nobody.
_NAMES = {row.section: name for name, row in ASSERTIONS.items()}
#: Code of a section → what addresses call the page on which it is filled in.
_PAGES = {kind.section: name for name, kind in KINDS.items()}


async def people(guest: Guest[Surroundings]) -> Response:
    """Whose summaries there are to read."""
    mine = [
        {"patient": one, "name": await guest.entrance.name_of(guest.account, one), "own": _is_own(guest, one)}
        for one in guest.account.patients
    ]
    return guest.page("profile/people", {"people": mine})


async def show(guest: Guest[Surroundings]) -> Response:
    """The summary of one person, section by section."""
    return await _page(guest)


async def _page(guest: Guest[Surroundings], refusals: Sequence[Refusal] = (), status: int = 200) -> Response:
    patient = guest.path("patient")
    body = await _summary(guest, patient)
    if body is None:
        return guest.nothing()
    sections = sections_of(parse(body), guest.visit.language)
    shown = {one["code"] for one in sections}
    # Those that a document leaves out are there to be filled in, or said of that they concern nobody.
    empty = [row for row in SECTIONS if row.code in _NAMES | _PAGES and row.code not in shown]
    sections += [_row(row.code, row.title(guest.visit.language)) for row in empty]
    name = await guest.entrance.name_of(guest.account, patient)
    document = await synthesis.shared(guest.service, patient, guest.visit.addresses.base)
    fresh = document is not None and synthesis.is_of(
        document, await synthesis.said(guest.service, patient, guest.visit.addresses.base)
    )
    values = {"patient": patient, "name": name, "own": _is_own(guest, patient), "sections": sections}
    more = {"document": document, "fresh": fresh, "refusals": refusals, "done": guest.query("done")}
    return guest.page("profile/own", {**values, **more}, status)


async def share(guest: Guest[Surroundings]) -> Response:
    """Share the profile with professionals as a document, or share it no more."""
    patient, act = guest.path("patient"), guest.field("act", 20)
    if patient not in guest.account.patients or act not in ("share", "withdraw"):
        return guest.nothing()
    asking = Asking(guest.service, _grant(guest, patient), guest.visit.addresses.base)
    rows: list[Tree] = [{"name": "withdrawn", "valueBoolean": act == "withdraw"}]
    try:
        await asking.operate(("Patient", patient, "$share-profile"), parameters(rows))
    except FhirError as error:
        return await _page(guest, refused(error), error.status)
    return guest.to(f"/mon-profil/{patient}?done={'shared' if act == 'share' else 'withdrawn'}")


async def prints(guest: Guest[Surroundings]) -> Response:
    """The summary as a PDF, in the language that is asked for: "fr" or "en"."""
    asked = guest.query("langue")
    language = asked if asked in TITLES else guest.visit.language
    body = await _summary(guest, guest.path("patient"), language)
    if body is None:
        return guest.nothing()
    return guest.visit.known(await printed(parse(body), language))


async def printed(bundle: Tree, language: str) -> Response:
    """A summary as a PDF that a browser keeps, and nobody between."""
    headers = {
        "Content-Disposition": f'attachment; filename="summary-{language}.pdf"',
        "Cache-Control": "private, no-store",
    }
    return Response(await paper(bundle, language), 200, headers, "application/pdf")


async def say(guest: Guest[Surroundings]) -> Response:
    """Say that a section concerns nobody, or take it back."""
    patient, act, section = guest.path("patient"), guest.field("act", 20), guest.field("section", 40)
    if patient not in guest.account.patients or act not in ("say", "withdraw") or section not in ASSERTIONS:
        return guest.nothing()
    rows: list[Tree] = [
        {"name": "section", "valueCode": section},
        {"name": "withdrawn", "valueBoolean": act == "withdraw"},
    ]
    asking = Asking(guest.service, _grant(guest, patient), guest.visit.addresses.base)
    try:
        # What was written there meanwhile is seen on the page.
        with suppress(Invalid):
            await asking.operate(("Patient", patient, "$not-concerned"), parameters(rows))
    except FhirError:
        return guest.nothing()
    return guest.to(f"/mon-profil/{patient}")


async def download(guest: Guest[Surroundings]) -> Response:
    """The document, as FHIR JSON."""
    body = await _summary(guest, guest.path("patient"))
    if body is None:
        return guest.nothing()
    headers = {"Content-Disposition": 'attachment; filename="ips.json"', "Cache-Control": "private, no-store"}
    return guest.visit.known(Response(body, 200, headers, FHIR_JSON))


def _is_own(guest: Guest[Surroundings], patient: str) -> bool:
    return guest.account.subject == f"Patient/{patient}"


async def _summary(guest: Guest[Surroundings], patient: str, language: str = "") -> bytes | None:
    """The document; None where the person has no such patient, or may not read of them."""
    if patient not in guest.account.patients:
        return None
    headers = {"accept-language": language or guest.visit.language}
    asked = Request("GET", ("Patient", patient, "$summary"), headers=headers)
    try:
        return (await guest.service.exchange(asked, _grant(guest, patient), guest.visit.addresses.base)).body
    except FhirError:
        return None


def _grant(guest: Guest[Surroundings], patient: str) -> Grant:
    return patients(guest.account, patient, SCOPES)


def _key(tree: Tree) -> Key:
    return str(tree["resourceType"]), str(tree["id"])


def sections_of(bundle: Tree, language: str, mark: str = "") -> list[Tree]:
    """The sections of a summary as a page shows them, in order; `mark` is said of what the patient's side wrote."""
    inside = {_key(entry["resource"]): entry["resource"] for entry in bundle["entry"]}
    return [_section(one, inside, language, mark) for one in bundle["entry"][0]["resource"]["section"]]


def _section(section: Tree, inside: dict[Key, Tree], language: str, mark: str) -> Tree:
    keys = [tuple(one["reference"].rsplit("/", 2)[-2:]) for one in section.get("entry", ())]
    trees = [inside[type, id] for type, id in keys]
    code = section["code"]["coding"][0]["code"]
    lines = [line(tree, inside, language) + (mark if writer(tree) else "") for tree in trees]
    return _row(code, section["title"]) | {"lines": lines, "none": any(is_none(tree) for tree in trees)}


def _row(code: str, title: str) -> Tree:
    """A section with nothing in it; `name` is "" where it cannot be said that it concerns nobody.

    `page` is where it is filled in, "" where people do not.
    """
    return {
        "code": code,
        "title": title,
        "name": _NAMES.get(code, ""),
        "page": _PAGES.get(code, ""),
        "lines": [],
        "none": False,
    }
