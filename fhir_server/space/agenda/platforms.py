"""What platforms of access to care (SAS) are answered when they look for slots, where that is not what R4 makes of it.

https://interop.esante.gouv.fr/ig/fhir/sas: identifiers have the guide's prefixes, whatever was stored (`prefixes`). And
where the settings say so the search for SOS Médecins, which is of Schedules, counts and matches their Slots, those that
its criteria speak of, as the guide's page has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.dates import interval
from fhir_server.fhir.json import parse, serialize
from fhir_server.search.kinds.ranges import Bounds, Rows, compare, prefixed
from fhir_server.search.kinds.values import split, unescape
from fhir_server.settings import Settings
from fhir_server.space.agenda.model import times
from fhir_server.space.agenda.prefixes import KINDS
from fhir_server.space.agenda.prefixes import prefixed as national
from fhir_server.store.filters import Filter, Index, Span, either
from fhir_server.store.matching import matches

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
        tree = _of_slots(tree, pairs, ZoneInfo(settings.default_timezone))
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
    values = national(kinds, resource.get("identifier", ()))
    ordered = sorted(values, key=lambda value: not value.startswith(preferred))
    kind = {"coding": [{"system": system, "code": code}]}
    return [{"type": kind, "system": KINDS[kinds], "value": value} for value in ordered]


def _of_slots(bundle: dict[str, Any], pairs: Pairs, zone: ZoneInfo) -> dict[str, Any]:
    """A searchset of Schedules as one of their Slots: these match, all else comes with them."""
    # The search left out what says nothing (R4 search.html#errors), and refused what is no date.
    said = [(name.removeprefix(OF_SLOTS), _parts(value)) for name, value in pairs if name.startswith(OF_SLOTS)]
    statuses = [{part.rpartition("|")[2] for part in some} for name, some in said if name == "status" and some]
    starts = [either([_start(part, zone) for part in some]) for name, some in said if name == "start" and some]
    slots, rest = [], []
    for one in bundle.get("entry", ()):
        if one["resource"].get("resourceType") == "Slot":
            if _meets(one["resource"], statuses, starts):
                slots.append({**one, "search": {"mode": "match"}})
        elif one.get("search", {}).get("mode") == "match":
            rest.append({**one, "search": {"mode": "include"}})
        else:
            rest.append(one)
    entries = [*slots, *rest]
    # Of a page of several, and of a count alone, nobody knows how many slots there are.
    told = not _goes_on(bundle) and (bool(entries) or not bundle.get("total"))
    counted = {"total": len(slots)} if told else {}
    kept = {name: one for name, one in bundle.items() if name not in ("total", "entry")}
    return {**kept, **counted, **({"entry": entries} if entries else {})}


def _goes_on(bundle: Mapping[str, Any]) -> bool:
    """Whether this is a page of several."""
    return any(one.get("relation") in ("next", "previous") for one in bundle.get("link", ()))


def _parts(value: str) -> list[str]:
    """The alternatives of a criterion."""
    return [part for part in (unescape(one).strip() for one in split(value, ",")) if part]


def _start(part: str, zone: ZoneInfo) -> Filter:
    """What a bound means of when a slot starts, as for the search that found it: R4 search.html#prefix."""
    prefix, said = prefixed(part)
    # As there too: a browser that leaves the + of +02:00 as it is sends a space.
    low, high = interval(said.replace(" ", "+"), zone)
    return compare(prefix, Rows("start"), Bounds(low, high, low - 1, high + 1))


def _meets(slot: Mapping[str, Any], statuses: Sequence[Collection[str]], starts: Sequence[Filter]) -> bool:
    start = times(slot).start
    index = Index() if start is None else Index(spans=(Span("start", start, start),))
    return all(slot.get("status") in some for some in statuses) and all(matches(one, index) for one in starts)
