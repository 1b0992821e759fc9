from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.app import House
from tests.server.people import a_care_team, a_person, kept
from tests.server.process import Served, operated, serving


def patient(id: str, family: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"family": family, "given": ["Nathalie"]}]}


def weight(id: str, patient: str, kilograms: float, day: int) -> dict[str, Any]:
    """A body weight as the Vital Signs profile of R4 has it: https://hl7.org/fhir/R4/bodyweight.html"""
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-05-{day:02}",
        "valueQuantity": {"value": kilograms, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }


async def _people(house: House) -> None:
    await kept(
        house,
        patient("p1", "DEMO"),
        patient("p2", "TEST"),
        *(weight(f"w{day}", "p1", 70 + day / 10, day) for day in range(1, 6)),
        weight("other", "p2", 80, 1),
        {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "EXEMPLE", "given": ["Zoé"]}]},
        a_care_team("p1", "Practitioner/d1"),
    )
    await a_person(house, "nathalie", "Nathalie DEMO", "Patient/p1")
    await a_person(house, "docteur", "Zoé EXEMPLE", "Practitioner/d1")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A closed server with two patients and a doctor, and apps of other origins allowed to call it."""
    folder = tmp_path_factory.mktemp("served")
    operated(folder, _people)
    with serving(folder, FHIR_CORS_ORIGINS='["*"]') as found:
        yield found
