"""Measures of growth that a form has: what is wrong with them, and the Observations that they make, all or none.

A value that WHO takes for a mistake at the child's age and sex is a slip of the pen (grams, a metre) and is refused
with the reason; software that measures may send it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.childhood import growth
from fhir_server.space.childhood.notebook import Notebook
from fhir_server.space.profile.writing.fields import LONGEST, Life, number, when
from fhir_server.space.profile.writing.measuring import VITALS, observed
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.service import Surroundings

_URIS = "urn:ietf:rfc:3986"
#: Field of the form → LOINC code.
FIELDS: Mapping[str, str] = {"weight": "29463-7", "height": "8302-2", "head": "9843-4"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was sent.

    Attributes:
        typed: field → what was typed.
        errors: field → a key of the page's words.
        refusals: why the server refused; () where it did not.
        status: of the page that shows it again; 0 where all is kept.
    """

    typed: Mapping[str, str]
    errors: Mapping[str, str]
    refusals: tuple[Refusal, ...] = ()
    status: int = 0


async def keep(guest: Guest[Surroundings], asked: Asking, one: Notebook, by: Mapping[str, Any]) -> Sent:
    """The measures of the form kept, or what is wrong with it. The same form sent twice makes them once."""
    typed = {name: guest.field(name, LONGEST["number"] + 1) for name in (*FIELDS, "day")}
    errors: dict[str, str]
    day, errors = _day(typed["day"], one)
    values: dict[str, Decimal] = {}
    for name, code in FIELDS.items():
        if typed[name]:
            value = number(typed[name])
            wrong = _wrong(code, value, day, one)
            errors |= {name: wrong} if wrong else {}
            values |= {code: value} if value is not None else {}
    if not values and not errors:
        errors["weight"] = "none"
    if errors or day is None:
        return Sent(typed, errors, status=400)
    given = _number(guest)
    patient = {"reference": f"Patient/{asked.grant.patient}"}
    trees = []
    for code, value in values.items():
        own = f"urn:uuid:{uuid5(NAMESPACE_URL, f'{given} {code}')}"
        tree: dict[str, Any] = {"resourceType": "Observation", "identifier": [{"system": _URIS, "value": own}]}
        tree |= {**observed(code, (value,), day.isoformat()), "subject": patient, "performer": [by]}
        trees.append((tree, f"identifier={_URIS}|{own}"))
    try:
        await asked.create_all(trees)
    except FhirError as error:
        return Sent(typed, {}, tuple(refused(error)), error.status)
    return Sent({}, {})


def _day(typed: str, one: Notebook) -> tuple[date | None, dict[str, str]]:
    """The day of a form, and what is wrong with it."""
    said = when(typed, whole=True)
    if said is None:
        return None, {"day": "day"}
    wrong = Life("" if one.born is None else one.born.isoformat(), one.today).wrong(said)
    return (None, {"day": wrong}) if wrong else (date.fromisoformat(said), {})


def _wrong(code: str, value: Decimal | None, day: date | None, one: Notebook) -> str:
    """What is wrong with a value: a key of the page's words; "" for nothing."""
    if value is None:
        return "number"
    if not VITALS[code].bounds[0].has(value):
        return "range"
    if day is None or one.born is None:
        return ""
    return "" if growth.is_plausible(code, one.sex, (day - one.born).days, float(value)) else "age"


def _number(guest: Guest[Surroundings]) -> str:
    try:
        return str(UUID(guest.field("number", 36)))
    except ValueError:
        return str(uuid4())
