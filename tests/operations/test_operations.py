"""https://hl7.org/fhir/R4/operations.html, https://hl7.org/fhir/R4/resource-operation-meta.html, -validate.html"""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.calls import Server

Json = dict[str, Any]


def parameters(**values: Any) -> Json:
    """A Parameters resource: a dict value is a whole parameter, `value[x]` or `resource`."""
    return {"resourceType": "Parameters", "parameter": [{"name": name, **value} for name, value in values.items()]}


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "$nothing", 404),
        ("GET", "Patient/$nothing", 404),
        ("GET", "Observation/$everything", 404),
        ("GET", "Patient/1/$lastn", 404),
        ("GET", "Foo/$meta", 404),
        ("GET", "Patient/1/$meta-add", 405),
        ("DELETE", "Patient/$meta", 405),
        ("GET", "Patient/1/$everything?nothing=1", 400),
        ("GET", "Patient/1/$everything?start=2020&start=2021", 400),
        ("GET", "Patient/1/$everything?start=", 400),
        ("POST", "Patient/1/$meta-add", 400),
        ("GET", "Patient/1/$everything?start=x", 400),
        ("GET", "Patient/1/$everything?_count=0", 400),
        ("GET", "Patient/1/$everything?_type=Foo", 400),
        ("GET", "Patient/1/$everything?_cursor=x", 400),
        ("GET", "Patient/none/$everything", 404),
        ("GET", "Patient/$validate", 400),
        ("GET", "Patient/1/$validate?mode=x", 400),
        ("GET", "Patient/1/$validate?resource=x", 400),
    ],
)
async def test_a_call_that_does_not_fit_the_definition_is_refused(
    server: Server, method: str, url: str, status: int
) -> None:
    await server.put("Patient/1", {"resourceType": "Patient", "id": "1"})
    assert (await server.call(method, url)).status == status


TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}

#: An operation → what the first version of a Patient has, what the second, and what the answers of both hold.
OF_VERSIONS: dict[str, tuple[Json, Json, str, str]] = {
    "$meta": (
        {"meta": {"tag": [{"system": "urn:t", "code": "first"}]}},
        {"meta": {"tag": [{"system": "urn:t", "code": "second"}]}},
        '"first"',
        '"second"',
    ),
    # dom-6 warns of what has no narrative.
    "$validate": ({}, {"text": TEXT}, '"severity":"warning"', '"severity":"information"'),
}


@pytest.mark.parametrize("operation", OF_VERSIONS)
async def test_a_version_that_is_named_is_the_one_that_is_answered_of(server: Server, operation: str) -> None:
    first, second, before, now = OF_VERSIONS[operation]
    for more in (first, second):
        assert (await server.put("Patient/1", {"resourceType": "Patient", "id": "1", **more})).status in (200, 201)
    old, current = await server.get(f"Patient/1/_history/1/{operation}"), await server.get(f"Patient/1/{operation}")
    assert old.status == current.status == 200, (old.json, current.json)
    assert before.encode() in old.response.body and now.encode() not in old.response.body
    assert now.encode() in current.response.body and before.encode() not in current.response.body
    assert (await server.get(f"Patient/1/_history/2/{operation}")).json == current.json
    assert (await server.get(f"Patient/1/_history/3/{operation}")).status == 404


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "Patient/1/_history/1/$everything", 404),
        ("GET", "Composition/1/_history/1/$document", 404),
        ("POST", "Patient/1/_history/1/$meta-add", 404),
        ("POST", "Patient/1/_history/1/$meta-delete", 404),
        ("GET", "Patient/1/_history/1/$validate?mode=delete", 400),
        ("GET", "Patient/1/_history/x/$validate", 404),
    ],
)
async def test_what_is_of_the_present_is_not_asked_of_a_past_version(
    server: Server, method: str, url: str, status: int
) -> None:
    await server.put("Patient/1", {"resourceType": "Patient", "id": "1"})
    answer = await server.call(method, url)
    assert answer.status == status, answer.json


TAG, OTHER = {"system": "urn:t", "code": "a"}, {"system": "urn:t", "code": "b", "display": "B"}


