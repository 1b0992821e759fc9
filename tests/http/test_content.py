"""The content of a Binary on the wire: sent as it comes, answered as it is read, whole or in part.

https://hl7.org/fhir/R4/binary.html#rest; RFC 9110 §8.8 (tags), §13 (conditions), §14 (ranges), RFC 6266; IHE MHD ITI-68.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.store.blobs.protocol import CHUNK
from fhir_server.store.outside import INSIDE

PDF = b"%PDF-1.7\n" + os.urandom(2 * CHUNK + 11)
SHORT = b"%PDF-1.7\nshort"
RAW = {"content-type": "application/pdf"}
JSON = {"accept": "application/fhir+json"}
XML = {"accept": "application/fhir+xml"}
#: Kept outside its row, and in it: nobody may be able to tell.
BOTH = pytest.mark.parametrize("content", [PDF, SHORT], ids=["long", "short"])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings(data=tmp_path, open=True, audit="on", max_content_bytes=2_000_000, max_body_bytes=1_500_000)
    async with opened(settings) as found:
        yield found


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 50_000):
        yield data[start : start + 50_000]


async def filed(client: httpx.AsyncClient, content: bytes, media_type: str = "application/pdf") -> str:
    made = await client.post("Binary", content=pieces(content), headers={"content-type": media_type})
    assert made.status_code == 201, made.text
    return f"Binary/{made.json()['id']}"


def blobs_of(house: House) -> list[Path]:
    folder: Path = house.blobs.folder  # type: ignore[attr-defined]
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


@BOTH
async def test_what_was_sent_raw_comes_back_in_every_form(
    client: httpx.AsyncClient, house: House, content: bytes
) -> None:
    made = await client.post("Binary", content=content, headers=RAW)
    url = f"Binary/{made.json()['id']}"
    assert len(blobs_of(house)) == (len(content) >= INSIDE)
    assert b64decode(made.json()["data"]) == content
    raw = await client.get(url)
    assert (raw.content, raw.headers["content-type"], raw.headers["content-length"]) == (
        content,
        "application/pdf",
        str(len(content)),
    )
    resource = await client.get(url, headers=JSON)
    assert resource.json() == made.json()
    assert resource.headers["content-length"] == str(len(resource.content))
    # The order of members is that of a resource that was sent as one.
    assert list(resource.json()) == ["resourceType", "id", "meta", "contentType", "data"]
    pretty = await client.get(url, params={"_pretty": "true"}, headers=JSON)
    assert msgspec.json.format(resource.content, indent=2) == pretty.content
    xml = await client.get(url, headers=XML)
    assert f'<data value="{b64encode(content).decode()}"/>' in xml.text
    assert xml.headers["content-length"] == str(len(xml.content))
    for way in (f"{url}/_history/1", url):
        assert (await client.get(way)).content == content
        assert (await client.get(way, headers=JSON)).content == resource.content


@BOTH
@pytest.mark.parametrize("form", ["json", "xml", "transaction", "put"])
async def test_what_was_sent_as_a_resource_comes_back_raw(
    client: httpx.AsyncClient, house: House, content: bytes, form: str
) -> None:
    said = b64encode(content).decode()
    tree: dict[str, Any] = {"resourceType": "Binary", "id": "b", "contentType": "application/pdf", "data": said}
    if form == "put":
        answer = await client.put("Binary/b", json=tree)
    elif form == "json":
        answer = await client.post("Binary", json=tree)
    elif form == "xml":
        xml = (
            f'<Binary xmlns="http://hl7.org/fhir"><contentType value="application/pdf"/><data value="{said}"/></Binary>'
        )
        answer = await client.post("Binary", content=xml, headers={"content-type": "application/fhir+xml", **JSON})
    else:
        entry = {"resource": tree, "request": {"method": "PUT", "url": "Binary/b"}}
        answer = await client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        answer = await client.get("Binary/b", headers=JSON)
    assert answer.status_code < 300, answer.text
    assert answer.json()["data"] == said
    assert (await client.get(f"Binary/{answer.json()['id']}")).content == content
    assert len(blobs_of(house)) == (len(content) >= INSIDE)


async def test_every_other_way_out_has_the_whole_resource(client: httpx.AsyncClient) -> None:
    url = await filed(client, PDF)
    said, id = b64encode(PDF).decode(), url.removeprefix("Binary/")
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "application/pdf", "url": url}}],
    }
    filed_as = await client.post("DocumentReference", json=document)
    assert filed_as.status_code == 201, filed_as.text
    entry = {"request": {"method": "GET", "url": url}}
    batch = await client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    ways: list[dict[str, Any]] = [
        (await client.get("Binary", params={"_id": id})).json()["entry"][0]["resource"],
        (await client.get(f"{url}/_history")).json()["entry"][0]["resource"],
        (await client.get("Binary/_history")).json()["entry"][0]["resource"],
        batch.json()["entry"][0]["resource"],
        (await client.get(url, params={"_elements": "data"}, headers=JSON)).json(),
        (await client.get(url, headers=JSON)).json(),
    ]
    assert [one["data"] for one in ways] == [said] * len(ways)
    # Filing has made a second version of it, by which it is judged, and has not read what it holds.
    assert ways[-1]["meta"]["versionId"] == "2"
    assert ways[-1]["securityContext"] == {"reference": f"DocumentReference/{filed_as.json()['id']}"}


async def test_filing_and_a_patch_copy_nothing(client: httpx.AsyncClient, house: House) -> None:
    url = await filed(client, PDF)
    attachment = {"contentType": "application/pdf", "url": url}
    document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}
    assert (await client.post("DocumentReference", json=document)).status_code == 201
    [blob] = blobs_of(house)
    patch = [{"op": "add", "path": "/language", "value": "fr"}]
    patched = await client.patch(url, json=patch, headers={"content-type": "application/json-patch+json"})
    assert (patched.status_code, patched.json()["language"]) == (200, "fr")
    assert b64decode(patched.json()["data"]) == PDF
    assert blob in blobs_of(house)
    assert (await client.get(url)).content == PDF


@BOTH
@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=3-7", 3, 8),
        ("bytes=5-", 5, None),
        ("bytes=-4", -4, None),
        ("bytes=0-99999999", 0, None),
        ("bytes=-99999999", 0, None),
        ("Bytes = 2 - 4", 2, 5),
    ],
)
async def test_a_range_is_answered_with_that_part(
    client: httpx.AsyncClient, content: bytes, asked: str, first: int, end: int | None
) -> None:
    answer = await client.get(await filed(client, content), headers={"range": asked})
    expected = content[first:end]
    start = first if first >= 0 else len(content) + first
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(content)}"
    assert answer.headers["content-length"] == str(len(expected))


async def test_a_range_across_chunks_is_those_bytes(client: httpx.AsyncClient) -> None:
    url = await filed(client, PDF)
    answer = await client.get(url, headers={"range": f"bytes={CHUNK - 5}-{2 * CHUNK + 4}"})
    assert answer.content == PDF[CHUNK - 5 : 2 * CHUNK + 5]


@BOTH
@pytest.mark.parametrize(
    "asked", ["bytes=0-1,3-4", "lines=1-2", "bytes=7-3", "bytes=-", "bytes", "bytes=a-b", "bytes=--4"]
)
async def test_what_is_no_single_range_of_bytes_is_passed_over(
    client: httpx.AsyncClient, content: bytes, asked: str
) -> None:
    answer = await client.get(await filed(client, content), headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, content)


@BOTH
@pytest.mark.parametrize("beyond", ["bytes={}-", "bytes={}-99999999", "bytes=-0"])
async def test_a_range_behind_the_end_is_416_with_the_length(
    client: httpx.AsyncClient, content: bytes, beyond: str
) -> None:
    answer = await client.get(await filed(client, content), headers={"range": beyond.format(len(content))})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(content)}")
    assert answer.json()["resourceType"] == "OperationOutcome"


@BOTH
async def test_tags_are_strong_for_the_content_and_weak_for_the_resource(
    client: httpx.AsyncClient, content: bytes
) -> None:
    url = await filed(client, content)
    raw, resource = await client.get(url), await client.get(url, headers=JSON)
    assert (raw.headers["etag"], resource.headers["etag"]) == ('"1"', 'W/"1"')
    assert raw.headers["accept-ranges"] == "bytes"
    for tag in ('"1"', 'W/"1"'):
        known = await client.get(url, headers={"if-none-match": tag})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", '"1"')
    # RFC 9110 §13.1.5: only the strong tag of what is there now goes on with it.
    for condition, status in (('"1"', 206), ('"2"', 200), ('W/"1"', 200), (raw.headers["last-modified"], 206)):
        answer = await client.get(url, headers={"range": "bytes=1-2", "if-range": condition})
        assert answer.status_code == status, condition
    # And names what a write follows.
    again = await client.put(url, content=content[::-1], headers={**RAW, "if-match": '"1"'})
    assert again.status_code == 200
    assert (await client.put(url, content=content, headers={**RAW, "if-match": '"1"'})).status_code == 412


@BOTH
async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, content: bytes) -> None:
    url = await filed(client, content)
    for headers in ({}, JSON, XML):
        get, head = await client.get(url, headers=headers), await client.head(url, headers=headers)
        ours = ("content-length", "content-type", "etag", "last-modified", "content-disposition")
        assert {name: get.headers.get(name) for name in ours} == {name: head.headers.get(name) for name in ours}
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("media_type", "said"),
    [
        ("application/pdf", 'inline; filename="document.pdf"'),
        ("image/tiff", 'inline; filename="document.tif"'),
        ("text/plain; charset=utf-8", 'inline; filename="document.txt"'),
        ("text/html", 'attachment; filename="document.bin"'),
        ("image/svg+xml", 'attachment; filename="document.bin"'),
        ("application/rtf", 'attachment; filename="document.rtf"'),
        ('x/y; name="a.exe"', 'attachment; filename="document.bin"'),
    ],
)
@BOTH
async def test_what_a_browser_might_run_is_saved_and_nothing_runs(
    client: httpx.AsyncClient, content: bytes, media_type: str, said: str
) -> None:
    answer = await client.get(await filed(client, content, media_type), headers={"accept": "*/*"})
    assert answer.headers["content-disposition"] == said
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"


async def test_text_is_packed_for_who_takes_it_with_a_tag_of_its_own(client: httpx.AsyncClient) -> None:
    text = b"Compte rendu de consultation. " * 2_000
    url = await filed(client, text, "text/plain")
    packed = await client.get(url, headers={"accept": "text/plain", "accept-encoding": "gzip"})
    assert (packed.content, packed.headers["content-encoding"], packed.headers["etag"]) == (text, "gzip", 'W/"1"')
    plain = await client.get(url, headers={"accept": "text/plain", "accept-encoding": "identity"})
    assert (plain.content, plain.headers.get("content-encoding"), plain.headers["etag"]) == (text, None, '"1"')
    part = await client.get(url, headers={"accept": "text/plain", "accept-encoding": "gzip", "range": "bytes=0-9999"})
    assert (part.status_code, part.content, part.headers.get("content-encoding")) == (206, text[:10_000], None)
    pdf = await client.get(await filed(client, PDF), headers={"accept-encoding": "gzip"})
    assert (pdf.content, pdf.headers.get("content-encoding")) == (PDF, None)


#: Documents of national guides: an XML that is content, and one that is a resource.
CDA = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3">' + b"<a/>" * 30_000 + b"</ClinicalDocument>"


@pytest.mark.parametrize("media_type", ["text/xml", "application/xml"])
async def test_xml_is_content_unless_it_is_a_binary(client: httpx.AsyncClient, media_type: str) -> None:
    url = await filed(client, CDA, media_type)
    for accept in ("*/*", media_type):
        assert (await client.get(url, headers={"accept": accept})).content == CDA
    xml = (await client.get(url, headers=XML)).content
    assert len(xml) > 100_000
    again = await client.post("Binary", content=pieces(xml), headers={"content-type": media_type, **JSON})
    assert (again.status_code, b64decode(again.json()["data"])) == (201, CDA)
    broken = await client.post(
        "Binary", content=pieces(b"<Binary" + xml), headers={"content-type": "application/fhir+xml"}
    )
    assert broken.status_code == 400


@pytest.mark.parametrize(
    ("size", "declared", "status"),
    [(2_000_000, True, 201), (2_000_000, False, 201), (2_000_001, True, 413), (2_000_001, False, 413)],
)
async def test_content_has_a_limit_of_its_own(
    client: httpx.AsyncClient, house: House, size: int, declared: bool, status: int
) -> None:
    data = b"%PDF" + bytes(size - 4)
    answer = await client.post("Binary", content=data if declared else pieces(data), headers=RAW)
    assert answer.status_code == status
    assert len(blobs_of(house)) == (status == 201)


async def test_what_is_refused_after_it_came_is_nowhere_named(client: httpx.AsyncClient) -> None:
    headers = {**RAW, "x-security-context": "no reference"}
    refused = await client.post("Binary", content=pieces(PDF), headers=headers)
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, ["http.X-Security-Context"])
    assert (await client.get("Binary", params={"_summary": "count"})).json()["total"] == 0


class _Gone(Exception):
    """The client goes away."""


async def test_a_client_that_goes_away_leaves_nothing(client: httpx.AsyncClient, house: House) -> None:
    sent = iter([{"type": "http.request", "body": PDF[:400_000], "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(sent)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    headers = [(b"content-type", b"application/pdf"), (b"host", b"fhir.test")]
    scope = {"type": "http", "method": "POST", "path": "/fhir/Binary", "query_string": b"", "headers": headers}
    await house.asgi(scope, receive, send)
    assert blobs_of(house) == []


@pytest.mark.parametrize("headers", [{}, JSON, XML, {"range": "bytes=3-9"}], ids=["raw", "json", "xml", "range"])
@pytest.mark.parametrize("harm", ["flipped", "lost"])
async def test_damaged_content_is_an_error_without_a_byte_of_it_and_traced(
    client: httpx.AsyncClient, house: House, headers: dict[str, str], harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = await filed(client, PDF)
    [blob] = blobs_of(house)
    if harm == "lost":
        blob.unlink()
    else:
        with blob.open("rb+") as file:
            file.seek(5)
            file.write(bytes([PDF[5] ^ 1]))
    answer = await client.get(url, headers=headers)
    assert answer.status_code == 500
    assert "OperationOutcome" in answer.text
    assert b64encode(PDF[300:330]).decode() not in answer.text
    assert not answer.headers.get("content-type", "").startswith("application/pdf")
    assert "damaged or lost" in caplog.text
    traces = await client.get("AuditEvent", params={"outcome": "8", "subtype": "read"})
    assert traces.json()["total"] == 1
    # What is about its row only goes on.
    assert (await client.get("Binary", params={"_summary": "count"})).json()["total"] == 1
    assert (await client.delete(url)).status_code in (200, 204)
