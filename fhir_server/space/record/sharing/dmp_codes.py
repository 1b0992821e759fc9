"""The codes of a document, where a caller is held to the guides as they are written: those of the DMP's value sets.

PDSm binds them as extensible or preferred, and says which value sets the DMP takes (JDV_J57, J66, J60, J61, J62):
https://interop.esante.gouv.fr/ig/fhir/pdsm. Lenient, a code from elsewhere is a warning of the profile that a document
claims; strict (`FHIR_PDSM`, `FHIR_PDSM_CLIENTS`) one of the value set must be among the codings, and words alone are
no code. Whether an element is there at all is said by the profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.fhirpath.environment import Services
from fhir_server.fhir.outcome import Issue
from fhir_server.interactions import hooks
from fhir_server.interactions.exchange import Context
from fhir_server.space.record.sharing.levels import is_strict
from fhir_server.space.record.sharing.words import dicts, is_shared
from fhir_server.validation.types.bound import Bound

#: Element → its type, and the name of the value set that the DMP takes.
VALUE_SETS: Mapping[str, tuple[str, str]] = {
    "category": ("CodeableConcept", "JDV_J57-ClassCode-DMP"),
    "type": ("CodeableConcept", "JDV_J66-TypeCode-DMP"),
    "content.format": ("Coding", "JDV_J60-FormatCode-DMP"),
    "context.facilityType": ("CodeableConcept", "JDV_J61-HealthcareFacilityTypeCode-DMP"),
    "context.practiceSetting": ("CodeableConcept", "JDV_J62-PracticeSettingCode-DMP"),
}
_NOS = "https://mos.esante.gouv.fr/NOS"


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """That each of these elements has a code of its value set, where this caller is held to it."""
    if not is_strict(context) or not (is_shared(tree) or people(context.repository.grant)):
        return []
    codes = context.validator.codes if context.validator is not None else None
    services = Services(member_of=codes.member_of) if codes is not None else Services()
    return await hooks.informed(context, lambda: list(issues(tree, services)))


def issues(tree: Mapping[str, Any], services: Services) -> Iterator[Issue]:
    """What is wrong with the codes of a document; of a value set that is not known here nothing is said."""
    for element, (type, name) in VALUE_SETS.items():
        bound = Bound(f"{_NOS}/{name}/FHIR/{name.replace('_', '-')}", "required")
        for value, at in _values(tree, element.split("."), "DocumentReference"):
            if bound.broken(value, type, at, services) is not None:
                yield Issue("error", "code-invalid", f"The DMP takes a code of {name} here.", at, "dmp-code")


def _values(node: Mapping[str, Any], way: Sequence[str], at: str) -> Iterator[tuple[Any, str]]:
    """The values at the end of a way of elements, each with its FHIRPath."""
    found, at = node.get(way[0]), f"{at}.{way[0]}"
    rows = [(one, f"{at}[{n}]") for n, one in enumerate(dicts(found))] if isinstance(found, list) else [(found, at)]
    for one, where in rows:
        if not isinstance(one, dict):
            continue
        if len(way) == 1:
            yield one, where
        else:
            yield from _values(one, way[1:], where)
