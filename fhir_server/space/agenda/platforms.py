"""What platforms of access to care (SAS) are answered when they look for slots, where that is not what R4 makes of it.

https://interop.esante.gouv.fr/ig/fhir/sas: identifiers have the guide's prefixes, whatever was stored (`prefixes`). And
where the settings say so the search for SOS Médecins, which is of Schedules, counts and matches their Slots, those that
its criteria speak of, as the guide's page has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.fhir.dates import interval
from fhir_server.fhir.json import parse, serialize
from fhir_server.settings import Settings
from fhir_server.space.agenda.model import times
from fhir_server.space.agenda.prefixes import KINDS, prefixed
from fhir_server.space.paris import PARIS

Pairs = Sequence[tuple[str, str]]
#: How the guide says whose schedules are looked for, of SOS Médecins; and what it says of their slots.
ASSOCIATIONS = "actor:Location.organization.identifier"
OF_SLOTS = "_has:Slot:schedule:"
#: Resource → the type of its identifiers in the guide's profiles; of a role, that of its organisation's.
_KINDS = "http://interopsante.org/fhir/CodeSystem/fr-v2-0203"
_TYPES: Mapping[str, tuple[str, str]] = {
    "Practitioner": (_KINDS, "IDNPS"),
    "PractitionerRole": (_KINDS, "IDNST"),
    "Organization": ("http://interopsante.org/fhir/CodeSystem/fr-location-identifier-type", "IDNST"),
}
#: Prefix of a SIRET, by which associations are known.
_SIRET = "3"


def is_platform(settings: Settings, client: str) -> bool:
    """Whether a client ("" for a caller without a token) is held to the guide, and answered as it asks."""
    return client in settings.sas_clients or (not client and settings.sas == "strict")


def answered(settings: Settings, client: str, pairs: Pairs, bundle: bytes) -> bytes:
    """The searchset that a caller is given: the one there is, unless the guide has it otherwise for them."""
    of_associations = any(name == ASSOCIATIONS for name, _ in pairs)
    by_slots = of_associations and settings.sas_sos == "slots"
    if not by_slots and not is_platform(settings, client):
        return bundle
    tree = parse(bundle)
    if by_slots:
        tree = _of_slots(tree, pairs)
    if is_platform(settings, client):
        for one in tree.get("entry", ()):
            for resource in (one["resource"], *one["resource"].get("contained", ())):
                _prefix(resource, _SIRET if of_associations else "")
    return serialize(tree)


def _prefix(resource: dict[str, Any], preferred: str) -> None:
    """Write the national identifiers of a resource as the guide does; what has none is left as it is."""
    match resource.get("resourceType"):
        case "Practitioner":
            resource["identifier"] = _written("Practitioner", resource, preferred) or resource.get("identifier", [])
        case "Organization":
            # Of a structure the guide has one: the FINESS, else the SIRET; of an association the SIRET.
            found = _written("Organization", resource, preferred)[:1]
            resource["identifier"] = found or resource.get("identifier", [])
        case "PractitionerRole":
            organization = resource.get("organization")
            if isinstance(organization, dict) and "identifier" in organization:
                found = _written("PractitionerRole", {"identifier": [organization["identifier"]]}, preferred)
                organization["identifier"] = next(iter(found), organization["identifier"])
    if resource.get("identifier") == []:
        del resource["identifier"]


def _written(type: str, resource: Mapping[str, Any], preferred: str) -> list[dict[str, Any]]:
    """National identifiers, as the guide writes them: those of the preferred prefix first."""
    kinds, (system, code) = "Practitioner" if type == "Practitioner" else "Organization", _TYPES[type]
    values = prefixed(kinds, resource.get("identifier", ()))
    ordered = sorted(values, key=lambda value: not value.startswith(preferred))
    kind = {"coding": [{"system": system, "code": code}]}
    return [{"type": kind, "system": KINDS[kinds], "value": value} for value in ordered]


def _of_slots(bundle: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """A searchset of Schedules as one of their Slots: these match, all else comes with them."""
    said = [(name.removeprefix(OF_SLOTS), value) for name, value in pairs if name.startswith(OF_SLOTS)]
    slots, rest = [], []
    for one in bundle.get("entry", ()):
        if one["resource"].get("resourceType") == "Slot":
            if _meets(one["resource"], said):
                slots.append({**one, "search": {"mode": "match"}})
        elif one.get("search", {}).get("mode") == "match":
            rest.append({**one, "search": {"mode": "include"}})
        else:
            rest.append(one)
    entries = [*slots, *rest]
    counted = {} if _goes_on(bundle) else {"total": len(slots)}
    kept = {name: one for name, one in bundle.items() if name not in ("total", "entry")}
    return {**kept, **counted, **({"entry": entries} if entries else {})}


def _goes_on(bundle: Mapping[str, Any]) -> bool:
    """Whether this is a page of several, so that nobody knows how many slots there are in all."""
    return any(one.get("relation") in ("next", "previous") for one in bundle.get("link", ()))


def _meets(slot: Mapping[str, Any], said: Pairs) -> bool:
    start = times(slot).start
    statuses = [value.split(",") for name, value in said if name == "status"]
    bounds = [value.strip() for name, value in said if name == "start"]
    return all(slot.get("status") in some for some in statuses) and (
        not bounds or (start is not None and all(_is_within(start, bound) for bound in bounds))
    )


def _is_within(start: int, bound: str) -> bool:
    """R4 search.html#prefix, of an instant; a bound without a prefix, or with one that is not of order, is a day's."""
    prefix, said = (bound[:2], bound[2:]) if bound[:2].isalpha() else ("eq", bound)
    low, high = interval(said, PARIS)
    ways = {"ge": start >= low, "gt": start > high, "sa": start > high}
    ways |= {"le": start <= high, "lt": start < low, "eb": start < low}
    return ways.get(prefix, low <= start <= high)
