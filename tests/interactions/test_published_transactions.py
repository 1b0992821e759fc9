"""Transactions that others published: whole lives of Synthea's, lots of the national guide for the DMP.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import gzip
import json
import re
import tarfile

import pytest

from tests.examples import shared_data
from tests.interactions.test_transaction import Json, counted, statuses
from tests.server.calls import Server


@pytest.mark.parametrize("number", range(1, 11))
async def test_a_whole_life_of_synthea_s_loads_and_is_found(server: Server, number: int) -> None:
    data = shared_data()
    if data is None:
        pytest.skip("the Synthea bundles are not beside the checkout")
    body = gzip.decompress((data / "synthea" / f"patient-{number:02d}.json.gz").read_bytes())
    answer = await server.post("", body)
    assert answer.status == 200, answer.json["issue"][:3]
    assert set(statuses(answer)) == {"201"}
    assert len(answer.json["entry"]) == await counted(server)
    [patient] = (await server.get("Patient")).resources
    observations = (await server.get(f"Observation?patient={patient['id']}&_summary=count")).json["total"]
    assert observations == (await server.get("Observation?_summary=count")).json["total"]
    assert b"urn:uuid" not in (await server.get("Claim?_count=1000")).response.body


@pytest.mark.parametrize(
    "name", ["Bundle-example-td2-1-remplacement.json", "Bundle-example-td2-iti65-lot-soumission.json"]
)
async def test_the_dmp_s_own_lots_load_once_the_patient_is_there(server: Server, name: str) -> None:
    bundle = dmp_example(name)
    refused = await server.post("", bundle)
    # Their subject is a reference by criteria, which must match one Patient.
    assert refused.status == 412 and "not-found" in refused.codes and await counted(server) == 0
    [(system, value), *_] = re.findall(r'"Patient\?identifier=([^|"]+)\|(\w+)"', json.dumps(bundle))
    await server.post("Patient", {"resourceType": "Patient", "identifier": [{"system": system, "value": value}]})
    for entry in bundle["entry"]:
        if entry["request"]["method"] == "PATCH":
            id = entry["request"]["url"].partition("/")[2]
            replaced = dmp_example("DocumentReference-doc-x-id.json")
            assert (await server.put(f"DocumentReference/{id}", {**replaced, "id": id})).status == 201
    answer = await server.post("", bundle)
    assert answer.status == 200, answer.json


def dmp_example(name: str) -> Json:
    data = shared_data()
    if data is None:
        pytest.skip("the national guides are not beside the checkout")
    with tarfile.open(data / "ig" / "ans.fhir.fr.pdsm4dmp-0.1.0.tgz") as archive:
        member = archive.extractfile(f"package/example/{name}")
        assert member is not None
        found: Json = json.load(member)
        return found
