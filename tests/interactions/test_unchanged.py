"""What becomes of a write that would change nothing, whichever way it comes.

https://hl7.org/fhir/R4/http.html#update ("creates a new current version"; the answer's ETag has "the new versionId"),
#patch ("the server processes the resulting document as an Update operation; all the version and error handling etc.
apply as specified"), #cond-update, #ccreate, #delete; https://www.rfc-editor.org/rfc/rfc6902#section-3 (an empty array).
https://hl7.org/fhir/R4/resource-operation-meta-add.html: an operation that says only what is to be so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.server.calls import Answer, Server

THERE = {
    "resourceType": "Patient",
    "id": "a",
    "meta": {"tag": [{"system": "urn:tags", "code": "seen"}]},
    "identifier": [{"system": "urn:ids", "value": "7"}],
    "active": True,
    "multipleBirthInteger": 1,
}
META = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": THERE["meta"]}]}
OTHER_META = {
    "resourceType": "Parameters",
    "parameter": [{"name": "meta", "valueMeta": {"tag": [{"system": "urn:tags", "code": "unseen"}]}}],
}
JSON_PATCH, XML_PATCH = "application/json-patch+json", "application/xml-patch+xml"
REPLACED = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Patient.active"},
                {"name": "value", "valueBoolean": True},
            ],
        }
    ],
}

Way = Callable[[Server], Awaitable[Answer]]


def patch(url: str, body: Any, content_type: str) -> Way:
    return lambda server: server.call("PATCH", url, body, content_type=content_type)


def bundle(type: str, method: str, url: str, resource: Any, **more: str) -> Way:
    entry = {"request": {"method": method, "url": url, **more}} | ({"resource": resource} if resource else {})
    return lambda server: server.post("", {"resourceType": "Bundle", "type": type, "entry": [entry]})


#: What is sent is the next version, and its sender is told so: whatever stood there before.
VERSIONS: dict[str, Way] = {
    "update": lambda server: server.put("Patient/a", THERE),
    "update, members in another order": lambda server: server.put("Patient/a", dict(reversed(THERE.items()))),
    "update of the version that is there": lambda server: server.put("Patient/a", THERE, if_match='W/"1"'),
    "conditional update": lambda server: server.put("Patient?identifier=urn:ids|7", THERE),
    "JSON Patch without operations": patch("Patient/a", b"[]", JSON_PATCH),
    "JSON Patch that only tests": patch("Patient/a", [{"op": "test", "path": "/active", "value": True}], JSON_PATCH),
    "JSON Patch by what is there": patch(
        "Patient/a", [{"op": "replace", "path": "/active", "value": True}], JSON_PATCH
    ),
    "XML Patch without operations": patch("Patient/a", b"<diff/>", XML_PATCH),
    "FHIRPath Patch without operations": patch("Patient/a", {"resourceType": "Parameters"}, "application/fhir+json"),
    "FHIRPath Patch by what is there": patch("Patient/a", REPLACED, "application/fhir+json"),
    "conditional patch": patch("Patient?identifier=urn:ids|7", b"[]", JSON_PATCH),
    "update in a batch": bundle("batch", "PUT", "Patient/a", THERE),
    "update in a transaction": bundle("transaction", "PUT", "Patient/a", THERE),
    "conditional update in a transaction": bundle("transaction", "PUT", "Patient?identifier=urn:ids|7", THERE),
    "patch in a batch": bundle("batch", "PATCH", "Patient/a", REPLACED),
    "patch in a transaction": bundle("transaction", "PATCH", "Patient/a", REPLACED),
    "conditional patch in a transaction": bundle("transaction", "PATCH", "Patient?identifier=urn:ids|7", REPLACED),
}

#: What is asked is that something be so, and it is.
NOTHING: dict[str, Way] = {
    "$meta-add": lambda server: server.post("Patient/a/$meta-add", META),
    "$meta-delete": lambda server: server.post("Patient/a/$meta-delete", OTHER_META),
    "conditional create": lambda server: server.post("Patient", THERE, if_none_exist="identifier=urn:ids|7"),
    "conditional create in a batch": bundle("batch", "POST", "Patient", THERE, ifNoneExist="identifier=urn:ids|7"),
    "conditional create in a transaction": bundle(
        "transaction", "POST", "Patient", THERE, ifNoneExist="identifier=urn:ids|7"
    ),
}


def told(answer: Answer) -> str | None:
    """The entity-tag of the answer, or of its one entry."""
    if answer.json and answer.json["resourceType"] == "Bundle":
        [entry] = answer.json["entry"]
        assert entry["response"]["status"].startswith("200"), entry
        return str(entry["response"]["etag"])
    assert answer.status == 200, answer.json
    return None if answer.version is None else f'W/"{answer.version}"'


@pytest.mark.parametrize("way", VERSIONS)
async def test_what_is_sent_as_the_next_version_is_one_though_it_says_the_same(server: Server, way: str) -> None:
    await server.put("Patient/a", THERE)
    assert told(await VERSIONS[way](server)) == 'W/"2"'
    now, was = (await server.get("Patient/a")).json, (await server.get("Patient/a/_history/1")).json
    assert now["meta"].pop("versionId") == "2" and was["meta"].pop("versionId") == "1"
    assert now["meta"].pop("lastUpdated") >= was["meta"].pop("lastUpdated")
    assert now == was


@pytest.mark.parametrize("way", NOTHING)
async def test_what_only_asks_that_something_be_so_writes_nothing_where_it_is(server: Server, way: str) -> None:
    await server.put("Patient/a", THERE)
    assert told(await NOTHING[way](server)) in (None, 'W/"1"')
    assert (await server.get("Patient/a/_history")).json["total"] == 1
    assert (await server.get("Patient")).json["total"] == 1


@pytest.mark.parametrize("type", [None, "batch", "transaction"])
async def test_a_second_deletion_is_no_version(server: Server, type: str | None) -> None:
    await server.put("Patient/a", THERE)
    await server.delete("Patient/a")
    again = server.delete("Patient/a") if type is None else bundle(type, "DELETE", "Patient/a", None)(server)
    assert (await again).status in (200, 204)
    assert (await server.get("Patient/a/_history")).json["total"] == 2


async def test_of_two_who_send_the_same_for_one_version_one_is_told_that_it_was_overtaken(server: Server) -> None:
    await server.put("Patient/a", THERE)
    statuses = [(await server.put("Patient/a", THERE, if_match='W/"1"')).status for _ in range(2)]
    assert statuses == [200, 412]
