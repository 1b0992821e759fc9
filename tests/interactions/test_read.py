"""https://hl7.org/fhir/R4/http.html#read, #vread, #cread; https://hl7.org/fhir/R4/search.html#summary"""

from __future__ import annotations

import json

import pytest

from tests.server.calls import Server

PATIENT = {"resourceType": "Patient", "active": True, "name": [{"family": "Durand"}], "birthDate": "1970-03-02"}


async def test_a_read_gives_the_bytes_that_were_stored_with_version_and_instant(server: Server) -> None:
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10,"unit":"g"}}'
    )
    made = await server.post("Observation", body)
    read = await server.get(f"Observation/{made.id}")
    assert read.response.body == made.response.body
    assert b'"value":1.10' in read.response.body
    assert (read.status, read.version, read.json["meta"]["versionId"]) == (200, 1, "1")
    assert read.response.at is not None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("Patient/absent", "not-found"),
        ("Patient/not%20an%20id", "not-found"),
        ("Patient/" + "a" * 65, "not-found"),
        ("Patients/1", "not-supported"),
        ("patient/1", "not-supported"),
        ("DomainResource/1", "not-supported"),
        ("Patient/1/nothing/here/at/all", "not-supported"),
        ("Patient/1/_history/1/2", "not-supported"),
    ],
)
async def test_what_is_not_there_is_404(server: Server, path: str, code: str) -> None:
    answer = await server.get(path)
    assert (answer.status, answer.codes) == (404, [code])


async def test_a_deleted_resource_is_410_and_so_is_the_version_that_deleted_it(server: Server) -> None:
    made = await server.post("Patient", PATIENT)
    await server.delete(f"Patient/{made.id}")
    assert (await server.get(f"Patient/{made.id}")).status == 410
    assert (await server.get(f"Patient/{made.id}/_history/2")).status == 410
    past = await server.get(f"Patient/{made.id}/_history/1")
    assert (past.status, past.json["meta"]["versionId"]) == (200, "1")


@pytest.mark.parametrize("version", ["0", "2", "01", "-1", "x", "9" * 30, "1.0"])
async def test_a_version_that_never_was_is_404(server: Server, version: str) -> None:
    made = await server.post("Patient", PATIENT)
    assert (await server.get(f"Patient/{made.id}/_history/{version}")).status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": 'W/"1"'}, 304),
        ({"if_none_match": '"1"'}, 304),
        ({"if_none_match": 'W/"7", W/"1"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": 'W/"2"'}, 200),
        ({"if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"if_modified_since": "2100-01-01T00:00:00Z"}, 304),
        ({"if_modified_since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
        ({"if_modified_since": "not a date"}, 200),
        # RFC 7232 §3.3: If-None-Match decides where both are there.
        ({"if_none_match": 'W/"2"', "if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
        ({"if_none_match": '"'}, 400),
    ],
)
async def test_a_conditional_read_is_304_when_the_client_has_it(
    server: Server, headers: dict[str, str], status: int
) -> None:
    made = await server.post("Patient", PATIENT)
    answer = await server.get(f"Patient/{made.id}", **headers)
    assert answer.status == status
    assert status != 304 or (answer.response.body == b"" and answer.version == 1)


async def test_a_read_can_be_shaped(server: Server) -> None:
    made = await server.post("Patient", {**PATIENT, "contact": [{"name": {"family": "X"}}]})
    summary = await server.get(f"Patient/{made.id}?_summary=true")
    assert "contact" not in summary.json and summary.json["meta"]["tag"][0]["code"] == "SUBSETTED"
    elements = await server.get(f"Patient/{made.id}?_elements=birthDate")
    assert set(elements.json) == {"resourceType", "id", "meta", "birthDate"}
    assert (await server.get(f"Patient/{made.id}?_summary=maybe")).status == 400


async def test_head_is_served_as_get(server: Server) -> None:
    made = await server.post("Patient", PATIENT)
    assert (await server.call("HEAD", f"Patient/{made.id}")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "", "GET, HEAD, POST"),
        ("DELETE", "metadata", "GET, HEAD"),
        ("POST", "Patient/1", "GET, HEAD, PUT, PATCH, DELETE"),
        ("PATCH", "Patient/1/_history/1", "GET, HEAD"),
        ("GET", "Patient/_search", "POST"),
        ("DELETE", "Patient/_history", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_offered_is_405_and_says_which_are(
    server: Server, method: str, path: str, allow: str
) -> None:
    answer = await server.call(method, path, PATIENT if method in ("POST", "PUT") else None)
    assert (answer.status, answer.headers.get("Allow")) == (405, allow)


async def test_a_binary_goes_in_and_out_in_its_own_media_type(server: Server) -> None:
    made = await server.call(
        "POST", "Binary", b"%PDF-1.7 \x00\xff", content_type="application/pdf", x_security_context="DocumentReference/1"
    )
    assert made.status == 201
    stored = await server.get(f"Binary/{made.id}")
    assert stored.json["contentType"] == "application/pdf"
    assert stored.json["securityContext"] == {"reference": "DocumentReference/1"}
    raw = await server.get(f"Binary/{made.id}", accept_raw="1")
    assert (raw.response.body, raw.response.media_type) == (b"%PDF-1.7 \x00\xff", "application/pdf")
    replaced = await server.call("PUT", f"Binary/{made.id}", b"text", content_type="text/plain")
    assert (replaced.status, replaced.version) == (200, 2)
    assert (await server.get(f"Binary/{made.id}/_history/1", accept_raw="1")).response.body == b"%PDF-1.7 \x00\xff"
    assert (await server.get(f"Binary/{made.id}", accept_raw="1", if_none_match='W/"2"')).status == 304


async def test_a_binary_resource_is_a_resource_like_any_other(server: Server) -> None:
    made = await server.post("Binary", {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="})
    assert made.status == 201
    assert (await server.get(f"Binary/{made.id}", accept_raw="1")).response.body == b"hi"
    empty = await server.post("Binary", {"resourceType": "Binary", "contentType": "text/plain"})
    assert (await server.get(f"Binary/{empty.id}", accept_raw="1")).response.body == b""
    odd = await server.call("POST", "Binary", b"x", content_type="text/plain", x_security_context="no reference")
    assert odd.status == 400


async def test_what_was_written_is_shown_as_it_was_written(server: Server) -> None:
    body = {
        "resourceType": "Patient",
        "extension": [{"url": "http://example.org/e", "valueDecimal": 1}],
        "gender": "male",
    }
    made = await server.post("Patient", body)
    read = (await server.get(f"Patient/{made.id}")).json
    assert {key: value for key, value in read.items() if key not in ("id", "meta")} == body
    assert json.loads(made.response.body) == read
