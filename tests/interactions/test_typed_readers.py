"""What the server itself builds is read by a typed model of the specification that is not ours: fhir.resources (R4B).

https://hl7.org/fhir/R4/capabilitystatement.html, https://hl7.org/fhir/R4/operationoutcome.html,
https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome

from fhir_server.app import opened
from fhir_server.settings import Settings


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(Settings(data=tmp_path, open=True, audit="on")) as house:
        transport = httpx.ASGITransport(house.asgi)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/fhir/") as client:
            yield client


async def test_the_capability_statement_is_one(client: httpx.AsyncClient) -> None:
    statement = CapabilityStatement.model_validate_json((await client.get("metadata")).content)
    assert statement.fhirVersion == "4.0.1"
    assert len(statement.rest[0].resource) == 146


async def test_a_refusal_is_an_operation_outcome(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "Patient", json={"resourceType": "Patient", "gender": "femme", "birthDate": "2023-02-30"}
    )
    assert answer.status_code == 422
    issues = OperationOutcome.model_validate_json(answer.content).issue
    errors = {issue.expression[0] for issue in issues if issue.severity == "error"}
    assert errors == {"Patient.gender", "Patient.birthDate"}


@pytest.mark.parametrize(
    "path", ["Patient?_count=1", "Patient/_history", "Patient/p/$everything", "Patient/p/_history"]
)
async def test_an_answer_of_many_is_a_bundle(client: httpx.AsyncClient, path: str) -> None:
    for id in "pq":
        await client.put(f"Patient/{id}", json={"resourceType": "Patient", "id": id})
    bundle = Bundle.model_validate_json((await client.get(path)).content)
    assert bundle.link[0].relation == "self"
    assert any(entry.fullUrl.startswith("http://127.0.0.1/fhir/Patient/") for entry in bundle.entry)


async def test_a_trace_is_an_audit_event(client: httpx.AsyncClient) -> None:
    await client.put("Patient/p", json={"resourceType": "Patient", "id": "p"})
    entry = (await client.get("AuditEvent")).json()["entry"][0]
    event = AuditEvent.model_validate(entry["resource"])
    assert (event.action, event.outcome) == ("U", "0")
