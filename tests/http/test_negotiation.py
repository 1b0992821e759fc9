"""Which format answers: https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/http.html#parameters, RFC 9110 §12.5.1."""

from __future__ import annotations

import pytest

from tests.server.stub import Stub

JSON, XML, HTML = (
    "application/fhir+json; charset=utf-8",
    "application/fhir+xml; charset=utf-8",
    "text/html; charset=utf-8",
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "query", "status", "content_type"),
    [
        (None, "", 200, JSON),
        ("", "", 200, JSON),
        ("*/*", "", 200, JSON),
        ("application/*", "", 200, JSON),
        ("application/fhir+json", "", 200, JSON),
        ("application/json", "", 200, JSON),
        ("text/json", "", 200, JSON),
        ("application/json+fhir", "", 200, JSON),
        ("application/fhir+xml", "", 200, XML),
        ("application/xml", "", 200, XML),
        ("text/xml", "", 200, XML),
        ("APPLICATION/FHIR+XML", "", 200, XML),
        ("text/html", "", 200, HTML),
        (BROWSER, "", 200, HTML),
        ("text/*", "", 200, HTML),
        ("application/fhir+json;q=0.5, application/fhir+xml", "", 200, XML),
        ("application/fhir+xml;q=0.5, application/fhir+json;q=0.6", "", 200, JSON),
        ("application/fhir+xml, application/fhir+json", "", 200, XML),
        ("*/*, application/fhir+xml", "", 200, XML),
        ("*/*;q=0.1, application/fhir+json;q=0", "", 200, XML),
        ("application/pdf, application/fhir+json;q=0.1", "", 200, JSON),
        ("application/fhir+json; fhirVersion=4.0", "", 200, "application/fhir+json; fhirVersion=4.0; charset=utf-8"),
        ("application/fhir+json; fhirVersion=3.0", "", 406, JSON),
        ("application/fhir+json; fhirVersion=5.0, application/fhir+xml", "", 200, XML),
        ("application/pdf", "", 406, JSON),
        ("text/turtle", "", 406, JSON),
        ("application/fhir+turtle", "", 406, JSON),
        ("application/fhir+json;q=0", "", 406, JSON),
        ("application/fhir+json;q=x", "", 406, JSON),
        ("image/png," * 1000, "", 406, JSON),
        (None, "_format=json", 200, JSON),
        (None, "_format=xml", 200, XML),
        (None, "_format=html", 200, HTML),
        (None, "_format=text/xml", 200, XML),
        (None, "_format=application/fhir%2Bxml", 200, XML),
        (None, "_format=application/fhir+xml", 200, XML),
        (
            None,
            "_format=application/fhir%2Bjson;fhirVersion=4.0",
            200,
            "application/fhir+json; fhirVersion=4.0; charset=utf-8",
        ),
        ("application/fhir+xml", "_format=json", 200, JSON),
        (BROWSER, "_format=json", 200, JSON),
        ("application/pdf", "_format=xml", 200, XML),
        (None, "_format=ttl", 406, JSON),
        (None, "_format=", 406, JSON),
        (None, "_format=application/fhir%2Bjson;fhirVersion=3.0", 406, JSON),
    ],
)
async def test_the_format_answered(accept: str | None, query: str, status: int, content_type: str) -> None:
    stub = Stub()
    response = await stub.ask("GET", f"/fhir/Patient/1?{query}", headers={} if accept is None else {"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (status, content_type)
    assert response.headers["vary"] == "Accept, Accept-Encoding, Origin"
    assert len(stub.requests) == (status == 200)


@pytest.mark.parametrize(
    ("format", "start"),
    [("json", b'{"resourceType":"OperationOutcome"'), ("xml", b"<?xml"), ("html", b"<!doctype html>")],
)
async def test_an_error_is_told_in_the_format_asked_for(format: str, start: bytes) -> None:
    response = await Stub().ask("GET", f"/fhir/Patient/missing?_format={format}")
    assert response.status_code == 404
    assert response.content.startswith(start)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/fhir+json", b'{"resourceType":"Patient"}', 201),
        ("application/fhir+json; charset=UTF-8", b'{"resourceType":"Patient"}', 201),
        ("application/fhir+json; fhirVersion=4.0", b'{"resourceType":"Patient"}', 201),
        ("application/json", b'{"resourceType":"Patient"}', 201),
        ("application/fhir+xml", b'<Patient xmlns="http://hl7.org/fhir"/>', 201),
        ("text/xml", b'<Patient xmlns="http://hl7.org/fhir"/>', 201),
        ("", b'{"resourceType":"Patient"}', 201),
        ("", b'<Patient xmlns="http://hl7.org/fhir"/>', 201),
        ("", b"hello", 415),
        ("json", b'{"resourceType":"Patient"}', 415),
        ("text/plain", b'{"resourceType":"Patient"}', 415),
        ("text/html", b'{"resourceType":"Patient"}', 415),
        ("application/x-www-form-urlencoded", b"a=b", 415),
        ("application/json-patch+json", b"[]", 415),
        ("application/fhir+json; charset=iso-8859-1", b'{"resourceType":"Patient"}', 415),
        ("application/fhir+json; fhirVersion=3.0", b'{"resourceType":"Patient"}', 415),
        ("application/fhir+xml", b"<Patient/>", 400),
        ("application/fhir+xml", b"{}", 400),
    ],
)
async def test_the_formats_a_body_may_have(content_type: str, body: bytes, status: int) -> None:
    stub = Stub()
    response = await stub.ask(
        "POST", "/fhir/Patient", content=body, headers={"Content-Type": content_type} if content_type else {}
    )
    assert response.status_code == status
    if status == 201:
        assert (stub.requests[0].body, stub.requests[0].content_type) == (
            b'{"resourceType":"Patient"}',
            "application/fhir+json",
        )
    else:
        assert response.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("content_type", "body", "given"),
    [
        ("application/json-patch+json", b"[]", "application/json-patch+json"),
        ("application/json", b" [] ", "application/json-patch+json"),
        ("application/fhir+json", b'{"resourceType":"Parameters"}', "application/fhir+json"),
        ("application/fhir+xml", b'<Parameters xmlns="http://hl7.org/fhir"/>', "application/fhir+json"),
        ("application/xml-patch+xml", b"<diff/>", "application/xml-patch+xml"),
    ],
)
async def test_the_formats_a_patch_may_have(content_type: str, body: bytes, given: str) -> None:
    stub = Stub()
    await stub.ask("PATCH", "/fhir/Patient/1", content=body, headers={"Content-Type": content_type})
    assert stub.requests[0].content_type == given


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/x-patch"])
async def test_other_patch_formats_are_refused(content_type: str) -> None:
    response = await Stub().ask("PATCH", "/fhir/Patient/1", content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 415


@pytest.mark.parametrize(
    ("content_type", "body", "given"),
    [
        ("application/pdf", b"%PDF", "application/pdf"),
        ("text/plain; charset=latin-1", b"caf\xe9", "text/plain; charset=latin-1"),
        ("text/html", b"<p>", "text/html"),
        ("text/xml", b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "text/xml"),
        ("application/json", b'{"a":1}', "application/json"),
        ("application/json", b'{"resourceType":"Binary"}', "application/fhir+json"),
        ("text/xml", b'<Binary xmlns="http://hl7.org/fhir"/>', "application/fhir+json"),
        ("application/fhir+json", b'{"resourceType":"Binary"}', "application/fhir+json"),
    ],
)
async def test_a_binary_comes_as_itself_or_as_a_resource(content_type: str, body: bytes, given: str) -> None:
    """binary.html#rest."""
    stub = Stub()
    await stub.ask("POST", "/fhir/Binary", content=body, headers={"Content-Type": content_type})
    assert stub.requests[0].content_type == given
    assert (stub.requests[0].body == body) == (given != "application/fhir+json" or body.startswith(b"{"))


@pytest.mark.parametrize(
    ("accept", "query", "raw"),
    [
        (None, "", True),
        ("*/*", "", True),
        ("application/pdf", "", True),
        (BROWSER, "", True),
        ("application/fhir+json", "", False),
        ("application/fhir+xml, */*;q=0.1", "", False),
        (None, "_format=json", False),
        (None, "_format=html", False),
    ],
)
async def test_a_binary_is_read_as_itself_unless_fhir_is_asked_for(accept: str | None, query: str, raw: bool) -> None:
    stub = Stub()
    await stub.ask("GET", f"/fhir/Binary/1?{query}", headers={} if accept is None else {"Accept": accept})
    assert ("accept-raw" in stub.requests[0].headers) == raw
