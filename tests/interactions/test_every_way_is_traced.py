"""Whatever is asked leaves traces before it is answered: each route and operation, allowed, refused and in an emergency.

https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/security.html#audit, CSP R1111-43. The rows come from the
tables that requests are served by: a new route or operation is here by itself.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import ALL, VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.interactions.routes import ROUTES
from fhir_server.operations.table import Operations
from fhir_server.settings import Settings
from fhir_server.space.services import SERVICES
from fhir_server.store.filters import EVERYTHING
from tests.examples import ROOT
from tests.server.people import kept

BASE = "https://fhir.example/fhir"
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "DEMO"}]}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
}
EVERYTHING_GRANTED = Grant((ALL,), client="tool")
CALLERS = {
    "software": EVERYTHING_GRANTED,
    "professional": Grant((Scope("user", "*", VERBS),), subject="Practitioner/d", client="tool", purpose="TREAT"),
    "emergency": Grant(
        (Scope("user", "*", VERBS),), subject="Practitioner/d", client="tool", purpose="BTG", reason="Coma"
    ),
    "patient": Grant((Scope("patient", "*", VERBS),), subject="Patient/p1", patient="p1", client="app"),
    "refused": Grant((), subject="Practitioner/d", client="tool", purpose="TREAT"),
}
SEGMENTS = {"T": ("Patient", "Observation"), "I": ("p1",), "V": ("1",)}
#: What is sent by a method to a shape; a way that is missing sends nothing, and is refused.
BODIES: dict[tuple[str, str], Any] = {
    ("PUT", "T/I"): PATIENT,
    ("PUT", "T"): PATIENT,
    ("PATCH", "T/I"): [{"op": "replace", "path": "/name/0/family", "value": "TEST"}],
    ("PATCH", "T"): [{"op": "replace", "path": "/name/0/family", "value": "TEST"}],
    ("POST", "T"): {"resourceType": "Patient", "name": [{"family": "DEMO"}]},
    ("POST", ""): {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"{one}"}} for one in ("Patient/p1", "Observation/o1")],
    },
}
CONDITIONS = {("PUT", "T"), ("PATCH", "T"), ("DELETE", "T")}


def _path(shape: str, operation: str = "$meta") -> tuple[str, ...]:
    types = iter(SEGMENTS["T"])
    parts = [part for part in shape.split("/") if part]
    return tuple(next(types) if p == "T" else operation if p == "$" else SEGMENTS.get(p, (p,))[0] for p in parts)


def _request(method: str, shape: str, operation: str = "$meta") -> Request:
    body = BODIES.get((method, shape))
    media_type = "application/json-patch+json" if isinstance(body, list) else FHIR_JSON
    query = (("_id", "p1"),) if (method, shape) in CONDITIONS else ()
    sent = json.dumps(body).encode() if body is not None else b""
    return Request(method, _path(shape, operation), query, sent, media_type if body is not None else "")


def _operations() -> dict[str, Request]:
    """One call of each operation, at the first level that it has."""
    found = {}
    folders = [ROOT / "fhir_server" / "space" / one.name for one in SERVICES]
    table = Operations({id: _never for one in SERVICES for id in one.operations}, folders)
    for id, definition in table.published.items():
        type = next((one for one in definition.resource if one != "Resource"), "Patient")
        level = "T/I/$" if definition.instance else "T/$" if definition.type else "$"
        path = tuple(type if p == "T" else "p1" if p == "I" else f"${definition.code}" for p in level.split("/"))
        found[id] = Request("POST", path, (), b'{"resourceType":"Parameters"}', FHIR_JSON)
    return found


async def _never(*_: Any) -> Any:
    raise AssertionError("only the table is read")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        for tree in (PATIENT, OBSERVATION, {**PATIENT, "id": "p2"}):
            await kept(house, tree)
        yield house


async def asked(house: House, grant: Grant, request: Request) -> tuple[int, list[dict[str, Any]]]:
    """The status of an answer, and the traces that it left."""
    seen = await house.seen_by(grant, BASE)
    context = house.context_of(seen, BASE, True, "representation", "")
    try:
        status = (await audited(request, context)).status
    except FhirError as error:
        status = error.status
    page = await house.engine.store.find({"AuditEvent": EVERYTHING}, count=100)
    return status, [json.loads(version.body) for version in page.versions]


def patients(trace: dict[str, Any]) -> set[str]:
    named = (entity.get("what", {}).get("reference", "") for entity in trace.get("entity", ()))
    return {one for one in named if one.startswith("Patient/") and one.count("/") == 1}


def require_told(status: int, traces: list[dict[str, Any]], grant: Grant) -> None:
    assert traces, "nothing was traced"
    for trace in traces:
        assert len(patients(trace)) <= 1
        assert len(trace["agent"]) <= 2 and len(trace["subtype"]) == 1
        assert (trace["subtype"][0]["code"] == "110127") == (grant.purpose == "BTG")
        who = trace["agent"][0]["who"]
        assert who.get("reference", who.get("identifier", {}).get("value")) == (grant.subject or grant.client)
    assert status < 400 or any(trace["outcome"] != "0" for trace in traces)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("method", "shape"), ROUTES)
async def test_every_route_leaves_traces_of_one_patient_each(
    house: House, method: str, shape: str, caller: str
) -> None:
    grant = CALLERS[caller]
    status, traces = await asked(house, grant, _request(method, shape))
    require_told(status, traces, grant)


@pytest.mark.parametrize("caller", ["software", "emergency", "refused"])
@pytest.mark.parametrize("id", _operations())
async def test_every_operation_leaves_traces(house: House, id: str, caller: str) -> None:
    grant = CALLERS[caller]
    status, traces = await asked(house, grant, _operations()[id])
    require_told(status, traces, grant)


async def test_software_that_may_is_answered_by_all_routes(house: House) -> None:
    """So that what is traced above is not refusals alone."""
    refused = set()
    for method, shape in ROUTES:
        status, _ = await asked(house, EVERYTHING_GRANTED, _request(method, shape))
        if status >= 400:
            refused.add((method, shape))
    # The patient is deleted by a route before.
    assert refused == {("GET", "T/I/$"), ("POST", "T/I/$")}


#: A request that gives nothing → whose record was asked for.
NOTHING_GIVEN = {
    "a patient whom no scope gives": (Request("GET", ("Patient", "p1")), "Patient/p1"),
    "a search of a patient": (Request("GET", ("Observation",), (("patient", "Patient/p1"),)), "Patient/p1"),
    "a search by id alone": (Request("GET", ("Observation",), (("patient", "p1"),)), "Patient/p1"),
    "a posted search": (Request("POST", ("Observation", "_search"), (("subject", "Patient/p1"),)), "Patient/p1"),
    "a compartment": (Request("GET", ("Patient", "p1", "Observation")), "Patient/p1"),
    "two patients": (Request("GET", ("Observation",), (("patient", "p1"), ("patient", "p2"))), ""),
    "no patient": (Request("GET", ("Observation",)), ""),
    "no id": (Request("GET", ("Observation",), (("patient", "a b"),)), ""),
}


@pytest.mark.parametrize("case", NOTHING_GIVEN)
async def test_a_refusal_is_a_trace_of_whose_record_was_asked_for(house: House, case: str) -> None:
    request, whose = NOTHING_GIVEN[case]
    status, [trace] = await asked(house, CALLERS["refused"], request)
    assert (status, trace["outcome"], patients(trace)) == (403, "4", {whose} if whose else set())


async def test_what_is_found_of_nobody_in_a_patient_s_context_is_about_that_patient(house: House) -> None:
    grant = CALLERS["patient"]
    status, [trace] = await asked(house, grant, Request("GET", ("Condition",)))
    assert (status, patients(trace), trace["entity"][-1]["name"]) == (200, {"Patient/p1"}, "Condition")
