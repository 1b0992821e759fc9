"""What one resource adds to the counts: a pure function of its content, so that its change moves exactly what it was.

A count is of a fact in a cell: the period, then what the fact is divided by. `FACTS` says by what. Of persons who are
counted once, however often they appear, a mark is kept beside (`counting`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fhir_server.audit.reading import from_audit_event
from fhir_server.fhir.dates import begins
from fhir_server.fhir.json import parse
from fhir_server.space.accounts.life import born, from_basic
from fhir_server.space.indicators.sectors import NOT_PROFESSIONAL, sector
from fhir_server.space.paris import PARIS
from fhir_server.space.record.first_accesses import opens
from fhir_server.space.record.labels import MASKED, codes

#: Grows with what is counted or how: what was kept otherwise is then counted anew.
FORMAT = 1
#: Fact → what its cells are divided by. A month is "2026-11", a week "2026-W48", of Paris; "" where it is not said.
FACTS: Mapping[str, tuple[str, ...]] = {
    "documents": ("month", "sector", "state"),
    "types": ("month", "type", "by"),
    "lives": ("state", "month"),
    "patients": ("state", "department"),
    "births": ("year",),
    "reads": ("month", "by", "way"),
    # Of persons, each counted once a cell.
    "fed": ("month",),
    "users": ("period",),
    "read": ("month",),
}
#: Facts that count persons.
DISTINCT = frozenset({"fed", "users", "read"})
#: Types whose resources are counted.
TYPES = ("DocumentReference", "Patient", "Basic", "AuditEvent")
#: A cell of a fact: the fact, and a value for each thing it is divided by.
Cell = tuple[str, ...]
#: An instant between the third and the 26th of a month.
_AMID = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[3-9]|1\d|2[0-6])T")
_CODE = re.compile(r"[A-Za-z0-9._:-]{1,40}")


@dataclass(frozen=True, slots=True)
class Counted:
    """What a resource adds.

    Attributes:
        cells: one more in each of these.
        persons: (cell, whom): somebody who is counted once there.
    """

    cells: tuple[Cell, ...] = ()
    persons: tuple[tuple[Cell, str], ...] = ()


NOTHING = Counted()


def counted(type: str, body: bytes) -> Counted:
    """What a resource of one of `TYPES` adds; nothing where its body is b""."""
    return _OF[type](body) if body else NOTHING


class _Coding(msgspec.Struct):
    code: str = ""


class _Concept(msgspec.Struct):
    coding: list[_Coding] = []

    @property
    def code(self) -> str:
        return next((one.code for one in self.coding if _CODE.fullmatch(one.code)), "")


class _Reference(msgspec.Struct):
    reference: str = ""


class _Context(msgspec.Struct):
    facility: _Concept = msgspec.field(default_factory=_Concept, name="facilityType")


class _Sheet(msgspec.Struct):
    """The part of a DocumentReference that is counted: reading the rest would take most of the time."""

    status: str = ""
    type: _Concept = msgspec.field(default_factory=_Concept)
    category: list[_Concept] = []
    subject: _Reference = msgspec.field(default_factory=_Reference)
    date: str = ""
    labels: list[dict[str, Any]] = msgspec.field(default_factory=list, name="securityLabel")
    context: _Context = msgspec.field(default_factory=_Context)


_sheet = msgspec.json.Decoder(_Sheet).decode


def _document(body: bytes) -> Counted:
    """A document that was filed, by the month of its `date`; one that was an error (entered-in-error) never was."""
    sheet = _sheet(body)
    if sheet.status == "entered-in-error":
        return NOTHING
    type, month = sheet.type.code, _month(sheet.date)
    category = sheet.category[0].code if sheet.category else ""
    place = sector(sheet.context.facility.code, type, category)
    masked = MASKED in codes({"securityLabel": sheet.labels})
    state = "replaced" if sheet.status == "superseded" else "masked" if masked else "current"
    by = place if place in NOT_PROFESSIONAL else "professional"
    cells = (("documents", month, place, state), ("types", month, type, by))
    whom = sheet.subject.reference
    fed = ((("fed", "ever"), whom), (("fed", month), whom)) if whom and by == "professional" else ()
    return Counted(cells, fed)


def _patient(body: bytes) -> Counted:
    tree = parse(body)
    place: dict[str, Any] = next(iter(tree.get("address", ())), {})
    department = _department(str(place.get("postalCode", "")))
    year = str(tree.get("birthDate", ""))[:4]
    return Counted((("patients", born(tree), department), ("births", year if year.isdigit() else "")))


def _department(postal: str) -> str:
    """The department of a postal code: three figures overseas, and "20" for Corsica; "" where there is none."""
    if not re.fullmatch(r"\d{5}", postal):
        return ""
    return postal[:3] if postal[:2] in ("97", "98") else postal[:2]


def _life(body: bytes) -> Counted:
    life = from_basic(parse(body))
    return Counted((("lives", life.state, _month_of(life.since)),)) if life is not None else NOTHING


def _access(body: bytes) -> Counted:
    """Something of a record that was opened: one for each exchange, and who came and whose record it was once a month.

    The AuditEvent is one that this server made: others are anybody's word, and whoever asks here leaves them out.
    """
    row = from_audit_event(parse(body))
    way = "refused" if row.refused else "emergency" if row.emergency else "opened" if opens(row) else ""
    when = _instant(row.recorded)
    if not way or when is None:
        return NOTHING
    month, by = _month_of(when), _BY.get(row.requestor.partition("/")[0], "other")
    cells = (("reads", month, by, way),)
    if way == "refused":
        return Counted(cells)
    if by in ("patient", "close"):
        year, week, _ = when.astimezone(PARIS).isocalendar()
        periods = (month, f"{year}-W{week:02}")
        return Counted(cells, tuple((("users", one), row.requestor) for one in periods))
    return Counted(cells, tuple((("read", month), f"Patient/{one}") for one in row.patients if by == "professional"))


#: Type of who asked → as whom they are counted.
_BY: Mapping[str, str] = {
    "Patient": "patient",
    "RelatedPerson": "close",
    "Practitioner": "professional",
    "PractitionerRole": "professional",
}
_OF: Mapping[str, Callable[[bytes], Counted]] = {
    "DocumentReference": _document,
    "Patient": _patient,
    "Basic": _life,
    "AuditEvent": _access,
}


def _instant(text: str) -> datetime | None:
    # Of a day alone it is not known in which month of Paris something was.
    return begins(text, PARIS) if "T" in text else None


def _month(text: str) -> str:
    if _AMID.match(text):
        # Away from its ends a month is the same in every zone: most need no calendar.
        return text[:7]
    found = _instant(text)
    return _month_of(found) if found is not None else ""


def _month_of(when: datetime) -> str:
    return f"{when.astimezone(PARIS):%Y-%m}"
