"""The description of the API: https://spec.openapis.org/oas/v3.1.0, held to the CapabilityStatement."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import html

from fhir_server.interactions import statement
from fhir_server.site.api_reference import assets
from tests.server.stub import Stub


async def described(query: str = "") -> dict[str, Any]:
    response = await Stub().ask("GET", f"/openapi.json{query}", headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    found: dict[str, Any] = response.json()
    return found


async def test_every_interaction_offered_has_its_path() -> None:
    paths = (await described())["paths"]
    shape = {
        "read": ("/{t}/{{id}}", "get"),
        "vread": ("/{t}/{{id}}/_history/{{version}}", "get"),
        "update": ("/{t}/{{id}}", "put"),
        "patch": ("/{t}/{{id}}", "patch"),
        "delete": ("/{t}/{{id}}", "delete"),
        "history-instance": ("/{t}/{{id}}/_history", "get"),
        "history-type": ("/{t}/_history", "get"),
        "create": ("/{t}", "post"),
        "search-type": ("/{t}", "get"),
    }
    offered = [(t, row["code"]) for t, resource in statement.resources().items() for row in resource["interaction"]]
    assert len(offered) > 1000
    missing = [one for one in offered if shape[one[1]][1] not in paths.get(shape[one[1]][0].format(t=one[0]), {})]
    assert missing == []
    assert {"get", "post"} <= paths["/"].keys()


async def test_references_lead_somewhere_and_names_are_unique() -> None:
    document = await described()
    dead = {ref for ref in _references(document) if not _resolves(document, ref)}
    assert dead == set()
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for inner in node.values() for ref in _references(inner)]
    return [ref for inner in node for ref in _references(inner)] if isinstance(node, list) else []


def _resolves(document: dict[str, Any], ref: str) -> bool:
    node: Any = document
    for step in ref.removeprefix("#/").split("/"):
        node = node.get(step)
        if node is None:
            return False
    return True


async def test_one_type_can_be_described_alone() -> None:
    document = await described("?type=Patient")
    assert document["openapi"] == "3.1.0"
    assert all(path.startswith("/Patient") for path in document["paths"])
    assert "Patient.birthdate" in document["components"]["parameters"]
    assert "/Patient/{id}/$everything" in document["paths"]


async def test_a_type_that_is_not_served_is_not_found() -> None:
    response = await Stub().ask("GET", "/openapi.json?type=Nope")
    assert (response.status_code, json.loads(response.content)["resourceType"]) == (404, "OperationOutcome")


@pytest.mark.parametrize("query", ["", "?type=Patient", "?type=Patient&lang=en"])
async def test_the_reference_can_be_read_without_script_or_network(query: str) -> None:
    response = await Stub().ask("GET", f"/docs{query}")
    document = html.document_fromstring(response.text)
    assert len(document.findall(".//h1")) == 1
    assert ("http://fhir.test/fhir/Patient/{id}" in response.text) == ("Patient" in query)
    assert not document.xpath("//script")


@pytest.mark.skipif(assets() is None, reason="Swagger UI's files (fastapi-offline) are not installed")
async def test_swagger_is_served_from_here() -> None:
    stub = Stub()
    document = html.document_fromstring((await stub.ask("GET", "/docs/swagger")).text)
    for address in document.xpath("//script/@src | //link/@href"):
        assert address.startswith("http://fhir.test/")
        assert (await stub.ask("GET", address)).status_code == 200
