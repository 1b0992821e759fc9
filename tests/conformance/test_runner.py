"""Setup, tests and teardown; fixtures and variables; what is left out when something fails; what is refused.

https://hl7.org/fhir/R4/testscript.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.conformance.client import Client
from fhir_server.conformance.requests import request
from fhir_server.conformance.runner import run
from fhir_server.conformance.script import load
from fhir_server.conformance.sources import Source, Unusable
from tests.conformance.scripts import PATIENT, READ, a_script, assertion, of, operation
from tests.examples import examples_folder

WRONG = assertion(responseCode="999")
RIGHT = assertion(response="okay")


def results(actions: list[Any]) -> list[str]:
    return [action.result for action in actions]


async def test_what_follows_a_failure_in_a_test_is_left_out_and_the_next_test_is_run(client: Client) -> None:
    tests = [{"action": [READ, WRONG, RIGHT, READ]}, {"action": [READ, RIGHT]}]
    done = await run(a_script(test=tests), client)
    assert [results(test.actions) for test in done.tests] == [["pass", "fail", "skip", "skip"], ["pass", "pass"]]
    assert [test.result for test in done.tests] == ["fail", "pass"] and done.result == "fail"


async def test_an_assertion_that_only_warns_stops_nothing(client: Client) -> None:
    done = await run(a_script(READ, WRONG, RIGHT), client)
    assert done.result == "fail"
    warned = await run(a_script(READ, assertion(responseCode="999", warningOnly=True), RIGHT), client)
    assert results(warned.tests[0].actions) == ["pass", "warning", "pass"] and warned.result == "pass"
    unjudged = await run(a_script(READ, assertion(expression="name.where(", warningOnly=True), RIGHT), client)
    assert results(unjudged.tests[0].actions) == ["pass", "warning", "pass"] and unjudged.result == "pass"


async def test_a_setup_that_fails_leaves_the_tests_out_and_not_the_teardown(client: Client) -> None:
    script = a_script(READ, RIGHT, setup={"action": [READ, WRONG, READ]}, teardown={"action": [READ, READ]})
    done = await run(script, client)
    assert results(done.setup) == ["pass", "pass", "fail", "skip"]
    assert results(done.tests[0].actions) == ["skip", "skip"] and done.tests[0].result == "skip"
    assert results(done.teardown) == ["pass", "pass", "pass"] and done.result == "fail"


async def test_every_action_of_the_teardown_is_done(client: Client) -> None:
    done = await run(a_script(READ, teardown={"action": [operation("read", targetId="nothing"), READ]}), client)
    assert results(done.teardown) == ["error", "pass", "pass"] and done.result == "fail"


async def test_fixtures_are_created_before_and_deleted_after(client: Client) -> None:
    done = await run(a_script(READ, assertion(minimumId="p")), client)
    assert done.result == "pass" and done.teardown[0].message.startswith("DELETE")
    again = await of(client, operation("read", url=done.teardown[0].message.split()[1].rstrip(":")))
    assert again[0].message.endswith("410")


async def test_a_fixture_that_the_server_does_not_take_leaves_everything_out(client: Client) -> None:
    wrong = {"resourceType": "Patient", "id": "p", "gender": "nobody"}
    done = await run(a_script(READ, contained=[wrong], setup={"action": [READ]}), client)
    assert results(done.setup) == ["fail", "skip"] and done.tests[0].result == "skip" and done.result == "fail"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ({"defaultValue": "a"}, "a"),
        ({"expression": "Patient.birthDate", "sourceId": "p"}, "1980-02-29"),
        ({"expression": "Patient.active", "sourceId": "r"}, "true"),
        ({"expression": "Patient.birthDate"}, "1980-02-29"),
        ({"path": "$.name[1].family", "sourceId": "p"}, "AUTRE"),
        ({"path": "fhir:Patient/fhir:birthDate/@value", "sourceId": "r"}, "1980-02-29"),
        ({"headerField": "etag", "sourceId": "r"}, 'W/"1"'),
        ({"expression": "Patient.photo.url", "sourceId": "p", "defaultValue": "b"}, "b"),
        ({"expression": "Patient.id", "sourceId": "later", "defaultValue": "c"}, "c"),
        # no value, several, none primitive, no source
        ({"expression": "Patient.photo.url", "sourceId": "p"}, None),
        ({"expression": "Patient.name.family", "sourceId": "p"}, None),
        ({"expression": "Patient.name.first()", "sourceId": "p"}, None),
        ({"expression": "Patient.id", "sourceId": "later"}, None),
        ({}, None),
    ],
)
async def test_a_variable_is_one_primitive_value(client: Client, variable: dict[str, Any], value: str | None) -> None:
    check = assertion(expression=f"'{value}'", value="${v}")
    done = await of(client, READ, check, variable=[{"name": "v", **variable}])
    assert done[1].result == ("pass" if value else "error"), done[1].message


async def test_variables_are_replaced_in_params_url_headers_and_values(client: Client) -> None:
    variable = [
        {"name": "id", "expression": "Patient.id", "sourceId": "p"},
        {"name": "tag", "headerField": "ETag", "sourceId": "r"},
    ]
    done = await of(
        client,
        READ,
        operation("read", resource="Patient", params="/${id}"),
        RIGHT,
        operation("read", url="Patient/${id}"),
        RIGHT,
        operation("read", url="Patient/${id}", requestHeader=[{"field": "If-None-Match", "value": "${tag}"}]),
        assertion(response="notModified"),
        variable=variable,
    )
    assert results(done) == ["pass"] * 7, done


CAPABILITY: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "id": "needs",
    "status": "active",
    "date": "2026-01-01",
    "kind": "requirements",
    "fhirVersion": "4.0.1",
    "format": ["json"],
}


@pytest.mark.parametrize(
    ("resource", "skipped"),
    [
        ({"type": "Patient", "interaction": [{"code": "read"}]}, ""),
        ({"type": "Patient", "conditionalDelete": "single"}, ""),
        ({"type": "Patient", "searchParam": [{"name": "no-such", "type": "token"}]}, "no-such"),
        ({"type": "Patient", "operation": [{"name": "no-such", "definition": "http://x.test"}]}, "no-such"),
        ({"type": "Nothing"}, "the type Nothing"),
    ],
)
async def test_a_script_is_skipped_where_the_server_lacks_what_it_requires(
    client: Client, resource: dict[str, Any], skipped: str
) -> None:
    contained = [PATIENT, {**CAPABILITY, "rest": [{"mode": "server", "resource": [resource]}]}]
    metadata = {"capability": [{"required": True, "validated": False, "capabilities": "#needs"}]}
    done = await run(a_script(READ, contained=contained, metadata=metadata), client)
    assert skipped in done.skipped and bool(done.skipped) == bool(skipped)
    assert done.result == ("pending" if skipped else "pass")


async def test_what_is_neither_required_nor_validated_skips_nothing(client: Client) -> None:
    contained = [PATIENT, {**CAPABILITY, "rest": [{"mode": "server", "resource": [{"type": "Nothing"}]}]}]
    for required, validated, skipped in ((False, False, False), (True, False, True), (False, True, True)):
        row = {"required": required, "validated": validated, "capabilities": "#needs"}
        done = await run(a_script(READ, contained=contained, metadata={"capability": [row]}), client)
        assert bool(done.skipped) is skipped


async def test_a_script_for_several_servers_is_said_to_be_unsupported(client: Client) -> None:
    rows = [{"index": n, "profile": {"code": "FHIR-Server"}} for n in (1, 2)]
    done = await run(a_script(READ, destination=rows), client)
    assert done.setup[0].result == "error" and "one server" in done.setup[0].message


@pytest.mark.parametrize("reference", ["#nothing", "Patient/nothing", "../secret.json", "/etc/hostname"])
async def test_a_fixture_that_is_not_there_is_an_error(client: Client, tmp_path: Path, reference: str) -> None:
    (tmp_path / "secret.json").write_text(json.dumps(PATIENT))
    (tmp_path / "in").mkdir()
    fixture = [{"id": "p", "autocreate": False, "autodelete": False, "resource": {"reference": reference}}]
    done = await run(a_script(READ, folder=tmp_path / "in", fixture=fixture), client)
    assert results(done.setup) == ["error"] and done.result == "fail" and done.tests[0].result == "skip"


async def test_a_fixture_in_a_file_beside_the_script_keeps_its_id(client: Client, tmp_path: Path) -> None:
    (tmp_path / "Patient-beside.json").write_text(json.dumps({**PATIENT, "id": "beside"}))
    fixture = [{"id": "p", "autocreate": True, "autodelete": True, "resource": {"reference": "Patient/beside"}}]
    done = await of(client, READ, assertion(requestURL="Patient/beside"), folder=tmp_path, fixture=fixture)
    assert results(done) == ["pass", "pass"]


ID = Source({"resourceType": "Patient", "id": "1", "meta": {"versionId": "7"}})
BASE = "http://a.test/fhir"


@pytest.mark.parametrize(
    ("asked", "method", "url"),
    [
        (operation("read", targetId="t"), "get", "/Patient/1"),
        (operation("vread", targetId="t"), "get", "/Patient/1/_history/7"),
        (operation("history", targetId="t"), "get", "/Patient/1/_history"),
        (operation("history", resource="Patient"), "get", "/Patient/_history"),
        (operation("history"), "get", "/_history"),
        (operation("search", resource="Patient", params="?name=a b|c"), "get", "/Patient?name=a%20b%7Cc"),
        (
            operation("search", resource="Patient", params="?name=%7C", encodeRequestUrl=False),
            "get",
            "/Patient?name=%7C",
        ),
        (operation("search", resource="Patient", params="?a=b|c", encodeRequestUrl=False), "get", "/Patient?a=b|c"),
        (operation("search", params="?_type=Patient"), "get", "?_type=Patient"),
        (
            operation("search", resource="Patient", params="?a=1+1:00&_format=a/b+c"),
            "get",
            "/Patient?a=1%2B1:00&_format=a/b%2Bc",
        ),
        (operation("search", url="Patient?name=a+b"), "get", "/Patient?name=a+b"),
        (operation("search", resource="Patient", params="?a=b", method="post"), "post", "/Patient/_search"),
        (operation("create", sourceId="t"), "post", "/Patient"),
        (operation("update", sourceId="t"), "put", "/Patient/1"),
        (operation("updateCreate", sourceId="t"), "put", "/Patient/1"),
        (operation("update", resource="Patient", params="?identifier=a", sourceId="t"), "put", "/Patient?identifier=a"),
        (operation("patch", sourceId="t", targetId="t"), "patch", "/Patient/1"),
        (operation("delete", targetId="t"), "delete", "/Patient/1"),
        (operation("deleteCondMultiple", resource="Patient", params="?a=b"), "delete", "/Patient?a=b"),
        (operation("capabilities"), "get", "/metadata"),
        (operation("capabilities", params="?mode=full"), "get", "/metadata?mode=full"),
        (operation("batch", sourceId="t"), "post", ""),
        (operation("transaction", sourceId="t"), "post", ""),
        (operation("process-message", sourceId="t"), "post", "/$process-message"),
        (operation("everything", targetId="t"), "get", "/Patient/1/$everything"),
        (operation("$everything", resource="Patient", params="/1?_count=2"), "get", "/Patient/1/$everything?_count=2"),
        (operation("everything", resource="Patient", params="/1/$everything"), "get", "/Patient/1/$everything"),
        (operation("validate", resource="Patient", sourceId="t"), "post", "/Patient/$validate"),
        (operation("read", url="Patient/9", method="head", resource="Group"), "head", "/Patient/9"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_operation_becomes_this_request(asked: dict[str, Any], method: str, url: str) -> None:
    made = request(asked["operation"], BASE, lambda _: ID, str)
    assert (made.method, made.url) == (method, BASE + url)


@pytest.mark.parametrize("code", ["read", "vread", "update", "patch", "delete"])
def test_an_operation_on_one_resource_says_which(code: str) -> None:
    with pytest.raises(Unusable, match="which"):
        request(operation(code, resource="Patient")["operation"], BASE, lambda _: ID, str)


@pytest.mark.parametrize(("url", "sent"), [("Patient/1", True), ("http://b.test/Patient/1", False)])
async def test_the_caller_s_headers_go_to_the_server_under_test_only(url: str, sent: bool) -> None:
    transport = httpx.MockTransport(lambda got: httpx.Response(200, json=dict(got.headers)))
    async with Client(BASE, {"Authorization": "Bearer secret"}, transport) as client:
        _, answer = await client.send(request({"type": {"code": "read"}, "url": url}, BASE, lambda _: ID, str))
    assert (b"secret" in answer.body) is sent


#: The published examples and what comes of each here, with the first reason where it is not a pass.
PUBLISHED = [
    ("example", "pass", ""),
    # They PUT a body with another id than the URL's, which http.html#update has refused with 400.
    ("example-history", "fail", "'400', which is not: equals '200'"),
    ("example-update", "fail", "'400', which is not: equals '200'"),
    # It holds capital letters to be no part of an id; R4's datatypes.html#id allows them.
    ("example-readtest", "fail", ""),
    # It asks for links to a first, last and next page of a search that finds nothing.
    ("example-search", "fail", "Links that are not there"),
    ("example-multisystem", "fail", "one server"),
]


@pytest.mark.parametrize(("name", "result", "reason"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
async def test_the_published_examples_run(client: Client, name: str, result: str, reason: str) -> None:
    folder = examples_folder()
    if folder is None:
        pytest.skip("the published examples are not here")
    [script] = load([folder / f"TestScript-testscript-{name}.json"])
    assert (await run(script, client)).skipped  # their statement asks for more than this server claims
    del script.tree["metadata"]
    done = await run(script, client)
    actions = [*done.setup, *(action for test in done.tests for action in test.actions)]
    assert done.result == result, actions
    assert any(reason in action.message for action in actions)
