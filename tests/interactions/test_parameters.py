"""Which parameters each interaction reads from its URL: none is passed over in silence.

https://hl7.org/fhir/R4/http.html#parameters, https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.interactions.parameters import UNREAD
from fhir_server.interactions.routes import ROUTES
from tests.server.calls import Server

Json = dict[str, Any]
PATIENT: Json = {"resourceType": "Patient", "id": "a", "active": True, "name": [{"family": "Dupré"}]}
BUNDLE: Json = {"resourceType": "Bundle", "type": "batch"}
PATCH: Json = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Patient.active"},
                {"name": "value", "valueBoolean": False},
            ],
        }
    ],
}

#: (method, shape) of a route → a path of that shape, and a body.
CALLS: dict[tuple[str, str], tuple[str, Json | None]] = {
    ("GET", "T/I"): ("Patient/a", None),
    ("GET", "T/I/_history/V"): ("Patient/a/_history/1", None),
    ("PUT", "T/I"): ("Patient/a", PATIENT),
    ("PUT", "T"): ("Patient", PATIENT),
    ("PATCH", "T/I"): ("Patient/a", PATCH),
    ("PATCH", "T"): ("Patient", PATCH),
    ("DELETE", "T/I"): ("Patient/a", None),
    ("DELETE", "T"): ("Patient", None),
    ("POST", "T"): ("Patient", PATIENT),
    ("GET", "T"): ("Patient", None),
    ("POST", "T/_search"): ("Patient/_search", None),
    ("GET", "T/I/T"): ("Patient/a/Observation", None),
    ("POST", "T/I/T/_search"): ("Patient/a/Observation/_search", None),
    ("GET", "T/I/*"): ("Patient/a/*", None),
    ("POST", "T/I/*/_search"): ("Patient/a/*/_search", None),
    ("POST", "T/I/_search"): ("Patient/a/_search", None),
    ("GET", ""): ("", None),
    ("POST", "_search"): ("_search", None),
    ("POST", ""): ("", BUNDLE),
    ("GET", "T/I/_history"): ("Patient/a/_history", None),
    ("GET", "T/_history"): ("Patient/_history", None),
    ("GET", "_history"): ("_history", None),
    ("GET", "metadata"): ("metadata", None),
    ("GET", "$"): ("$meta", None),
    ("POST", "$"): ("$meta", None),
    ("GET", "T/$"): ("Patient/$meta", None),
    ("POST", "T/$"): ("Patient/$meta", None),
    ("GET", "T/I/$"): ("Patient/a/$meta", None),
    ("POST", "T/I/$"): ("Patient/a/$meta", None),
    ("GET", "T/I/_history/V/$"): ("Patient/a/_history/1/$meta", None),
    ("POST", "T/I/_history/V/$"): ("Patient/a/_history/1/$meta", None),
}
#: What no interaction reads, as clients send it: a search parameter that does not exist, one of another server's.
UNKNOWN = ("nothing-like-it=1", "_cascade=delete")


def test_the_table_has_every_route() -> None:
    assert CALLS.keys() == ROUTES.keys()


@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize("route", CALLS, ids=" ".join)
async def test_a_parameter_that_is_not_read_is_named_and_nothing_is_done(
    server: Server, route: tuple[str, str], unknown: str
) -> None:
    await server.put("Patient/a", PATIENT)
    path, body = CALLS[route]
    answer = await server.call(route[0], f"{path}?{unknown}", body)
    assert answer.status == 400, (route, answer.json)
    assert unknown.partition("=")[0] in str(answer.json["issue"]), answer.json
    assert (await server.get("Patient/_history?_summary=count")).json["total"] == 1


@pytest.mark.parametrize("route", CALLS, ids=" ".join)
async def test_lenient_handling_is_for_what_reads_and_never_for_what_writes(
    server: Server, route: tuple[str, str]
) -> None:
    """R4 search.html#errors: a client may prefer lenient handling; a condition left out would write another resource."""
    await server.put("Patient/a", PATIENT)
    path, body = CALLS[route]
    lenient = server.context(strict=False)
    answer = await server.call(route[0], f"{path}?nothing-like-it=1", body, context=lenient)
    reads = (route[0] == "GET" or path.endswith("_search")) and "$" not in path
    assert answer.status == (200 if reads else 400), answer.json


@pytest.mark.parametrize(
    ("method", "url", "words"),
    [
        ("POST", "Patient?identifier=urn:ids|7", "If-None-Exist"),
        ("PUT", "Patient/a?identifier=urn:ids|7", "PUT [type]?[criteria]"),
        ("PATCH", "Patient/a?identifier=urn:ids|7", "PATCH [type]?[criteria]"),
        ("DELETE", "Patient/a?identifier=urn:ids|7", "DELETE [type]?[criteria]"),
    ],
)
async def test_who_writes_criteria_where_none_are_read_is_told_where_they_belong(
    server: Server, method: str, url: str, words: str
) -> None:
    answer = await server.call(method, url, PATCH if method == "PATCH" else None if method == "DELETE" else PATIENT)
    assert answer.status == 400 and words in answer.json["issue"][0]["diagnostics"]
    # The value may be somebody's identifier: it is not repeated.
    assert "urn:ids" not in str(answer.json)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["Patient/a", "Patient?active=true"])
async def test_if_none_exist_is_for_a_create(server: Server, method: str, path: str) -> None:
    await server.put("Patient/a", PATIENT)
    body = {"PUT": PATIENT, "PATCH": PATCH, "DELETE": None}[method]
    answer = await server.call(method, path, body, if_none_exist="identifier=urn:ids|7")
    assert (answer.status, answer.expressions) == (400, ["http.If-None-Exist"])
    assert (await server.get("Patient/a")).version == 1


@pytest.mark.parametrize(("method", "path"), [("POST", "Patient"), ("PUT", "Patient/a"), ("PATCH", "Patient/a")])
async def test_the_general_parameters_shape_the_answer_to_a_write_too(server: Server, method: str, path: str) -> None:
    """R4 http.html#parameters: `_format`, `_pretty`, `_summary` and `_elements` are for all interactions."""
    await server.put("Patient/a", PATIENT)
    body = PATCH if method == "PATCH" else PATIENT
    answer = await server.call(method, f"{path}?_elements=active&_format=json&_pretty=true", body)
    assert answer.status in (200, 201)
    assert "active" in answer.json and "name" not in answer.json
    whole = await server.get(f"Patient/{answer.id}")
    assert whole.json["name"] == PATIENT["name"]


async def test_what_a_library_adds_to_a_create_is_left_out_where_it_changes_nothing(server: Server) -> None:
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="}
    assert (await server.post("Binary?_filename=a.txt", binary)).status == 201
    assert (await server.post("Patient?_filename=a.txt", PATIENT)).status == 400
    assert (await server.post("Binary?_filename=a.txt&identifier=urn:ids|7", binary)).status == 400


async def test_a_merge_patch_sent_as_plain_json_is_named(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    answer = await server.call("PATCH", "Patient/a", {"resourceType": "Patient", "active": False})
    assert answer.status == 400 and "merge patch" in answer.json["issue"][0]["diagnostics"]
    assert (await server.get("Patient/a")).json["active"] is True


def test_what_is_unread_is_a_route() -> None:
    assert UNREAD.keys() <= ROUTES.keys()