async def test_meta_is_added_as_to_a_set_and_taken_away_again(server: Server) -> None:
    await server.put("Patient/1", {"resourceType": "Patient", "id": "1", "meta": {"tag": [TAG]}})
    add = parameters(
        meta={"valueMeta": {"tag": [{**TAG, "display": "seen"}, OTHER], "profile": ["http://example.org/p"]}}
    )
    added = await server.post("Patient/1/$meta-add", add)
    meta = added.json["parameter"][0]["valueMeta"]
    assert (added.status, meta["versionId"], meta["tag"], meta["profile"]) == (
        200,
        "2",
        [TAG, OTHER],
        ["http://example.org/p"],
    )
    assert (await server.post("Patient/1/$meta-add", add)).json["parameter"][0]["valueMeta"]["versionId"] == "2"
    assert (await server.get("Patient?_tag=urn:t|b&_summary=count")).json["total"] == 1
    taken = await server.post(
        "Patient/1/$meta-delete", parameters(meta={"valueMeta": {"tag": [TAG, {"code": "none"}]}})
    )
    assert taken.json["parameter"][0]["valueMeta"]["tag"] == [OTHER]
    assert (await server.get("Patient/1/_history/1/$meta")).json["parameter"][0]["valueMeta"]["tag"] == [TAG]
    assert (await server.post("Patient/1/$meta-add", add, if_match='W/"1"')).status == 412
    assert (await server.post("Patient/2/$meta-add", add)).status == 404
    assert (await server.post("Patient/1/$meta-add", parameters(meta={"valueString": "x"}))).status == 400


async def test_meta_of_a_type_and_of_all_is_what_is_in_use(server: Server) -> None:
    await server.put("Patient/1", {"resourceType": "Patient", "id": "1", "meta": {"tag": [TAG]}})
    await server.put(
        "Basic/1", {"resourceType": "Basic", "id": "1", "code": {"text": "x"}, "meta": {"tag": [OTHER, TAG]}}
    )
    assert (await server.get("Patient/$meta")).json["parameter"][0]["valueMeta"] == {"tag": [TAG]}
    assert (await server.get("$meta")).json["parameter"][0]["valueMeta"] == {"tag": [TAG, OTHER]}


GOOD, BAD = (
    {"resourceType": "Patient", "id": "1", "gender": "male"},
    {"resourceType": "Patient", "id": "1", "gender": "x"},
)


@pytest.mark.parametrize(
    ("url", "body", "right"),
    [
        ("Patient/$validate", GOOD, True),
        ("Patient/$validate", BAD, False),
        ("Patient/$validate", parameters(resource={"resource": GOOD}), True),
        ("Patient/$validate", parameters(resource={"resource": BAD}), False),
        ("Patient/$validate", parameters(mode={"valueCode": "create"}, resource={"resource": GOOD}), True),
        ("Patient/1/$validate", parameters(mode={"valueCode": "update"}, resource={"resource": GOOD}), True),
        (
            "Patient/1/$validate",
            parameters(mode={"valueCode": "update"}, resource={"resource": {**GOOD, "id": "2"}}),
            False,
        ),
        ("Patient/1/$validate", parameters(mode={"valueCode": "delete"}), True),
        ("Patient/1/$validate", None, True),
        ("Observation/$validate", GOOD, False),
        ("Patient/$validate?profile=http://hl7.org/fhir/StructureDefinition/Patient", GOOD, True),
        ("Patient/$validate?profile=http://example.org/unknown", GOOD, False),
    ],
)
async def test_validate_tells_what_is_wrong_and_writes_nothing(
    server: Server, url: str, body: Any, right: bool
) -> None:
    await server.put("Patient/1", {"resourceType": "Patient", "id": "1"})
    answer = await server.post(url, body)
    assert (answer.status, answer.json["resourceType"]) == (200, "OperationOutcome")
    assert any(issue["severity"] == "error" for issue in answer.json["issue"]) is not right
    assert (await server.get("Patient/1")).version == 1


async def test_explain_says_how_a_search_is_understood(server: Server) -> None:
    answer = await server.get("Patient/$explain?name=durand&_sort=birthdate")
    names = [row["name"] for row in answer.json["parameter"]]
    assert answer.status == 200 and "criterion" in names and "plan" in names
    assert (await server.get("Patient/$explain?nothing=1")).status == 400


async def test_reindex_says_how_far_each_added_parameter_is(server: Server) -> None:
    parameter = {
        "resourceType": "SearchParameter", "url": "http://example.org/sp", "name": "X", "status": "active", "description": "x",
        "code": "x", "base": ["Patient"], "type": "string", "expression": "Patient.name.given",
    }  # fmt: skip
    await server.post("SearchParameter", parameter)
    answer = await server.post("$reindex", None)
    assert answer.json["parameter"][-1] == {"name": "pending", "valueInteger": 1}
    assert (await server.get("$reindex")).status == 405
