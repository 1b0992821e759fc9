"""The codes of an expansion as an answer shows them: flat or nested, in a language, with designations and properties.

https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion.contains
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.store.concepts import Member
from fhir_server.terminology.canonicals import System
from fhir_server.terminology.designations import Spoken, speaks, spoken
from fhir_server.terminology.service import Terminology

Row = dict[str, Any]
#: Where R5's `ValueSet.expansion.contains.property` is written in R4.
PROPERTY = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property"


@dataclass(frozen=True, slots=True)
class Shown:
    """What of each code is shown.

    Attributes:
        languages: of the display, the most wanted first.
        designations: whether all of them are.
        designation: those wanted: `urn:ietf:bcp:47|fr` asks for a language, `system|code` for a use.
        property: codes of the properties wanted.
    """

    languages: Sequence[str] = ()
    designations: bool = False
    designation: Sequence[str] = ()
    property: Sequence[str] = ()


def rows(known: Terminology, systems: Sequence[str], members: Sequence[Member], shown: Shown) -> list[Row]:
    """A row each, same order; `systems` are the canonicals the expansion was made from."""
    found = {s.artifact.number: s for s in map(known.catalogue.system, systems) if s}
    return [_row(known, found.get(member.concept.artifact), member, shown) for member in members]


def nested(known: Terminology, members: Sequence[Member], flat: list[Row]) -> list[Row]:
    """The rows beneath those of their parents, where these came before."""
    before: dict[tuple[int, str], Row] = {}
    roots: list[Row] = []
    for member, row in zip(members, flat, strict=True):
        concept = member.concept
        parents, _ = known.concepts.neighbours(concept.artifact, concept.code)
        # Only under what came before it, so that a cycle nests nothing.
        above = next((before[concept.artifact, p] for p in parents if (concept.artifact, p) in before), None)
        (roots if above is None else above.setdefault("contains", [])).append(row)
        before[concept.artifact, concept.code] = row
    return roots


def _row(known: Terminology, system: System | None, member: Member, shown: Shown) -> Row:
    found = member.concept
    said = spoken(known.concepts, system, found, member.display, member.extra)
    version = system.artifact.version if system else ""
    row: Row = {
        "extension": _properties(said, shown.property),
        "system": found.system,
        "abstract": found.abstract,
        "inactive": found.inactive,
        "version": version,
        "code": found.code,
        "display": said.called(shown.languages),
        "designation": _designations(said, shown),
    }
    return {key: value for key, value in row.items() if value}


def _designations(said: Spoken, shown: Shown) -> list[Row]:
    if not shown.designations and not shown.designation:
        return []
    wanted = shown.designation
    chosen = [d for d in said.designation if not wanted or any(_is_wanted(d, one) for one in wanted)]
    return [{k: d[k] for k in ("language", "use", "value") if k in d} for d in chosen]


def _is_wanted(designation: Row, token: str) -> bool:
    system, _, code = token.rpartition("|")
    if system in ("", "urn:ietf:bcp:47"):
        return speaks(designation, code)
    use = designation.get("use", {})
    return bool(use.get("system") == system and use.get("code") == code)


def _properties(said: Spoken, wanted: Sequence[str]) -> list[Row]:
    if not wanted:
        return []
    pairs = [(str(p.get("code")), k, v) for p in said.property for k, v in p.items() if k.startswith("value")]
    if said.definition:
        pairs.append(("definition", "valueString", said.definition))
    return [
        {"url": PROPERTY, "extension": [{"url": "code", "valueCode": code}, {"url": "value", key: value}]}
        for code, key, value in pairs
        if code in wanted or "*" in wanted
    ]
