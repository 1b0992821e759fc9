"""A patient adds a document: a file of theirs, what it is, when it was, and whether professionals see it.

Formats, sizes and the length of a title are those of Mon espace santé: PDF, TXT, RTF, JPEG, PNG, TIFF; 5 MB; 50
characters. The form is whole without a script; with one, a file may be dropped on it, and its way is shown.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.fhir.nos import DOCUMENT_TYPES, NON_PROFESSIONAL
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages import files
from fhir_server.space.record.pages.categories import OWN_TYPES, type_words
from fhir_server.space.record.pages.days import day
from fhir_server.space.record.pages.documents import record
from fhir_server.space.record.pages.filing import Draft, to_resource, unless
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.service import Surroundings

#: The longest title, and the largest file of a patient, in characters and bytes.
LONGEST_TITLE, LONGEST_COMMENT, LARGEST = 50, 500, 5 * 1024 * 1024
_FIELDS = ("title", "type", "day", "description", "masked")
_PATIENT = {
    "coding": [{"system": NON_PROFESSIONAL, "code": "EXP_PATIENT", "display": "Expression personnelle du patient"}]
}
#: Who keeps what a patient files: PDSm asks that it is said.
_CUSTODIAN = {"display": "Mon espace santé"}


async def show(guest: Guest[Surroundings]) -> Response:
    """The form for a document of one's own; 404 for who has no record to add to."""
    return guest.nothing() if of_patient(guest) is None else await _form(guest)


async def add(guest: Guest[Surroundings]) -> Response:
    """A file, kept; or the form again, with what is wrong at each field."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    draft = read(guest)
    if not isinstance(draft, Draft):
        return await _form(guest, draft, status=400)
    about = {"facilityType": _PATIENT, "practiceSetting": _PATIENT}
    author = {"reference": guest.account.subject}
    tree = to_resource(draft, guest.path("patient"), author, custodian=_CUSTODIAN, context=about)
    try:
        await asking.create(tree, unless(draft))
    except FhirError as error:
        return await _form(guest, {}, refused(error), error.status)
    return guest.to(f"/mon-dossier/{guest.path('patient')}?done=added")


def read(guest: Guest[Surroundings]) -> Draft | dict[str, str]:
    """What the form says, or field → what is wrong with it: a key of the page's words."""
    title, kind = guest.field("title", LONGEST_TITLE + 1), guest.field("type")
    body = guest.file("file")[1]
    found, told = files.media_type(body), guest.field("day", 30)
    today = datetime.now(ZoneInfo(guest.service.settings.default_timezone)).date()
    when = day(told) if told else today
    wrong = {
        "file": _wrong_file(body, found),
        "title": "" if 1 <= len(title) <= LONGEST_TITLE else "title",
        "type": "" if kind in dict(OWN_TYPES) else "type",
        "day": "day" if when is None else "future" if when > today else "",
        "description": "long" if len(guest.field("description", LONGEST_COMMENT + 1)) > LONGEST_COMMENT else "",
    }
    wrong = {field: why for field, why in wrong.items() if why}
    if wrong or found is None or when is None:
        return wrong
    coding = {"system": DOCUMENT_TYPES, "code": kind, "display": type_words()[DOCUMENT_TYPES, kind]}
    masked, description = guest.field("masked") == "yes", guest.field("description", LONGEST_COMMENT)
    return Draft(number(guest.field("number")), title, description, coding, when, found, body, masked)


def _wrong_file(body: bytes, found: str | None) -> str:
    if not body:
        return "file"
    if len(body) > LARGEST:
        return "large"
    return "" if found else "format"


def number(given: str) -> str:
    """The number of a form, as it was given, or a new one."""
    try:
        return str(UUID(given))
    except ValueError:
        return str(uuid4())


async def _form(
    guest: Guest[Surroundings],
    errors: dict[str, str] | None = None,
    refusals: list[Refusal] | None = None,
    status: int = 200,
) -> Response:
    values = {
        **await record(guest, guest.path("patient")),
        "types": OWN_TYPES,
        "typed": {name: guest.field(name, LONGEST_COMMENT) for name in _FIELDS},
        "number": number(guest.field("number")),
        "errors": errors or {},
        "refusals": refusals or [],
        "accept": files.ACCEPT,
        "longest": LONGEST_TITLE,
    }
    return guest.page("record/adding", values, status)
