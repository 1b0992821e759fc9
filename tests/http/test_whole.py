"""What only shows when the wire and the interactions meet: https://hl7.org/fhir/R4/http.html, binary.html#rest"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.http.whole import whole

CDA = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/></ClinicalDocument>'


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with whole(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/xml", CDA),
        ("application/xml; charset=utf-8", CDA),
        ("application/json", b'{"a": 1.10}'),
        ("text/json", b"[1,2]"),
        ("application/pdf", b"%PDF-1.4 \x00\xff"),
        ("text/html", b"<p>x</p>"),
    ],
)
async def test_content_of_a_binary_comes_back_as_it_went_in(
    client: httpx.AsyncClient, content_type: str, body: bytes
) -> None:
    made = await client.post("Binary", content=body, headers={"content-type": content_type})
    assert made.status_code == 201
    got = await client.get(made.headers["content-location"], headers={"accept": content_type.partition(";")[0]})
    assert (got.content, got.headers["content-type"]) == (body, content_type)
    put = await client.put("Binary/mine", content=body, headers={"content-type": content_type})
    assert put.status_code == 201 and put.json()["contentType"] == content_type


@pytest.mark.parametrize("content_type", ["application/json", "application/fhir+json", "text/json"])
async def test_a_binary_resource_is_one_in_any_of_its_media_types(client: httpx.AsyncClient, content_type: str) -> None:
    body = b'{"resourceType":"Binary","contentType":"text/plain","data":"aGk="}'
    made = await client.post("Binary", content=body, headers={"content-type": content_type})
    assert made.status_code == 201
    got = await client.get(made.headers["content-location"], headers={"accept": "text/plain"})
    assert got.content == b"hi"


@pytest.mark.parametrize("content_type", ["application/json-patch+json", "application/fhir+json", None])
async def test_a_patch_without_a_body_is_400(client: httpx.AsyncClient, content_type: str | None) -> None:
    await client.put("Patient/a", json={"resourceType": "Patient", "id": "a"})
    headers = {"content-type": content_type} if content_type else {}
    answer = await client.patch("Patient/a", headers=headers)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "required")


@pytest.mark.parametrize("path", ["Patient", "Patient/$validate", ""])
async def test_a_byte_order_mark_is_passed_over(client: httpx.AsyncClient, path: str) -> None:
    """RFC 8259 §8.1"""
    type = "Patient" if path else "Bundle"
    body = b'\xef\xbb\xbf{"resourceType":"%s"%s}' % (type.encode(), b"" if path else b',"type":"batch"')
    answer = await client.post(path, content=body, headers={"content-type": "application/fhir+json"})
    assert answer.status_code in (200, 201)


XML = {"accept": "application/fhir+xml"}


async def test_what_xml_cannot_say_is_told_in_json_when_something_was_done_or_refused(
    client: httpx.AsyncClient,
) -> None:
    """XML 1.0 §2.2: a JSON string may hold characters that XML has no way to write."""
    refused = await client.post("Patient", json={"resourceType": "Patient", "\x1f": 1}, headers=XML)
    assert (refused.status_code, refused.json()["resourceType"]) == (422, "OperationOutcome")
    made = await client.post("Patient", json={"resourceType": "Patient", "name": [{"text": "\uffff"}]}, headers=XML)
    assert (made.status_code, made.json()["name"][0]["text"]) == (201, "\uffff")
    assert (await client.get(made.headers["content-location"], headers=XML)).status_code == 406


@pytest.mark.parametrize(
    "spelling", ["identifier=http://x|é7", "identifier=http://x%7C%C3%A97", "Patient?identifier=http://x|é7"]
)
async def test_if_none_exist_in_plain_utf_8_is_the_same_as_escaped(client: httpx.AsyncClient, spelling: str) -> None:
    """R4 http.html#ccreate: what the header holds is a query; RFC 9110 §5.5 lets its bytes be others than ASCII's."""
    patient = {"resourceType": "Patient", "identifier": [{"system": "http://x", "value": "é7"}]}
    made = [await client.post("Patient", json=patient, headers={"If-None-Exist": spelling.encode()}) for _ in "12"]
    assert [one.status_code for one in made] == [201, 200]


@pytest.mark.parametrize(
    "headers",
    [
        [("If-None-Exist", "identifier=http://x|é7".encode("latin-1"))],
        [("If-None-Exist", b"identifier=http://x|7"), ("If-None-Exist", b"active=true")],
        [("If-None-Exist", b"identifier=http://x|%E97")],
        [("If-None-Exist", b"")],
    ],
)
async def test_if_none_exist_that_cannot_be_read_creates_nothing(
    client: httpx.AsyncClient, headers: list[tuple[str, bytes]]
) -> None:
    answer = await client.post("Patient", json={"resourceType": "Patient"}, headers=headers)
    assert answer.status_code in (400, 412) and answer.json()["resourceType"] == "OperationOutcome"
    assert (await client.get("Patient?_summary=count")).json()["total"] == 0
