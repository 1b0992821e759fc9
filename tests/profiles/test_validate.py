"""`$validate`: what may be asked, how it is answered, and where in what was sent the issues are.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import opened
from tests.profiles.test_writes import BORN, caller, keys, parameters, settings
from tests.validation.profiled import SPECIFICATION, patient, profile


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(settings(tmp_path)) as house, caller(house) as client:
        await client.put("StructureDefinition/born", json={**BORN, "id": "born"})
        yield client


MISSED = {("cardinality-min", "Patient.birthDate")}
UNKNOWN = {("unknown-profile", "Patient")}
ANOTHER = {("profile-type", "Patient")}


@pytest.mark.parametrize(
    ("canonical", "found"),
    [
        (BORN["url"], MISSED),
        (BORN["url"] + "|2", UNKNOWN),
        ("http://x.example/nowhere", UNKNOWN),
        (SPECIFICATION + "Patient", set()),
        (SPECIFICATION + "Patient|4.0.1", set()),
        (SPECIFICATION + "Patient|3.0.1", UNKNOWN),
        (SPECIFICATION + "DomainResource", set()),
        (SPECIFICATION + "Resource", set()),
        (SPECIFICATION + "Observation", ANOTHER),
        (SPECIFICATION + "bmi", ANOTHER),
    ],
)
async def test_the_profile_asked_for_is_judged_by(server: httpx.AsyncClient, canonical: str, found: set[Any]):
    by_url = await server.post("Patient/$validate", params={"profile": canonical}, json=patient())
    body = parameters(profile={"valueUri": canonical}, resource={"resource": patient()})
    by_body = await server.post("Patient/$validate", json=body)
    assert (by_url.status_code, by_body.status_code) == (200, 200)
    assert keys(by_url) == keys(by_body) == found


@pytest.mark.parametrize("name", ["Patient", "DomainResource", "Patient|4.0.1"])
async def test_a_claim_to_the_type_itself_is_no_unknown_profile(server: httpx.AsyncClient, name: str):
    tree = patient(meta={"profile": [SPECIFICATION + name]})
    answer = await server.post("Patient/$validate", json=tree)
    assert [issue["severity"] for issue in answer.json()["issue"]] == ["information"]


@pytest.mark.parametrize(
    ("method", "url", "body", "status"),
    [
        ("POST", "Patient/$validate?mode=update", patient(id="1"), 400),
        ("POST", "Patient/$validate?mode=delete", patient(id="1"), 400),
        ("POST", "Patient/$validate?mode=nothing", patient(), 400),
        ("GET", "Patient/1/$validate?mode=delete", None, 404),
        ("GET", "Patient/1/$validate", None, 404),
        ("POST", "Patient/$validate", [], 400),
        ("POST", "Patient/$validate", {"id": "1"}, 400),
        ("POST", "Patient/$validate", parameters(resource={"valueString": "a"}), 400),
        ("POST", f"Patient/$validate?profile={BORN['url']}&profile={BORN['url']}", patient(), 400),
        ("POST", "Nothing/$validate", patient(), 404),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    server: httpx.AsyncClient, method: str, url: str, body: Any, status: int
):
    answer = await server.request(method, url, json=body) if body is not None else await server.request(method, url)
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


WRONG = '{"resourceType": "Patient",\n "name": [{"family": "a"},\n  {"famil": "b"}],\n "gender": "x"}'


@pytest.mark.parametrize("line", [0, 2])
async def test_an_issue_in_json_says_line_and_column(server: httpx.AsyncClient, line: int):
    wrap = '{"resourceType": "Parameters", "parameter": [\n{"name": "resource",\n"resource": %s}]}'
    answer = await server.post("Patient/$validate", content=wrap % WRONG if line else WRONG)
    places = {i["expression"][0]: i["location"] for i in answer.json()["issue"] if i["severity"] == "error"}
    assert places == {
        "Patient.name[1].famil": [f"line {line + 3}, column 4"],
        "Patient.gender": [f"line {line + 4}, column 2"],
    }


async def test_a_profile_that_contradicts_its_base_is_refused_as_validate_says(server: httpx.AsyncClient):
    wider = profile("wider", "Patient", {"id": "Patient.birthDate", "min": 0}, base=BORN["url"])
    answer = await server.post("StructureDefinition", json=wider)
    assert (answer.status_code, keys(answer)) == (422, {("profile-cardinality", "StructureDefinition.differential")})
    assert keys(await server.post("StructureDefinition/$validate", json=wider)) == keys(answer)


async def test_a_modifier_that_is_not_known_is_not_written(server: httpx.AsyncClient):
    tree = patient(modifierExtension=[{"url": "http://x.example/not", "valueBoolean": True}])
    answer = await server.post("Patient", json=tree)
    assert (answer.status_code, keys(answer)) == (
        422,
        {("unknown-modifier-extension", "Patient.modifierExtension[0]")},
    )


@pytest.mark.parametrize(
    "content",
    [
        b'{"resourceType": "Patient", "extension": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"resourceType": "Patient", "name": [{"family": "\xff"}]}',
        b'{"resourceType": "Patient", "name": [',
        b'\xef\xbb\xbf{"resourceType": "Patient", "name": [{"family": "\\ud800"}], "gender": "x"}',
        b'{"resourceType": "Patient", "na\\u006de": [{"famil": "a"}]}',
    ],
    ids=["deep", "bytes", "cut", "surrogate", "escaped"],
)
async def test_odd_bytes_are_answered_as_a_client_s_mistake(server: httpx.AsyncClient, content: bytes):
    answer = await server.post("Patient/$validate", content=content)
    assert answer.status_code in (200, 400)
    assert any(issue["severity"] in ("error", "fatal") for issue in answer.json()["issue"])
