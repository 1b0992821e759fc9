"""National identifiers as access to care has them: with the prefix that says their kind, whatever was stored.

https://interop.esante.gouv.fr/ig/fhir/sas (INT_R01, INT_R04, SOS): a professional's is IdNatPS, "8" and the RPPS or
"0" and the ADELI; a structure's IdNatStruct, "1" and the FINESS, "3" and the SIRET. Stored they may be by the
registry's own system and without a prefix: both find them, and platforms are answered the guide's form alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_server.search.parameters.codes import spelling
from fhir_server.space.record.rows import FINESS, ID_NAT_PS, ID_NAT_STRUCT, RPPS
from fhir_server.store.filters import Word

SIRENE, ADELI = "https://sirene.fr", "https://adeli.esante.gouv.fr"
#: (system, characters without a prefix) → the prefix, of professionals; first what is answered first.
PROFESSIONALS: Mapping[tuple[str, int], str] = {
    (ID_NAT_PS, 11): "8",
    (RPPS, 11): "8",
    (ID_NAT_PS, 9): "0",
    (ADELI, 9): "0",
}
#: The same of structures: FINESS, else SIRET, else SIREN.
STRUCTURES: Mapping[tuple[str, int], str] = {
    (ID_NAT_STRUCT, 9): "1",
    (FINESS, 9): "1",
    (ID_NAT_STRUCT, 14): "3",
    (SIRENE, 14): "3",
    (SIRENE, 9): "2",
}
#: Resource type → the system that the guide has for all its kinds.
KINDS: Mapping[str, str] = {"Practitioner": ID_NAT_PS, "Organization": ID_NAT_STRUCT}
_PREFIXES = {"Practitioner": PROFESSIONALS, "Organization": STRUCTURES}
Identifier = Mapping[str, Any]


def practitioners(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """Further rows of `Practitioner.identifier`, by which it is found as the guide writes it."""
    yield from _rows(tree, "Practitioner")


def organizations(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """Further rows of `Organization.identifier`, by which a structure is found as the guide writes it."""
    yield from _rows(tree, "Organization")


def prefixed(type: str, identifiers: Sequence[Identifier]) -> list[str]:
    """Values of those that are national, as the guide has them, each once and the first kind first."""
    kinds, system = _PREFIXES[type], KINDS[type]
    prefixes = list(dict.fromkeys(kinds.values()))
    found = {value for one in identifiers if (value := _value(kinds, system, one))}
    return sorted(found, key=lambda value: (prefixes.index(value[0]) if value[0] in prefixes else 9, value))


def _rows(tree: Mapping[str, Any], type: str) -> Iterator[Word]:
    given = tree.get("identifier")
    identifiers = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    system = KINDS[type]
    there = {one.get("value") for one in identifiers if one.get("system") == system}
    for value in prefixed(type, identifiers):
        if value not in there:
            yield Word("identifier", spelling(value, system), system)


def _value(kinds: Mapping[tuple[str, int], str], system: str, identifier: Identifier) -> str:
    """ "" for what is no national identifier."""
    said, value = identifier.get("system"), identifier.get("value")
    if not isinstance(said, str) or not isinstance(value, str):
        return ""
    prefix = kinds.get((said, len(value))) if value.isascii() and value.isalnum() else None
    return f"{prefix}{value}" if prefix else value if said == system else ""
