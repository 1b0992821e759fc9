"""https://hl7.org/fhir/R4/http.html#capabilities, https://hl7.org/fhir/R4/capabilitystatement.html"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.interactions import statement
from fhir_server.interactions.exchange import Context, Response
from fhir_server.interactions.routes import ROUTES, allowed
from fhir_server.operations.invocation import Invocation
from fhir_server.operations.table import Operations
from fhir_server.space.services import SERVICES
from fhir_server.validation.validator import validate
from tests.server.calls import Server


async def _elsewhere(call: Invocation, context: Context) -> Response:
    raise AssertionError("only listed here")


#: Every operation, those of services among them.
PUBLISHED = Operations({id: _elsewhere for one in SERVICES for id in one.operations}).published


async def test_metadata_says_who_answers_and_is_itself_valid(server: Server) -> None:
    answer = await server.get("metadata")
    said = answer.json
    assert (said["fhirVersion"], said["kind"], said["implementation"]["url"]) == (
        "4.0.1",
        "instance",
        "http://example.org/fhir",
    )
    assert said["software"]["version"] and said["format"][:2] == ["application/fhir+json", "application/fhir+xml"]
    assert [issue for issue in validate(said) if issue.severity == "error"] == []


async def test_every_type_of_r4_is_served(server: Server) -> None:
    assert set(statement.resources()) == definitions.resource_types() and len(statement.resources()) == 146


@pytest.mark.parametrize(
    ("mode", "status", "kind"),
    [
        ("full", 200, "CapabilityStatement"),
        ("normative", 200, "CapabilityStatement"),
        ("terminology", 200, "TerminologyCapabilities"),
        ("x", 400, "OperationOutcome"),
    ],
)
async def test_metadata_has_the_modes_of_r4(server: Server, mode: str, status: int, kind: str) -> None:
    answer = await server.get(f"metadata?mode={mode}")
    assert (answer.status, answer.json["resourceType"]) == (status, kind)


async def test_metadata_can_be_shaped(server: Server) -> None:
    assert (await server.get("metadata?_summary=true")).json["meta"]["tag"][0]["code"] == "SUBSETTED"


async def test_every_search_parameter_of_the_statement_can_be_searched_by(server: Server) -> None:
    said = (await server.get("metadata")).json
    for resource in said["rest"][0]["resource"][::12]:
        for parameter in resource["searchParam"]:
            if parameter["type"] == "special":
                continue
            answer = await server.get(f"{resource['type']}?{parameter['name']}:missing=true&_count=0")
            assert answer.status == 200 or "modifier" in answer.json["issue"][0]["diagnostics"], (
                resource["type"],
                parameter,
            )


async def test_what_the_statement_offers_is_what_dispatch_does(server: Server) -> None:
    """Each interaction of each type is asked for, and is neither 404 for want of a route nor 405."""
    for type, resource in statement.resources().items():
        codes = {row["code"] for row in resource["interaction"]}
        assert codes == {code for t, code in statement.offered() if t == type}
        for (method, shape), route in ROUTES.items():
            if shape in ("T", "T/I", "T/I/_history", "T/_history", "T/I/_history/V", "T/_search"):
                path = tuple(type if part == "T" else "1" if part in ("I", "V") else part for part in shape.split("/"))
                assert (method in allowed(path)) == bool(codes & set(route.codes))
    for code in ("create", "read", "update", "delete"):
        answer = await server.call(
            *{
                "create": ("POST", "Basic"),
                "read": ("GET", "Basic/1"),
                "update": ("PUT", "Basic/1"),
                "delete": ("DELETE", "Basic/1"),
            }[code]
        )
        assert answer.status in (204, 400, 404)


async def test_an_interaction_that_is_not_in_the_statement_is_405(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed = frozenset(
        row for row in statement.offered() if row not in {("Patient", "delete"), (None, "batch"), ("Patient", "update")}
    )
    monkeypatch.setattr(statement, "offered", lambda: narrowed)
    refused = await server.delete("Patient/1")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, PATCH")
    assert (await server.delete("Basic/1")).status == 204
    assert (await server.post("", {"resourceType": "Bundle", "type": "batch"})).status == 405
    put = {
        "fullUrl": "urn:uuid:1",
        "resource": {"resourceType": "Patient", "id": "1"},
        "request": {"method": "PUT", "url": "Patient/1"},
    }
    entry = {"resourceType": "Bundle", "type": "transaction", "entry": [put]}
    assert (await server.post("", entry)).status in (405, 422)


async def test_operations_are_listed_where_they_can_be_called(server: Server) -> None:
    rest = (await server.get("metadata")).json["rest"][0]
    listed: set[tuple[str | None, str]] = {(None, row["name"]) for row in rest["operation"]}
    listed |= {(row["type"], operation["name"]) for row in rest["resource"] for operation in row.get("operation", ())}
    for definition in PUBLISHED.values():
        if definition.system:
            assert (None, definition.code) in listed
        for type in ["Basic"] if "Resource" in definition.resource else definition.resource:
            assert (type, definition.code) in listed


def test_the_published_files_are_what_the_script_writes() -> None:
    folder = definitions.folder("capability")
    files: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    assert set(files) == {"CapabilityStatement"} | {f"OperationDefinition-{id}" for id in PUBLISHED}
    for name, tree in files.items():
        # The statement is whole only when `/metadata` has completed it.
        assert name == "CapabilityStatement" or [i for i in validate(tree) if i.severity == "error"] == []
