"""What agenda resources say: when, by which slots, with whom, and who made them.

https://hl7.org/fhir/R4/appointment.html, https://hl7.org/fhir/R4/slot.html, https://hl7.org/fhir/R4/schedule.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.dates import interval
from fhir_server.fhir.references import parse
from fhir_server.space.paris import PARIS

#: Code system of the tag that says who made an agenda resource, and systems of the tags that name the software, and the
#: professional who acted by it ("Practitioner/1").
AUTHOR = "https://fhir-server.example/CodeSystem/ens-agenda-author"
SOFTWARE = "https://fhir-server.example/NamingSystem/agenda-software"
MAKER = "https://fhir-server.example/NamingSystem/agenda-maker"
#: Codes of `AUTHOR`, as the national product has them: a patient, in their own notebook; software of a professional, of
#: an establishment or of the catalogue.
PATIENT, EDITOR = "PATIENT", "EDITOR_SOLUTION"

#: Status of an Appointment → what the slots are that it fills. One that is not here fills none.
FILLS: Mapping[str, str] = {
    "pending": "busy-tentative",
    "booked": "busy",
    "arrived": "busy",
    "checked-in": "busy",
    "fulfilled": "busy",
    "noshow": "busy",
}
#: What a slot is that appointments may fill, and those that one of them fills.
FREE = "free"
FILLED = frozenset(FILLS.values())


@dataclass(frozen=True, slots=True)
class Times:
    """From when until when, in µs since 1970 UTC; None where that is not said."""

    start: int | None
    end: int | None

    @property
    def are_reversed(self) -> bool:
        """Whether the end is before the start."""
        return self.start is not None and self.end is not None and self.end < self.start


def times(tree: Mapping[str, Any]) -> Times:
    """When an Appointment or a Slot is; both its instants have zones (R4 `instant`)."""
    return Times(_instant(tree.get("start")), _instant(tree.get("end")))


def _instant(value: Any) -> int | None:
    try:
        return interval(value, PARIS)[0] if isinstance(value, str) else None
    except ValueError:
        return None


def filled(tree: Mapping[str, Any] | None, base: str) -> frozenset[str]:
    """Ids of the slots of this server that an Appointment fills by its status; none of one that is not there."""
    return slots(tree, base) if tree is not None and tree.get("status") in FILLS else frozenset()


def slots(tree: Mapping[str, Any], base: str) -> frozenset[str]:
    """Ids of the slots of this server that an Appointment names, whatever its status."""
    named = tree.get("slot")
    found = (local(one, base) for one in (named if isinstance(named, list) else ()))
    return frozenset(one.removeprefix("Slot/") for one in found if one.startswith("Slot/"))


def actors(tree: Mapping[str, Any], base: str) -> Iterator[str]:
    """Whom of this server an Appointment's participants are: "Patient/1"."""
    participants = tree.get("participant")
    for one in participants if isinstance(participants, list) else ():
        found = local(one.get("actor"), base) if isinstance(one, dict) else ""
        if found:
            yield found


def local(reference: Any, base: str) -> str:
    """What of this server a Reference names literally, without a version; "" else."""
    said = reference.get("reference") if isinstance(reference, dict) else None
    found = parse(said, base) if isinstance(said, str) else None
    return f"{found.type}/{found.id}" if found is not None and found.local else ""


def tags(tree: Mapping[str, Any], system: str) -> list[str]:
    """Codes of a system among a resource's tags."""
    meta = tree.get("meta")
    said = meta.get("tag") if isinstance(meta, dict) else None
    return [str(one.get("code")) for one in said or () if isinstance(one, dict) and one.get("system") == system]
