"""What a caller may not see is as if it were not there: https://hl7.org/fhir/R4/security.html#authorization.access"""

from __future__ import annotations

import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from tests.interactions.test_batch import asks, batch
from tests.server.calls import Server

P1 = Grant(scopes=(Scope("patient", "*", VERBS),), subject="Patient/p1", client="app", patient="p1", traced=False)
READER = Grant(scopes=(Scope("system", "Patient", frozenset("rs")),), client="reader", traced=False)


def an_observation(id: str, patient: str) -> dict[str, object]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "subject": subject}


@pytest.fixture
async def patient(server: Server) -> Server:
    for id in ("p1", "p2"):
        await server.put(f"Patient/{id}", {"resourceType": "Patient", "id": id, "identifier": [{"value": id}]})
        await server.put(f"Observation/o-{id}", an_observation(f"o-{id}", id))
    await server.put("Observation/gone", an_observation("gone", "p2"))
    await server.delete("Observation/gone")
    return server.as_caller(P1)


@pytest.mark.parametrize("path", ["Observation/o-p2", "Observation/absent", "Observation/gone"])
async def test_what_is_hidden_answers_like_what_is_absent(patient: Server, path: str) -> None:
    id = path.partition("/")[2]
    assert (await patient.get(path)).status == 404
    assert (await patient.get(f"{path}/_history")).status == 404
    assert (await patient.get(f"{path}/_history/1")).status == 404
    assert (await patient.delete(path)).status == 404
    assert (await patient.put(path, an_observation(id, "p1"))).status == 404
    assert (await patient.call("PATCH", path, [], content_type="application/json-patch+json")).status == 404
    assert (await patient.get(f"{path}/$meta")).status == 404


async def test_only_what_may_be_seen_is_found_counted_and_listed(patient: Server) -> None:
    assert [r["id"] for r in (await patient.get("Observation")).resources] == ["o-p1"]
    assert (await patient.get("Observation?_summary=count")).json["total"] == 1
    assert (await patient.get("Observation/_history")).json["total"] == 1
    assert {r["id"] for r in (await patient.get("_history")).resources} == {"p1", "o-p1"}
    assert (await patient.get("Patient/p2/Observation")).json["total"] == 0
    assert (await patient.get("Patient/p2/$everything")).status == 404
    assert {r["id"] for r in (await patient.get("Patient/$everything")).resources} == {"p1", "o-p1"}


async def test_what_the_caller_writes_must_be_theirs(patient: Server) -> None:
    assert (await patient.put("Observation/o-p1", an_observation("o-p1", "p1"))).status == 200
    assert (await patient.put("Observation/o-p1", an_observation("o-p1", "p2"))).status == 403
    assert (await patient.post("Observation", an_observation("", "p2") | {"id": "x"})).status == 403
    assert (await patient.post("Observation", an_observation("x", "p1"))).status == 201


async def test_conditions_see_no_more_than_searches(patient: Server) -> None:
    made = await patient.post("Observation", an_observation("x", "p1"), if_none_exist="subject=Patient/p2")
    assert made.status == 201
    assert (await patient.delete("Observation?subject=Patient/p2")).status == 204
    answer = await patient.post("", batch(asks("GET", "Observation/o-p2"), asks("DELETE", "Observation/o-p2")))
    assert [entry["response"]["status"][:3] for entry in answer.json["entry"]] == ["404", "404"]


async def test_a_missing_scope_is_403_before_anything_is_looked_at(server: Server) -> None:
    reader = server.as_caller(READER)
    await server.put("Patient/p1", {"resourceType": "Patient", "id": "p1"})
    assert (await reader.get("Patient/p1")).status == 200
    for method, url in (
        ("GET", "Observation/x"),
        ("GET", "Observation"),
        ("DELETE", "Patient/p1"),
        ("PUT", "Patient/p1"),
        ("POST", "Patient"),
    ):
        assert (await reader.call(method, url, {"resourceType": "Patient", "id": "p1"})).status == 403
