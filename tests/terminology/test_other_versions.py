"""What is not here in the version that is asked for, and here in another: https://hl7.org/fhir/R4/terminology-service.html"""

from __future__ import annotations

from typing import Any

import pytest

from tests.terminology.conftest import Speaking
from tests.terminology.making import ANIMALS, URL, parameters, value_set

SET = "http://example.org/set"
MAP = "http://example.org/map"
#: An operation on what is here in versions 1 and 2, asked for in version 3.
ASKED: dict[str, tuple[str, Any]] = {
    "an include": ("ValueSet/$expand", parameters(valueSet=value_set({"system": URL, "version": "3"}))),
    "a pinned system": (
        f"ValueSet/$expand?force-system-version={URL}|3",
        parameters(valueSet=value_set({"system": URL})),
    ),
    "an import": ("ValueSet/$expand", parameters(valueSet=value_set({"valueSet": [f"{SET}|3"]}))),
    "a value set by url": (f"ValueSet/$expand?url={SET}&valueSetVersion=3", None),
    "a value set by canonical": (f"ValueSet/$expand?url={SET}|3", None),
    "a code system": (f"CodeSystem/$lookup?system={URL}&code=cat&version=3", None),
    "a code system's code": (f"CodeSystem/$validate-code?url={URL}&code=cat&version=3", None),
    "a map": (f"ConceptMap/$translate?url={MAP}&conceptMapVersion=3&code=cat&system={URL}", None),
}


@pytest.mark.parametrize(("url", "body"), ASKED.values(), ids=ASKED)
async def test_who_asks_for_another_version_is_told_which_are_here(server: Speaking, url: str, body: Any) -> None:
    for version in "12":
        await server.post("CodeSystem", {**ANIMALS, "version": version})
        await server.post("ValueSet", value_set({"system": URL}, url=SET, version=version))
        await server.post(
            "ConceptMap", {"resourceType": "ConceptMap", "url": MAP, "version": version, "status": "active"}
        )
    answer = await (server.get(url) if body is None else server.post(url, body))
    assert answer.status in (404, 422), answer.json
    said = answer.json["issue"][0]["diagnostics"]
    assert "version 3 of" in said and "2" in said and "1" in said, said


async def test_of_what_is_not_here_at_all_nothing_is_said_of_versions(server: Speaking) -> None:
    nowhere = parameters(valueSet=value_set({"system": "http://example.org/nowhere", "version": "3"}))
    answer = await server.post("ValueSet/$expand", nowhere)
    assert answer.status == 422 and "but" not in answer.json["issue"][0]["diagnostics"]


def a_map(target: str) -> dict[str, Any]:
    element = {"code": "cat", "target": [{"code": target, "equivalence": "equal"}]}
    group = {"source": URL, "target": "http://example.org/other", "element": [element]}
    return {"resourceType": "ConceptMap", "url": MAP, "status": "active", "group": [group]}


def only(code: str) -> dict[str, Any]:
    return value_set({"system": URL, "concept": [{"code": code}]}, url=SET)


#: An operation asked of an instance → that instance at first and now, and what the answer of each holds.
OF_VERSIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "$expand": (only("cat"), only("dog"), '"cat"', '"dog"'),
    f"$validate-code?code=cat&system={URL}": (only("cat"), only("dog"), '"valueBoolean":true', '"valueBoolean":false'),
    f"$translate?code=cat&system={URL}": (a_map("chat"), a_map("matou"), '"chat"', '"matou"'),
}


@pytest.mark.parametrize("operation", OF_VERSIONS)
async def test_a_version_in_the_url_is_the_one_that_is_answered_of(server: Speaking, operation: str) -> None:
    await server.post("CodeSystem", ANIMALS)
    first, second, before, now = OF_VERSIONS[operation]
    path = f"{first['resourceType']}/x"
    for tree in (first, second):
        assert (await server.put(path, {**tree, "id": "x"})).status in (200, 201)
    old, current = await server.get(f"{path}/_history/1/{operation}"), await server.get(f"{path}/{operation}")
    assert old.status == current.status == 200, (old.json, current.json)
    assert before.encode() in old.response.body and now.encode() not in old.response.body
    assert now.encode() in current.response.body and before.encode() not in current.response.body
    assert (await server.get(f"{path}/_history/3/{operation}")).status == 404
