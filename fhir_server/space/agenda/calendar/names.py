"""What those whom appointments are with are called, where an appointment names them by reference alone.

The directory is anybody's to read (R4 Practitioner, PractitionerRole, Location, HealthcareService); a name is read when
an event is written, and stays in it until its appointment changes. https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.space.agenda.model import local

#: Types of the directory that have names, and that lead to who has one: the element that does.
_NAMED = frozenset({"Practitioner", "Location", "HealthcareService", "Organization"})
_LEADING = {"PractitionerRole": "practitioner"}
#: Of how many an appointment is with, at most, names are looked up for one calendar.
MOST = 500


async def names(own: Repository, bodies: Iterable[bytes]) -> dict[str, str]:
    """Reference, as it is written → name, of participants that appointments name without one.

    Args:
        own: the server's own sight.
        bodies: of Appointments.
    """
    written = {said: one for body in bodies for said, one in _unnamed(parse(body), own.base)}
    if not written:
        return {}
    trees = await _trees(own, sorted({*written.values()})[:MOST])
    led = {one: local(trees[one].get(_LEADING[_type(one)]), own.base) for one in trees if _type(one) in _LEADING}
    further = await _trees(own, sorted({one for one in led.values() if one and one not in trees}))
    known = {**trees, **further}
    found = {one: _name(known.get(led.get(one, one), {})) for one in trees}
    return {said: found[one] for said, one in written.items() if found.get(one)}


def _unnamed(tree: Mapping[str, Any], base: str) -> Iterable[tuple[str, str]]:
    """References that have no name beside them: as they are written, and what of this server they lead to."""
    for one in tree.get("participant", ()):
        actor = one.get("actor") or {}
        reference = "" if isinstance(actor.get("display"), str) else local(actor, base)
        if _type(reference) in _NAMED or _type(reference) in _LEADING:
            yield str(actor["reference"]), reference


async def _trees(own: Repository, references: Iterable[str]) -> dict[str, dict[str, Any]]:
    keys = [(type, id) for type, _, id in (one.partition("/") for one in references)]
    with own.together():
        await own.ahead(keys)
        versions = [await own.current(*key) for key in keys]
    return {f"{one.type}/{one.id}": parse(one.body) for one in versions if one is not None and not one.deleted}


def _name(tree: Mapping[str, Any]) -> str:
    said = tree.get("name")
    if isinstance(said, str):
        return said
    one: Mapping[str, Any] = next(iter(said), {}) if isinstance(said, list) else {}
    parts = [*(one.get("prefix") or ())[:1], *(one.get("given") or ())[:1], one.get("family", "")]
    return " ".join(str(part) for part in parts if part) or str(one.get("text", ""))


def _type(reference: str) -> str:
    return reference.partition("/")[0]
