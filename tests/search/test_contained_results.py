"""Contained resources among the matches, where they are asked for: `_contained`, `_containedType`.

https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.outcome import TooCostly
from fhir_server.search.answering import contained
from tests.search.test_results import pages
from tests.server.searches import BASE, SmallServer


def container(id: str, *codes: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/a"},
        "medicationReference": {"reference": "#m0"},
        "contained": [
            {
                "resourceType": "Medication",
                "id": f"m{n}",
                "code": {"coding": [{"system": "http://m", "code": code}]},
                "manufacturer": {"reference": "Organization/maker"},
            }
            for n, code in enumerate(codes)
        ],
    }


MEDICATIONS = [
    container("r1", "abc", "def"),
    container("r2", "abc"),
    container("r3", "xyz"),
    {"resourceType": "Medication", "id": "alone", "code": {"coding": [{"system": "http://m", "code": "abc"}]}},
    {"resourceType": "Organization", "id": "maker", "name": "Maker"},
]


@pytest.mark.parametrize(
    ("asked", "urls"),
    [
        ("Medication?code=abc", ["Medication/alone"]),
        ("Medication?code=abc&_contained=false", ["Medication/alone"]),
        ("Medication?code=abc&_contained=true", ["MedicationRequest/r1", "MedicationRequest/r2"]),
        ("Medication?code=abc,def&_contained=true", ["MedicationRequest/r1", "MedicationRequest/r2"]),
        (
            "Medication?code=abc,def&_contained=true&_containedType=contained",
            ["MedicationRequest/r1#m0", "MedicationRequest/r1#m1", "MedicationRequest/r2#m0"],
        ),
        (
            "Medication?code=abc&_contained=both",
            ["Medication/alone", "MedicationRequest/r1", "MedicationRequest/r2"],
        ),
        ("Medication?manufacturer.name=maker&_contained=true&code=xyz", ["MedicationRequest/r3"]),
        ("Medication?manufacturer.name=nobody&_contained=true", []),
        ("Medication?code:not=abc&_contained=true", ["MedicationRequest/r1", "MedicationRequest/r3"]),
        ("Medication?_id=m1&_contained=true&_containedType=contained", ["MedicationRequest/r1#m1"]),
        ("Patient?_contained=true", []),
    ],
)
async def test_contained_resources_are_found_when_asked_for(server: SmallServer, asked: str, urls: list[str]) -> None:
    """https://hl7.org/fhir/R4/search.html#contained"""
    await server.put(*MEDICATIONS)
    bundle = await server.search(asked)
    assert [entry["fullUrl"] for entry in bundle.get("entry", ())] == [f"{BASE}/{url}" for url in urls]


async def test_contained_resources_come_in_pages_too(server: SmallServer) -> None:
    await server.put(*MEDICATIONS)
    asked = "Medication?code=abc,def&_contained=both&_containedType=contained&_count=1"
    assert await pages(server, asked) == [["alone"], ["m0"], ["m1"], ["m0"]]
    assert (await server.search(asked + "&_total=accurate"))["total"] == 4
    assert (await server.search("Medication?code=abc&_contained=both&_summary=count"))["total"] == 3


async def test_too_many_containers_are_refused(server: SmallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "MAX_CONTAINERS", 1)
    monkeypatch.setattr(contained, "_PAGE", 1)
    await server.put(*MEDICATIONS)
    with pytest.raises(TooCostly):
        await server.search("Medication?code=abc&_contained=true")
