"""What one resource adds to the counts: a pure function of its content, so that its change moves exactly what it was.

A count is of a fact in a cell: the period, then what the fact is divided by. `FACTS` says by what. Of persons who are
counted once, however often they appear, a mark is kept beside (`counting`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fhir_server.audit.reading import AuditRow
from fhir_server.space.indicators.calendar import periods
from fhir_server.space.indicators.sectors import NOT_PROFESSIONAL, sector
from fhir_server.space.indicators.seen import TYPES, Key, seen
from fhir_server.space.record.first_accesses import opens

__all__ = ["DISTINCT", "FACTS", "FORMAT", "LASTING", "TYPES", "Cell", "Counted", "Rule", "adds", "counted"]

#: Grows with what is counted or how: what was kept otherwise is then counted anew.
FORMAT = 3
#: Fact → what its cells are divided by. A month is "2026-11", a week "2026-W48", of Paris; "" where it is not said.
FACTS: Mapping[str, tuple[str, ...]] = {
    "documents": ("month", "sector", "state"),
    "types": ("month", "type", "by"),
    "lives": ("state", "month"),
    "patients": ("state", "department"),
    "births": ("year",),
    "reads": ("month", "by", "way"),
    "readers": ("month", "profession"),
    "messages": ("month", "from"),
    "appointments": ("month", "became"),
    "bonds": ("bond",),
    "purposes": ("purpose",),
    "services": ("status",),
    "measures": ("month",),
    # Of persons, each counted once a cell.
    "fed": ("month",),
    "houses": ("month",),
    "threads": ("month",),
    "paired": ("month",),
    "measured": ("month",),
    "users": ("period",),
    "read": ("month",),
}
#: Facts that count persons.
DISTINCT = frozenset({"fed", "houses", "threads", "paired", "measured", "users", "read"})
#: Of these nothing is ever taken away, so that a mark says no more than that somebody is there.
LASTING = frozenset({"users", "read"})
#: A cell of a fact: the fact, and a value for each thing it is divided by.
Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What all resources with one key add.

    Attributes:
        cells: one more in each of these.
        persons: (cell, from which, to which of `Seen.whom`): these are counted once there.
    """

    cells: tuple[Cell, ...] = ()
    persons: tuple[tuple[Cell, int, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """What a resource adds.

    Attributes:
        cells: one more in each of these.
        persons: (cell, whom): somebody who is counted once there.
    """

    cells: tuple[Cell, ...] = ()
    persons: tuple[tuple[Cell, str], ...] = ()


NOTHING = Rule()


def counted(type: str, body: bytes) -> Counted:
    """What a resource of one of `TYPES` adds; nothing where its body is b""."""
    found = seen(type, body)
    if found is None:
        return Counted()
    rule = adds(found.key)
    persons = tuple((cell, who) for cell, first, last in rule.persons for who in found.whom[first:last] if who)
    return Counted(rule.cells, persons)


@lru_cache(maxsize=100_000)
def adds(key: Key) -> Rule:
    """What each resource of that key (`Seen.key`) adds."""
    return _OF[key[0]](*key[1:])


def _document(status: str, type: str, category: str, facility: str, month: str, masked: str) -> Rule:
    """A document that was filed, by the month of its `date`; one that was an error (entered-in-error) never was."""
    if status == "entered-in-error":
        return NOTHING
    place = sector(facility, type, category)
    state = "replaced" if status == "superseded" else masked or "current"
    by = place if place in NOT_PROFESSIONAL else "professional"
    cells = (("documents", month, place, state), ("types", month, type, by))
    fed = ((("fed", "ever"), 0, 1), (("fed", month), 0, 1)) if by == "professional" else ()
    houses = ((("houses", month), 1, 2),) if place == "hospital" else ()
    return Rule(cells, (*fed, *houses))


def _patient(state: str, department: str, year: str) -> Rule:
    return Rule((("patients", state, department), ("births", year)))


def _life(state: str, month: str) -> Rule:
    return Rule((("lives", state, month),))


def _access(deed: str, emergency: str, refused: str, asked: str, profession: str, hour: str, *types: str) -> Rule:
    """Something of a record that was opened: one for each exchange, and who came and whose record it was once a month.

    The AuditEvent is one that this server made: others are anybody's word, and whoever asks here leaves them out.
    """
    objects = tuple(f"{one}/" for one in types)
    row = AuditRow(asked, (), "", "", "", (), hour, interaction=deed, objects=objects, refused=bool(refused))
    way = refused or emergency or ("opened" if opens(row) else "")
    month, week = periods(hour)
    if not way or not month:
        return NOTHING
    by = _BY.get(asked, "other")
    cells: tuple[Cell, ...] = (("reads", month, by, way),)
    if way == "refused":
        return Rule(cells)
    if by in ("patient", "close"):
        return Rule(cells, tuple((("users", one), 0, 1) for one in (month, week)))
    if by == "professional":
        return Rule((*cells, ("readers", month, profession)), ((("read", month), 1, None),))
    return Rule(cells)


def _message(month: str, side: str) -> Rule:
    return Rule((("messages", month, side),), ((("threads", month), 0, 1),))


def _appointment(month: str, status: str) -> Rule:
    return Rule((("appointments", month, _BECAME.get(status, "other")),))


def _consent(kind: str, purpose: str) -> Rule:
    if kind == "bond":
        return Rule((("bonds", purpose),))
    return Rule((("purposes", purpose),), ((("paired", "ever"), 0, 1),))


def _service(status: str) -> Rule:
    return Rule((("services", status),))


def _measure(month: str) -> Rule:
    return Rule((("measures", month),), ((("measured", "ever"), 0, 1),))


#: Status of an Appointment → what has become of it.
_BECAME: Mapping[str, str] = {
    **dict.fromkeys(("booked", "arrived", "checked-in", "fulfilled"), "booked"),
    **dict.fromkeys(("proposed", "pending", "waitlist"), "asked"),
    "cancelled": "cancelled",
    "noshow": "noshow",
}
#: Type of who asked → as whom they are counted.
_BY: Mapping[str, str] = {
    "Patient": "patient",
    "RelatedPerson": "close",
    "Practitioner": "professional",
    "PractitionerRole": "professional",
}
_OF: Mapping[str, Callable[..., Rule]] = {
    "DocumentReference": _document,
    "Patient": _patient,
    "Basic": _life,
    "Communication": _message,
    "Appointment": _appointment,
    "Consent": _consent,
    "Device": _service,
    "Observation": _measure,
    "AuditEvent": _access,
}
