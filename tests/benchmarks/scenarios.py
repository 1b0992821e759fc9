"""What is measured: the requests of each scenario, and what its ceiling is sent and writes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from fhir_server.fhir.json import parse, serialize, stamped
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.opening import open_engine
from tests.benchmarks.servers import get, post

#: Patients that give a thousand resources.
PATIENTS_PER_THOUSAND = 48
#: Different requests of a scenario.
VARIETY = 2000


@dataclass(frozen=True, slots=True)
class Filled:
    """A store that was filled: its folder, how many patients and resources, and how fast (resources/s)."""

    folder: Path
    patients: int
    resources: int
    rate: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Requests for the server and for the ceiling (none: no ceiling); what the ceiling's POST writes, as msgpack."""

    name: str
    ours: list[bytes]
    ceiling: list[bytes]
    writes: bytes = b"\x90"


def read(filled: Filled) -> Scenario:
    """Reading one resource."""
    names = asyncio.run(_some(filled, "DocumentReference", VARIETY))
    return Scenario("read", [get(f"/fhir/{name}") for name in names], [get(f"/{name}") for name in names])


def search(filled: Filled) -> Scenario:
    """The documents of one patient, 20 a page."""
    rng = Random(1)
    people = [f"Patient/s1-pat-{rng.randint(1, filled.patients)}" for _ in range(VARIETY)]
    return Scenario(
        "one patient's documents, 20 a page",
        [get(f"/fhir/DocumentReference?patient={person}&_count=20") for person in people],
        [get(f"/search?patient={person}") for person in people],
    )


def sorted_search(filled: Filled) -> Scenario:
    """A type of document since a day, newest first, over all patients."""
    types = ("11502-2", "57833-6", "18748-4", "34112-3", "11490-0", "11488-4")
    days = [f"202{year}-{month:02d}-01" for year in (4, 5) for month in range(1, 13)]
    paths = [
        f"/fhir/DocumentReference?type=http://loinc.org|{code}&date=ge{day}&_sort=-date&_count=20"
        for code in types
        for day in days
    ]
    return Scenario("type and date, sorted, all patients", [get(path) for path in paths], [])


def create(filled: Filled) -> Scenario:
    """Creating a measure."""
    return Scenario(
        "create",
        [post("/fhir/Observation", serialize(measure(n, filled.patients))) for n in range(VARIETY)],
        [post("/", serialize(measure(n, filled.patients))) for n in range(VARIETY)],
        _writes([measure(1, filled.patients)]),
    )


def transaction(filled: Filled) -> Scenario:
    """A transaction of ten creates that refer to one another."""
    bundles = [serialize(_bundle(filled, n)) for n in range(200)]
    resources = [entry["resource"] for entry in _bundle(filled, 1)["entry"]]
    return Scenario(
        "transaction of 10",
        [post("/fhir", body) for body in bundles],
        [post("/", body) for body in bundles],
        _writes(resources),
    )


async def _some(filled: Filled, type: str, count: int) -> list[str]:
    engine = open_engine(f"sqlite:///{filled.folder / 'fhir.sqlite'}", max_pending=10, deadline_seconds=30)
    page = await engine.store.find({type: EVERYTHING}, count=count)
    await engine.close()
    names = [f"{version.type}/{version.id}" for version in page.versions]
    Random(1).shuffle(names)
    return names


def measure(number: int, patients: int, team: str | None = None) -> dict[str, Any]:
    """A weight of one of so many patients; `team` is an Observation that it belongs to."""
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                        "display": "Vital Signs",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Poids corporel"}]},
        "subject": {"reference": f"Patient/s1-pat-{number % patients + 1}"},
        "effectiveDateTime": f"2026-06-{number % 28 + 1:02d}T08:30:00+02:00",
        "valueQuantity": {
            "value": 60 + number % 40,
            "unit": "kg",
            "system": "http://unitsofmeasure.org",
            "code": "kg",
        },
    }
    if team:
        found["hasMember"] = [{"reference": team}]
    return found


def _bundle(filled: Filled, number: int) -> dict[str, Any]:
    names = [f"urn:uuid:00000000-0000-4000-8000-{number:06d}{n:06d}" for n in range(10)]
    entries = []
    for order, name in enumerate(names):
        entries.append(
            {
                "fullUrl": name,
                "resource": measure(number, filled.patients, names[0] if order else None),
                "request": {"method": "POST", "url": "Observation"},
            }
        )
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _writes(resources: list[dict[str, Any]]) -> bytes:
    registry = Registry()
    rows = []
    for resource in resources:
        body, stamp = stamped(serialize(resource), "0" * 24, 1)
        index = extract(resource["resourceType"], parse(body), registry)
        rows.append((resource["resourceType"], body, stamp, msgspec.msgpack.encode(index)))
    return msgspec.msgpack.encode(rows)
