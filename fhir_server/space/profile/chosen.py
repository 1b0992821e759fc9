"""What of a record stands in each section of a summary, as far as the caller sees it.

https://hl7.org/fhir/uv/ips/STU2/Generation-and-Data-Inclusion.html: what is current and relevant,
not all that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.access.record_owner import owner
from fhir_server.fhir.json import parse
from fhir_server.interactions.exchange import Context
from fhir_server.search.asking.compartments import compartment_filter
from fhir_server.space.profile.assertions import is_none
from fhir_server.space.profile.sections import SECTIONS, Section, Taken
from fhir_server.store.filters import both
from fhir_server.store.protocol import NEWEST, Sort, Version

#: Resources of one kind that are looked through for one section, the newest first.
MOST = 500
_OBSERVED = (Sort("date", "span", descending=True), Sort("_lastUpdated", "own", descending=True))
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A section, and what stands in it.

    Attributes:
        section: its row.
        found: what stands in it, each as stored and read, in order.
        whole: whether all that there is was looked through.
    """

    section: Section
    found: tuple[tuple[Version, Tree], ...]
    whole: bool


async def chosen(patient: str, context: Context) -> list[Part]:
    """Each section for the patient (id), in order; what is hidden from the caller is in none."""
    parts, placed = [], set[tuple[str, str]]()
    for section in SECTIONS:
        found: list[tuple[Version, Tree]] = []
        whole = True
        for taken in section.takes:
            rows, all_seen = await _taken(taken, patient, context)
            found += [(version, tree) for version, tree in rows if (version.type, version.id) not in placed]
            whole = whole and all_seen
        if any(not is_none(tree) for _, tree in found):
            # Said before there was any, or by who did not know of it: what is there is the safer truth.
            found = [(version, tree) for version, tree in found if not is_none(tree)]
        placed |= {(version.type, version.id) for version, _ in found}
        parts.append(Part(section, tuple(found), whole))
    return parts


async def _taken(taken: Taken, patient: str, context: Context) -> tuple[list[tuple[Version, Tree]], bool]:
    where = both(compartment_filter("Patient", patient, taken.type), taken.where)
    sort = _OBSERVED if taken.latest else NEWEST
    most = context.settings.max_answer_bytes
    page = await context.repository.find({taken.type: where}, sort, count=MOST, most_bytes=most)
    read = [(version, parse(version.body, context.settings.max_depth)) for version in page.versions]
    # The compartment has what the patient recorded or performed in another's record, too.
    own = f"Patient/{patient}"
    kept = [row for row in read if owner(taken.type, row[1], context.base).patient == own and taken.holds(row[1])]
    return _latest(kept) if taken.latest else kept, page.next is None


def _latest(rows: list[tuple[Version, Tree]]) -> list[tuple[Version, Tree]]:
    """The first of each code; what has no code stands for itself."""
    found: dict[object, tuple[Version, Tree]] = {}
    for version, tree in rows:
        coded = [(one.get("system"), one.get("code")) for one in tree.get("code", {}).get("coding", ())]
        kinds: list[object] = [*coded] or [tree.get("code", {}).get("text") or version.id]
        if not any(kind in found for kind in kinds):
            found |= dict.fromkeys(kinds, (version, tree))
    return list({version.id: (version, tree) for version, tree in found.values()}.values())
