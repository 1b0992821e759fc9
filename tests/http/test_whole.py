"""What only shows when the wire and the interactions meet: https://hl7.org/fhir/R4/http.html, binary.html#rest"""

from __future__ import annotations

import base64
import json

import httpx
import pytest

CDA = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/></ClinicalDocument>'


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


PATIENT = {"resourceType": "Patient", "active": True}
PATIENT_XML = b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>'
BINARY = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="}
BINARY_XML = b'<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="aGk="/></Binary>'
JSON_TYPES = ("application/fhir+json", "application/fhir+json; charset=utf-8", "application/json", "text/json")
XML_TYPES = ("application/fhir+xml", "application/fhir+xml; fhirVersion=4.0", "application/xml", "text/xml")


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        *((one, json.dumps(PATIENT).encode()) for one in JSON_TYPES),
        *((one, json.dumps({"type": "Binary", "name": '"Binary"'}).encode()) for one in JSON_TYPES),
        *((one, json.dumps({**PATIENT, "contained": [BINARY]}).encode()) for one in JSON_TYPES),
        *((one, b"[1, 2]") for one in JSON_TYPES),
        *((one, PATIENT_XML) for one in XML_TYPES),
        *((one, b"<a><Binary xmlns='http://hl7.org/fhir'/></a>") for one in XML_TYPES),
        *((one, b"<!DOCTYPE Binary><Binary xmlns='http://hl7.org/fhir'/>") for one in XML_TYPES),
        *((one, b"<Binary xmlns='urn:other'/>") for one in XML_TYPES),
    ],
)
async def test_content_in_fhirs_own_types_is_kept_as_it_came_unless_it_is_a_binary(
    client: httpx.AsyncClient, media_type: str, body: bytes
) -> None:
    """R4 binary.html#rest: a FHIR document may be what a Binary holds, as a CDA document may."""
    for way in ("POST", "PUT"):
        made = await client.request(
            way, "Binary" if way == "POST" else "Binary/b", content=body, headers={"content-type": media_type}
        )
        assert made.status_code == 201, made.text
        stored = (await client.get(made.headers["location"], headers={"accept": "application/fhir+json"})).json()
        assert stored["contentType"] == media_type and base64.b64decode(stored["data"]) == body
        got = await client.get(made.headers["location"], headers={"accept": "*/*"})
        assert got.content == body and got.headers["content-type"].startswith(media_type.partition(";")[0])


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        *((one, json.dumps(BINARY).encode()) for one in JSON_TYPES),
        *((one, json.dumps(BINARY, indent=3).encode("utf-8-sig")) for one in JSON_TYPES),
        *((one, json.dumps({**dict(reversed(BINARY.items())), "id": "b"}).encode()) for one in JSON_TYPES),
        *((one, BINARY_XML) for one in XML_TYPES),
        *((one, b"<?xml version='1.0'?><!-- x -->\n" + BINARY_XML) for one in XML_TYPES),
        *((one, BINARY_XML.replace(b"<", b"<f:").replace(b"<f:/", b"</f:").replace(b"xmlns", b"xmlns:f")) for one in XML_TYPES),
    ],
)  # fmt: skip
async def test_a_binary_resource_is_one_in_any_type_that_may_hold_it(
    client: httpx.AsyncClient, media_type: str, body: bytes
) -> None:
    made = await client.post("Binary", content=body, headers={"content-type": media_type})
    assert made.status_code == 201, made.text
    got = await client.get(made.headers["location"], headers={"accept": "text/plain"})
    assert (got.content, got.headers["content-type"]) == (b"hi", "text/plain")


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/fhir+json", b'{"resourceType":"Binary","contentType":'),
        ("application/fhir+xml", b"<Binary xmlns='http://hl7.org/fhir'"),
        ("application/fhir+json", b'{"resourceType":"Binary"}'),
    ],
)
async def test_a_binary_resource_with_a_mistake_in_it_is_told_so(
    client: httpx.AsyncClient, media_type: str, body: bytes
) -> None:
    made = await client.post("Binary", content=body, headers={"content-type": media_type})
    assert made.status_code in (400, 422) and made.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("path", ["Patient/_search", "_search", "Patient/a/Observation/_search", "Patient/a/_search"])
@pytest.mark.parametrize(
    ("url", "form", "accept", "expected"),
    [
        ("?_format=xml", "_id=a", "*/*", "application/fhir+xml"),
        ("?_format=xml", "", "*/*", "application/fhir+xml"),
        ("?_format=json", "_id=a", "application/fhir+xml", "application/fhir+json"),
        ("", "_id=a&_format=xml", "application/fhir+json", "application/fhir+xml"),
        ("", "_id=a&_format=json", "image/png", "application/fhir+json"),
        ("?_format=xml", "_id=a&_format=json", "*/*", "application/fhir+xml"),
        ("", "_id=a", "application/fhir+xml", "application/fhir+xml"),
    ],
)
async def test_a_posted_search_is_answered_in_the_format_asked_for_wherever_it_is_said(
    client: httpx.AsyncClient, path: str, url: str, form: str, accept: str, expected: str
) -> None:
    """R4 http.html#search: the parameters of the URL and of the form are those of one search."""
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": accept}
    answer = await client.post(path + url, content=form, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(expected)


@pytest.mark.parametrize("path", ["Patient/a", "Patient?active=true"])
@pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/merge-patch+json; charset=utf-8"])
async def test_a_merge_patch_is_refused_by_its_name(client: httpx.AsyncClient, path: str, media_type: str) -> None:
    """RFC 5789 §2.2: 415, with the kinds of patch that are offered in Accept-Patch."""
    await client.put("Patient/a", json={**PATIENT, "id": "a"})
    answer = await client.patch(path, content=b'{"active":false}', headers={"content-type": media_type})
    assert answer.status_code == 415
    assert "merge patch" in answer.json()["issue"][0]["diagnostics"]
    assert "application/json-patch+json" in answer.headers["accept-patch"]
    assert (await client.get("Patient/a")).json()["active"] is True


@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", "application/patch+xml"])
async def test_any_other_kind_of_patch_is_told_what_is_offered(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.patch("Patient/a", content=b"x", headers={"content-type": media_type})
    assert answer.status_code == 415 and "application/fhir+json" in answer.headers["accept-patch"]


async def test_options_says_which_patches_are_read(client: httpx.AsyncClient) -> None:
    """RFC 5789 §3.1."""
    answer = await client.request("OPTIONS", "Patient/a")
    assert "application/json-patch+json" in answer.headers["accept-patch"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": 'W/"2"'}, 201),
        ({"if-match": 'W/"1"'}, 412),
        ({"if-match": 'W/"3"'}, 412),
        ({"if-match": "*"}, 412),
        ({"if-none-match": "*"}, 201),
        ({"if-none-match": 'W/"2"'}, 201),
        ({}, 201),
    ],
)
async def test_what_was_deleted_is_brought_back_by_the_etag_that_the_410_gave(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """R4 http.html#concurrency, http.html#delete: a deletion is a version, and its ETag names it."""
    await client.put("Patient/a", json={**PATIENT, "id": "a"})
    await client.delete("Patient/a")
    gone = await client.get("Patient/a")
    assert (gone.status_code, gone.headers["etag"]) == (410, 'W/"2"')
    back = await client.put("Patient/a", json={**PATIENT, "id": "a"}, headers=headers)
    assert back.status_code == status
