"""What validation is measured on: ordinary resources, a comprehensive document of the national profile, a whole life."""

from __future__ import annotations

import gzip
from typing import Any

from fhir_server.fhir.json import parse, serialize
from tests.benchmarks.scenarios import measure
from tests.examples import shared_data
from tests.profiles.resources import DOCUMENT

Tree = dict[str, Any]
#: Entries of the Bundle that is generated where Synthea's are not there.
ENTRIES = 500


def patient() -> Tree:
    """An ordinary Patient: names, telecom, address, identifiers, marital status."""
    return _read(
        {
            "resourceType": "Patient",
            "identifier": [{"use": "official", "system": "urn:oid:1.2.250.1.213.1.4.11", "value": "269054958815780"}],
            "active": True,
            "name": [
                {"use": "official", "family": "DEMO", "given": ["Nathalie", "Anne"]},
                {"use": "usual", "family": "DEMO", "given": ["Nathalie"]},
            ],
            "telecom": [
                {"system": "phone", "value": "+33 6 39 98 08 21", "use": "mobile"},
                {"system": "email", "value": "nathalie.demo@example.org", "use": "home"},
            ],
            "gender": "female",
            "birthDate": "1969-05-02",
            "address": [
                {
                    "use": "home",
                    "line": ["78 avenue Jean Jaurès"],
                    "city": "La Roche-sur-Yon",
                    "postalCode": "85000",
                    "country": "FRA",
                }
            ],
            "maritalStatus": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]
            },
            "generalPractitioner": [{"reference": "Practitioner/1"}],
        }
    )


def observation() -> Tree:
    """The measure that the scenario of creates sends."""
    return _read(measure(3, patients=10))


def document() -> Tree:
    """An ordinary DocumentReference: that of the national profile without its claim, and with nothing contained."""
    plain = {k: v for k, v in DOCUMENT.items() if k not in ("meta", "contained")}
    plain["author"], plain["custodian"] = [{"reference": "Practitioner/1"}], {"reference": "Organization/1"}
    plain["context"] = {**plain["context"], "sourcePatientInfo": {"reference": "Patient/1"}}
    return _read(plain)


def comprehensive() -> Tree:
    """A comprehensive DocumentReference that claims the national profile: three contained resources, slices, rules."""
    return _read(DOCUMENT)


def life() -> tuple[str, Tree]:
    """A Bundle of about five hundred entries and what it is: Synthea's where there is one, else of the population."""
    data = shared_data()
    files = sorted((data / "synthea").glob("*.json.gz")) if data is not None else []
    if files:
        bundles = [parse(gzip.decompress(file.read_bytes())) for file in files]
        found = min(bundles, key=lambda bundle: abs(len(bundle["entry"]) - ENTRIES))
        return f"Synthea bundle of {len(found['entry'])} entries", found
    return f"generated bundle of {ENTRIES} entries", _generated()


def _generated() -> Tree:
    """Without their claims to profiles, since Synthea's claim none either."""
    from fhir_server.population.generation import population

    kinds = ("Patient", "DocumentReference", "Appointment", "Observation", "Slot")
    found = ({k: v for k, v in tree.items() if k != "meta"} for tree in population(60) if tree["resourceType"] in kinds)
    entries = [{"fullUrl": f"http://example.org/fhir/{t['resourceType']}/{t['id']}", "resource": t} for t in found]
    return _read({"resourceType": "Bundle", "type": "collection", "entry": entries[:ENTRIES]})


def _read(tree: Tree) -> Tree:
    return parse(serialize(tree))
