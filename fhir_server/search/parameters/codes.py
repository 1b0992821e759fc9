"""How a code is spelt in the index, and the code system that an element of type `code` implies.

https://hl7.org/fhir/R4/search.html#token: some code systems are case-sensitive, others are not; when in doubt a server
should not tell upper from lower case. So a code is kept in small letters unless its system is known to tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache

import msgspec

from fhir_server.fhir.definitions import children, folder, types

UCUM = "http://unitsofmeasure.org"
CURRENCIES = "urn:iso:std:iso:4217"
BOOLEAN = "http://hl7.org/fhir/special-values"

_SENSITIVE = ("http://hl7.org/fhir/", "http://terminology.hl7.org/")
_INSENSITIVE = "http://terminology.hl7.org/CodeSystem/v2-"
#: Of R4's own code systems, those that say they are case-sensitive and have none of the roots above.
_OTHERS = frozenset(
    (
        UCUM,
        "http://cds-hooks.hl7.org/CodeSystem/indicator",
        "http://dicom.nema.org/resources/ontology/DCM",
        "http://healthit.gov/nhin/purposeofuse",
        "urn:iso-astm:E1762-95:2013",
        "urn:oid:1.2.36.1.2001.1001.101.104.16592",
        "urn:oid:2.16.840.1.113883.3.1937.98.5.8",
    )
)
#: Required value sets that no list of codes can hold, and the system their codes are of.
_OPEN = {
    "http://hl7.org/fhir/ValueSet/mimetypes": "urn:ietf:bcp:13",
    "http://hl7.org/fhir/ValueSet/all-languages": "urn:ietf:bcp:47",
    "http://hl7.org/fhir/ValueSet/languages": "urn:ietf:bcp:47",
    "http://hl7.org/fhir/ValueSet/currencies": CURRENCIES,
}


@lru_cache(maxsize=4096)
def is_case_sensitive(system: str) -> bool:
    """Whether `system` is known to tell upper from lower case."""
    return system in _OTHERS or (system.startswith(_SENSITIVE) and not system.startswith(_INSENSITIVE))


def spelling(code: str, system: str) -> str:
    """How `code` of `system` ("" for none) stands in the index."""
    return code if is_case_sensitive(system) else code.casefold()


def spellings(code: str) -> tuple[str, ...]:
    """How `code` may stand in the index when its system is not known: as written, and in small letters."""
    folded = code.casefold()
    return (code,) if folded == code else (code, folded)


@cache
def implied_system(path: str) -> str | Callable[[str], str]:
    """The system of the codes in an element of type `code`, from its binding.

    Args:
        path: of the element as its own type defines it: `Patient.gender`, `ContactPoint.use`.

    Returns:
        The system, "" when no binding says; or, where a value set takes from several, what gives a code's system.
    """
    url = _bound(path)
    if url in _OPEN:
        return _OPEN[url]
    systems = _required().get(url, {})
    if len(systems) < 2:
        return next(iter(systems), "")
    by_code = {code: system for system, codes in systems.items() for code in codes}
    return lambda code: by_code.get(code, "")


def _bound(path: str) -> str:
    parent, _, name = path.rpartition(".")
    if not parent or parent.partition(".")[0] not in types():
        return ""
    element = children(parent).get(name)
    binding = element.binding if element else None
    return (binding.valueSet or "").partition("|")[0] if binding else ""


@cache
def _required() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    file = folder("profiles") / "hl7.fhir.r4.core" / "required-codes.json"
    return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, tuple[str, ...]]])
