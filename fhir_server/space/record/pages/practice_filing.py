"""A professional files a document: a PDF, what it is, of when, and who may not see it.

PDSm's simplified publish (ITI-105): the author, and the establishment that keeps it, are those of the exercise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.fhir.nos import VISIBILITY
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages import files
from fhir_server.space.record.pages.adding import LONGEST_COMMENT, number
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.categories import CATEGORIES, Code, category, type_words
from fhir_server.space.record.pages.days import day
from fhir_server.space.record.pages.filing import Draft, to_resource, unless
from fhir_server.space.record.pages.openings import found
from fhir_server.space.record.pages.practice import before
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.record.pages.sheets import HIDING
from fhir_server.space.service import Surroundings

LONGEST_TITLE = 100
_FIELDS = ("title", "type", "day", "description")
#: Beginnings of types that are not a professional's to file: the patient's own, and the insurance's.
_OTHERS = ("DOCPAT", "EXPPAT", "REMB")
_LABELS = {
    "MASQUE_PS": "Masqué aux professionnels de santé",
    "INVISIBLE_PATIENT": "Non visible par le patient",
    "INVISIBLE_REPRESENTANTS_LEGAUX": "Non visible par les représentants légaux du patient",
}


async def show(guest: Guest[Surroundings]) -> Response:
    """The form for filing a document of the patient in context; without one, the list of patients."""
    here = await found(guest)
    return guest.to("/patients") if here is None else await _form(guest, await before(guest, here[0]))


async def add(guest: Guest[Surroundings]) -> Response:
    """A document, filed; or the form again, with what is wrong at each field."""
    here = await found(guest)
    if here is None:
        return guest.nothing()
    opening, asking = here
    draft = _read(guest)
    if not isinstance(draft, Draft):
        return await _form(guest, await before(guest, opening), draft, status=400)
    author = {"reference": guest.account.subject, "display": guest.account.name}
    tree = to_resource(draft, opening.patient, author, custodian=await _custodian(asking))
    hidden = [code for code in guest.given.get("hidden", ()) if code in _LABELS]
    if hidden:
        coded = ({"system": VISIBILITY, "code": code, "display": _LABELS[code]} for code in hidden)
        tree["securityLabel"] = [{"coding": [one]} for one in coded]
    try:
        await asking.create(tree, unless(draft))
    except FhirError as error:
        return await _form(guest, await before(guest, opening), {}, refused(error), error.status)
    return guest.to(f"/patients/{opening.patient}?done=filed")


def types() -> list[tuple[str, list[tuple[Code, str]]]]:
    """Types that a professional files, by category: (code of the category, types with what they are called)."""
    found: dict[str, list[tuple[Code, str]]] = {code: [] for code in CATEGORIES}
    for (system, code), words in type_words().items():
        if not code.startswith(_OTHERS):
            placed = category({"type": {"coding": [{"system": system, "code": code}]}})
            found[placed].append(((system, code), words))
    return [(name, sorted(rows, key=lambda row: row[1])) for name, rows in found.items() if rows]


def _read(guest: Guest[Surroundings]) -> Draft | dict[str, str]:
    title, told = guest.field("title", LONGEST_TITLE + 1), guest.field("day", 30)
    body = guest.file("file")[1]
    system, _, code = guest.field("type").rpartition("|")
    today = datetime.now(ZoneInfo(guest.service.settings.default_timezone)).date()
    when = day(told) if told else today
    known = {key for _, rows in types() for key, _ in rows}
    wrong = {
        "file": _wrong_file(body, guest),
        "title": "" if 1 <= len(title) <= LONGEST_TITLE else "title",
        "type": "" if (system, code) in known else "type",
        "day": "day" if when is None else "future" if when > today else "",
        "description": "long" if len(guest.field("description", LONGEST_COMMENT + 1)) > LONGEST_COMMENT else "",
    }
    wrong = {field: why for field, why in wrong.items() if why}
    if wrong or when is None:
        return wrong
    coding = {"system": system, "code": code, "display": type_words()[system, code]}
    description = guest.field("description", LONGEST_COMMENT)
    return Draft(number(guest.field("number")), title, description, coding, when, "application/pdf", body, masked=False)


def _wrong_file(body: bytes, guest: Guest[Surroundings]) -> str:
    from fhir_server.space.record.pages.rows import LARGEST

    if not body:
        return "file"
    if len(body) > LARGEST:
        return "large"
    return "" if files.media_type(body) == "application/pdf" else "format"


async def _custodian(asking: Asking) -> Mapping[str, Any]:
    """The establishment of the exercise, or the professional alone where the exercise is of none."""
    type, _, id = (asking.grant.role or "").partition("/")
    role = await asking.read(type, id) if type == "PractitionerRole" and id else None
    organization: Mapping[str, Any] = (role or {}).get("organization", {})
    return organization if organization else {"display": "Exercice libéral"}


async def _form(
    guest: Guest[Surroundings],
    values: dict[str, Any],
    errors: dict[str, str] | None = None,
    refusals: list[Refusal] | None = None,
    status: int = 200,
) -> Response:
    more = {
        "groups": [(CATEGORIES[name].words, rows) for name, rows in types()],
        "typed": {name: guest.field(name, LONGEST_COMMENT) for name in _FIELDS},
        "hidden": guest.given.get("hidden", ()),
        "hiding": HIDING,
        "number": number(guest.field("number")),
        "errors": errors or {},
        "refusals": refusals or [],
        "longest_title": LONGEST_TITLE,
    }
    return guest.page("record/practice-filing", {**values, **more}, status)
