"""A patient summary for who it is about: read in French or in English, and downloaded as the document that it is.

What is shown is what `Patient/$summary` gives the same person, so that it is hidden and traced alike; that a section
concerns nobody is said by `Patient/$not-concerned`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.operations.references import Key
from fhir_server.site.signed_in import Guest
from fhir_server.space.profile.assertions import ASSERTIONS, is_none
from fhir_server.space.profile.narrative import line
from fhir_server.space.profile.sections import SECTIONS
from fhir_server.space.profile.writing.kinds import KINDS
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.record.pages.people import patients
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
    patient = guest.path("patient")
    body = await _summary(guest, patient)
    if body is None:
        return guest.nothing()
    bundle = parse(body)
    inside = {_key(entry["resource"]): entry["resource"] for entry in bundle["entry"]}
    sections = [_section(one, inside) for one in bundle["entry"][0]["resource"]["section"]]
    shown = {one["code"] for one in sections}
    # Those that a document leaves out are there to be filled in, or said of that they concern nobody.
    empty = [row for row in SECTIONS if row.code in _NAMES | _PAGES and row.code not in shown]
    sections += [_row(row.code, row.title(guest.visit.language)) for row in empty]
    name = await guest.entrance.name_of(guest.account, patient)
    values = {"patient": patient, "name": name, "own": _is_own(guest, patient), "sections": sections}
    return guest.page("profile/own", values)


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


async def _summary(guest: Guest[Surroundings], patient: str) -> bytes | None:
    """The document; None where the person has no such patient, or may not read of them."""
    if patient not in guest.account.patients:
        return None
    headers = {"accept-language": guest.visit.language}
    asked = Request("GET", ("Patient", patient, "$summary"), headers=headers)
    try:
        return (await guest.service.exchange(asked, _grant(guest, patient), guest.visit.addresses.base)).body
    except FhirError:
        return None


def _grant(guest: Guest[Surroundings], patient: str) -> Grant:
    return patients(guest.account, patient, SCOPES)


def _key(tree: Tree) -> Key:
    return str(tree["resourceType"]), str(tree["id"])


def _section(section: Tree, inside: dict[Key, Tree]) -> Tree:
    keys = [tuple(one["reference"].rsplit("/", 2)[-2:]) for one in section.get("entry", ())]
    trees = [inside[type, id] for type, id in keys]
    code = section["code"]["coding"][0]["code"]
    lines = [line(tree, inside) for tree in trees]
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
