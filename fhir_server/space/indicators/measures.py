"""What indicators count, as Measures (https://hl7.org/fhir/R4/measure.html) that the server keeps for everybody."""

from __future__ import annotations

from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.fhir.json import serialize
from fhir_server.space.indicators.definitions import INDICATORS
from fhir_server.space.indicators.indicator import Indicator
from fhir_server.space.indicators.reach import MEASURE
from fhir_server.store.protocol import Stale

_TERMS = "http://terminology.hl7.org/CodeSystem/measure-"


async def keep(repository: Repository) -> int:
    """Have a Measure stored for each indicator that everybody may see, as it is now; how many were written."""
    puts = []
    for one in INDICATORS:
        if not one.public:
            continue
        tree = to_measure(one)
        before = await repository.current("Measure", one.code)
        if {key: value for key, value in tree_of(before).items() if key != "meta"} != tree:
            puts.append(await repository.put("Measure", one.code, tree, serialize(tree), before))
    try:
        await repository.transact(puts)
    except Stale:
        # Another process keeps the same.
        return 0
    return len(puts)


def to_measure(one: Indicator) -> dict[str, Any]:
    """The Measure of an indicator: what it counts in words, and by what it is divided."""
    counted = {"language": "text/plain", "expression": one.definition[1]}
    dims = [one.rows, one.columns] if one.columns else [one.rows]
    group: dict[str, Any] = {
        "population": [{"code": _coded("population", "initial-population"), "criteria": counted}],
        "stratifier": [_stratifier(dims)],
    }
    return {
        "resourceType": "Measure",
        "id": one.code,
        "url": f"{MEASURE}{one.code}",
        "name": "".join(part.capitalize() for part in one.code.split("-")),
        "title": one.title[0],
        "status": "active",
        "experimental": False,
        "subjectCodeableConcept": {"coding": [{"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}]},
        "description": f"{one.definition[0]} ({one.unit[0]})\n\n{one.definition[1]} ({one.unit[1]})",
        "jurisdiction": [{"coding": [{"system": "urn:iso:std:iso:3166", "code": "FR"}]}],
        "disclaimer": "Les nombres de 1 à 10 ne sont pas diffusés ; les totaux sont ceux des nombres diffusés.",
        "scoring": _coded("scoring", "cohort"),
        "group": [group],
    }


def _stratifier(dims: list[str]) -> dict[str, Any]:
    said = [{"code": {"text": dim}, "criteria": {"language": "text/plain", "expression": dim}} for dim in dims]
    return said[0] if len(said) == 1 else {"component": said}


def _coded(kind: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{_TERMS}{kind}", "code": code}]}
