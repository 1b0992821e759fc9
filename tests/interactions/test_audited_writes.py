"""A write and the trace of it are made together: https://hl7.org/fhir/R4/auditevent.html, CSP R1111-43."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import ALL, Grant
from fhir_server.interactions.audited import audited
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING
from tests.engines import an_engine
from tests.interactions.test_batch import asks, batch
from tests.server.calls import Server


class Traced(Server):
    """Called by software that is known."""

    door = staticmethod(audited)

    async def traces(self) -> list[dict[str, Any]]:
        """Every trace, oldest first."""
        page = await self.engine.store.find({"AuditEvent": EVERYTHING}, count=200)
        return [json.loads(version.body) for version in reversed(page.versions)]


@pytest.fixture
async def server(tmp_path: Path):
    engine = an_engine(tmp_path)
    yield Traced(engine, Settings(), Registry(), Grant(scopes=(ALL,), client="app"))
    await engine.close()


def objects(trace: dict[str, Any]) -> list[str]:
    return [entity["what"]["reference"] for entity in trace["entity"] if "what" in entity]


WEIGHT = {"resourceType": "Observation", "id": "w", "status": "final", "code": {"text": "x"}}
ABOUT = {**WEIGHT, "subject": {"reference": "Patient/p1"}}


@pytest.mark.parametrize(
    ("method", "url", "body", "interaction", "made"),
    [
        ("POST", "Observation", ABOUT, "create", 1),
        ("PUT", "Observation/w", ABOUT, "update", 2),
        ("PUT", "Observation?_id=w", ABOUT, "update", 2),
        ("PATCH", "Observation/w", [{"op": "add", "path": "/subject", "value": ABOUT["subject"]}], "patch", 2),
    ],
)
async def test_a_write_leaves_one_trace_of_the_version_it_made_and_of_whom_it_is_about(
    server: Traced, method: str, url: str, body: Any, interaction: str, made: int
) -> None:
    await server.put("Observation/w", WEIGHT)
    kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
    answer = await server.call(method, url, body, content_type=kind)
    assert answer.status in (200, 201)
    _, trace = await server.traces()
    assert (trace["subtype"][0]["code"], trace["outcome"]) == (interaction, "0")
    assert objects(trace)[-2:] == [f"{answer.response.location}", "Patient/p1"]
    assert answer.version == made


async def test_a_write_that_is_refused_leaves_one_trace_that_says_so(server: Traced) -> None:
    assert (await server.post("Observation", {"resourceType": "Observation"})).status == 422
    [trace] = await server.traces()
    assert (trace["outcome"], [entity.get("name") for entity in trace["entity"]]) == ("4", ["Observation"])


async def test_a_create_that_finds_what_is_there_already_leaves_one_trace(server: Traced) -> None:
    await server.put("Observation/w", WEIGHT)
    answer = await server.post("Observation", WEIGHT, if_none_exist="_id=w")
    assert answer.status == 200
    assert [trace["outcome"] for trace in await server.traces()] == ["0", "0"]


async def test_writes_that_overtake_each_other_leave_a_trace_for_each_version_and_no_other(server: Traced) -> None:
    await asyncio.gather(*(server.put("Observation/w", WEIGHT) for _ in range(20)))
    told = [objects(trace) for trace in await server.traces()]
    assert sorted(told) == sorted([f"Observation/w/_history/{n}"] for n in range(1, 21))


async def test_a_bundle_of_writes_leaves_one_trace_of_all_of_them(server: Traced) -> None:
    body = batch(asks("PUT", "Observation/w", WEIGHT), asks("PUT", "Observation/v", {**WEIGHT, "id": "v"}))
    assert (await server.post("", body)).status == 200
    [trace] = await server.traces()
    # In any order: the entries of a batch are done side by side.
    assert sorted(objects(trace)) == ["Observation/v/_history/1", "Observation/w/_history/1"]


async def test_a_deletion_that_is_refused_traces_what_refused_it_and_nothing_further(server: Traced) -> None:
    # Written without traces, which would refer to the patient themselves.
    untraced = Server(server.engine, server.settings, server.registry)
    await untraced.put("Patient/p1", {"resourceType": "Patient", "id": "p1"})
    await untraced.put("CareTeam/t", {"resourceType": "CareTeam", "id": "t", "subject": ABOUT["subject"]})
    await untraced.put("Observation/w", ABOUT)
    server.settings = Settings(referential_integrity=True)
    assert (await server.delete("Patient/p1")).status == 409
    [trace] = await server.traces()
    assert objects(trace) == ["CareTeam/t/_history/1", "Patient/p1"]
