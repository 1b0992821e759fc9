"""Chains into contained resources: https://hl7.org/fhir/R4/search.html#chaining, references.html#contained.

A chain means the same whether what it leads to stands alone or inside: each case is asked of both.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import Invalid
from fhir_server.search.indexing.enclosed import MOST
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.search.parameters.targets import targets_of
from fhir_server.store.filters import Index
from tests.server.searches import SmallServer, a_server

Json = dict[str, Any]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SmallServer]:
    found = a_server(tmp_path)
    yield found
    await found.engine.close()


def coded(code: str) -> Json:
    return {"coding": [{"system": "http://codes", "code": code}]}


PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [{"family": "Dupré", "given": ["Jeanne"]}],
    "birthDate": "1980-07-01",
    "address": [{"city": "Lyon"}],
    "telecom": [{"system": "email", "value": "j@example.org"}],
    "managingOrganization": {"reference": "#o"},
}
ORGANIZATION: Json = {"resourceType": "Organization", "id": "o", "name": "Hôpital", "partOf": {"reference": "#g"}}
GROUPED: Json = {"resourceType": "Organization", "id": "g", "name": "Groupement", "active": False}
MEDICATION: Json = {
    "resourceType": "Medication",
    "id": "m",
    "code": coded("whole"),
    "ingredient": [{"itemCodeableConcept": coded("paracetamol")}],
    "batch": {"expirationDate": "2030-05", "lotNumber": "L1"},
}
QUANTIFIED: Json = {
    "resourceType": "Observation",
    "id": "q",
    "status": "final",
    "code": coded("weight"),
    "valueQuantity": {"value": 70, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "effectiveDateTime": "2024-03-01",
}
PLACE: Json = {"resourceType": "Location", "id": "l", "name": "Cabinet", "position": {"latitude": 45, "longitude": 5}}


def holding(id: str, inner: list[Json], alone: bool) -> list[Json]:
    """A report about everything there is in `inner`, which it contains, or which stands beside it."""
    trees = [
        {
            "resourceType": "MedicationRequest",
            "id": id,
            "status": "active",
            "intent": "order",
            "subject": {"reference": "#p"},
            "medicationReference": {"reference": "#m"},
        },
        {
            "resourceType": "DiagnosticReport",
            "id": f"{id}-report",
            "status": "final",
            "code": coded("x"),
            "result": [{"reference": "#q"}],
        },
        {
            "resourceType": "Encounter",
            "id": f"{id}-visit",
            "status": "planned",
            "class": {"code": "AMB"},
            "location": [{"location": {"reference": "#l"}}],
        },
    ]
    if not alone:
        return [{**tree, "contained": copy.deepcopy(inner)} for tree in trees]
    names = {f"#{one['id']}": f"{one['resourceType']}/{one['id']}" for one in inner}
    return [_outside(tree, names) for tree in (*copy.deepcopy(inner), *trees)]


def _outside(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: names[value] if key == "reference" and value in names else _outside(value, names)
            for key, value in node.items()
        }
    return [_outside(one, names) for one in node] if isinstance(node, list) else node


INNER = [PATIENT, ORGANIZATION, GROUPED, MEDICATION, QUANTIFIED, PLACE]
#: A chain → whether it finds the one resource of its type.
CHAINS = {
    "MedicationRequest?medication.ingredient-code=paracetamol": True,
    "MedicationRequest?medication.ingredient-code=http://codes|paracetamol": True,
    "MedicationRequest?medication.ingredient-code=aspirin": False,
    "MedicationRequest?medication:Medication.code=whole": True,
    "MedicationRequest?medication.code:not=whole": False,
    "MedicationRequest?medication.code:not=other": True,
    "MedicationRequest?medication.lot-number=L1": True,
    "MedicationRequest?medication.expiration-date=lt2031": True,
    "MedicationRequest?medication.expiration-date=ge2030-05": True,
    "MedicationRequest?medication.expiration-date=gt2030-05": False,
    "MedicationRequest?medication.status:missing=true": True,
    "MedicationRequest?medication.code:missing=true": False,
    "MedicationRequest?medication.code:missing=false": True,
    "MedicationRequest?patient.family=dupre": True,
    "MedicationRequest?patient.family:exact=Dupré": True,
    "MedicationRequest?patient.family:contains=upr": True,
    "MedicationRequest?subject:Patient.birthdate=1980": True,
    "MedicationRequest?subject.birthdate=gt1980-07-01": False,
    "MedicationRequest?subject:Patient.address-city=lyon": True,
    "MedicationRequest?subject:Patient.email=j@example.org": True,
    "MedicationRequest?subject:Patient.active:not=true": False,
    "MedicationRequest?subject:Patient.deceased=false": True,
    "MedicationRequest?subject:Patient.organization.name=hopital": True,
    "MedicationRequest?subject:Patient.organization.name=groupement": False,
    "MedicationRequest?subject:Patient.organization.partof.name=groupement": True,
    "MedicationRequest?subject:Patient.organization.partof.active=false": True,
    "MedicationRequest?subject:Patient.organization.partof.active:not=false": False,
    "DiagnosticReport?result.code=weight": True,
    "DiagnosticReport?result.value-quantity=gt60": True,
    "DiagnosticReport?result.value-quantity=70000|http://unitsofmeasure.org|g": True,
    "DiagnosticReport?result.value-quantity=lt60": False,
    "DiagnosticReport?result.code-value-quantity=weight$70": True,
    "DiagnosticReport?result.code-value-quantity=height$70": False,
    "DiagnosticReport?result.date=2024-03": True,
    "Encounter?location.near=45.01|5.01|10|km": True,
    "Encounter?location.near=46|5|10|km": False,
    "DiagnosticReport?_filter=result[value-quantity gt 60].code eq weight": True,
    "DiagnosticReport?_filter=result[value-quantity gt 80].code eq weight": False,
    "MedicationRequest?_filter=not (medication.code eq whole)": False,
}


@pytest.mark.parametrize("alone", [True, False], ids=["standing alone", "contained"])
async def test_a_chain_finds_the_same_inside_as_outside(server: SmallServer, alone: bool) -> None:
    await server.put(*holding("it", INNER, alone))
    assert {chain: bool(await server.ids(chain)) for chain in CHAINS} == CHAINS


async def test_two_contained_resources_are_never_taken_for_one(server: SmallServer) -> None:
    first = {**MEDICATION, "id": "m", "status": "active", "code": coded("a")}
    second = {**MEDICATION, "id": "n", "code": coded("b")}
    await server.put(
        {
            "resourceType": "MedicationKnowledge",
            "id": "k",
            "contained": [first, second],
            "associatedMedication": {"reference": "#m"},
        },
        {
            "resourceType": "List",
            "id": "both",
            "status": "current",
            "mode": "working",
            "contained": [first, second],
            "entry": [{"item": {"reference": "#m"}}, {"item": {"reference": "#n"}}],
        },
    )
    # One of the two is not "a", and one has no status: asked of both at once, neither would be so.
    assert await server.ids("List?item:Medication.code:not=a") == ["both"]
    assert await server.ids("List?item:Medication.status:missing=true") == ["both"]
    assert await server.ids("List?item:Medication.status:missing=false") == ["both"]
    assert await server.ids("List?item:Medication.code=c") == []


async def test_what_is_contained_and_not_referred_to_by_the_parameter_is_not_found_by_it(server: SmallServer) -> None:
    other = {**PATIENT, "id": "x", "name": [{"family": "Autre"}]}
    trees = holding("it", [*INNER, other], alone=False)
    await server.put(*trees)
    assert await server.ids("MedicationRequest?patient.family=autre") == []
    # The same parameter of another type leads elsewhere.
    assert await server.ids("MedicationRequest?requester:Practitioner.family=dupre") == []


async def test_a_reverse_chain_counts_resources_that_stand_alone(server: SmallServer) -> None:
    inside = {**QUANTIFIED, "subject": {"reference": "Patient/real"}}
    await server.put(
        {"resourceType": "Patient", "id": "real"},
        {
            "resourceType": "DiagnosticReport",
            "id": "r",
            "status": "final",
            "code": coded("x"),
            "contained": [inside],
            "result": [{"reference": "#q"}],
        },
        {
            "resourceType": "Observation",
            "id": "outside",
            "status": "final",
            "code": coded("pulse"),
            "subject": {"reference": "Patient/real"},
            "contained": [{"resourceType": "Practitioner", "id": "w", "name": [{"family": "Weil"}]}],
            "performer": [{"reference": "#w"}],
        },
    )
    assert await server.ids("Patient?_has:Observation:patient:code=weight") == []
    assert await server.ids("Patient?_has:Observation:patient:code=pulse") == ["real"]
    assert await server.ids("Patient?_has:Observation:patient:performer.family=weil") == ["real"]


async def test_a_contained_resource_searched_by_itself_may_refer_to_another(server: SmallServer) -> None:
    await server.put(*holding("it", INNER, alone=False))
    asked = "Patient?organization.name=hopital&_contained=true&_containedType=contained"
    bundle = await server.search(asked)
    assert {entry["fullUrl"].rpartition("#")[2] for entry in bundle["entry"]} == {"p"}
    assert await server.ids("Patient?organization.name=other&_contained=true") == []


def test_every_reference_parameter_of_every_type_leads_inside() -> None:
    """The rows are there for each of R4's reference parameters whose element is a reference."""
    registry, reached = Registry(), 0
    for type in sorted(resource_types()):
        for code, param in registry.of(type).items():
            if param.type != "reference" or code.startswith("_"):
                continue
            target = next((t for t in targets_of(param, type) if "identifier" in registry.of(t)), None)
            element = (param.expression or "").split("|")[0].strip().partition(".")[2]
            if target is None or not element.isidentifier():
                continue
            inner = {"resourceType": target, "id": "in", "identifier": [{"value": "i-1"}]}
            for value in ({"reference": "#in"}, [{"reference": "#in"}]):
                tree = {"resourceType": type, element: value, "contained": [inner]}
                rows = extract(type, tree, registry)
                if any(word.param == code for word in rows.words):
                    params = {word.param for word in rows.words}
                    assert {f"{code}:contained", f"{code}:{target}.identifier"} <= params, (type, code)
                    reached += 1
                    break
    assert reached > 250


def _knot(count: int) -> Json:
    """Lists that each list all the others, contained in a list of them all."""
    every = [{"item": {"reference": f"#{n}"}} for n in range(count)]
    inner = [{"resourceType": "List", "id": str(n), "status": "current", "entry": every} for n in range(count)]
    return {"resourceType": "List", "status": "current", "entry": every, "contained": inner}


def test_an_index_stays_bounded_whatever_is_contained() -> None:
    registry = Registry()
    with pytest.raises(Invalid) as refused:
        extract("List", _knot(60), registry)
    assert refused.value.issues[0].expression == "List.contained"
    # What was stored before is indexed as far as the limit goes, so that the store can be indexed anew.
    kept: Index = extract("List", _knot(60), registry, written=True)
    assert 0 < len(kept.words) + len(kept.spans) <= MOST * 2
