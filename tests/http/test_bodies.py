"""What is sent and answered as a body: how much a worker holds, how it is packed. RFC 9110 §8.4, §15.5.14."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest

from fhir_server.interactions.exchange import Request, Response
from tests.server.stub import Stub

JSON = {"Content-Type": "application/fhir+json"}


async def test_bodies_of_a_worker_are_no_more_than_it_can_hold() -> None:
    stub = Stub(max_body_bytes=2_000, max_held_bytes=4_000)
    waiting = asyncio.Event()

    async def held(request: Request) -> Response:
        await waiting.wait()
        return Response(201, request.body)

    stub.answer = held
    async with stub.client(**JSON) as client:
        first = [asyncio.create_task(client.post("/fhir/Patient", content=b"a" * 1_900)) for _ in range(2)]
        while len(stub.requests) < 2:  # noqa: ASYNC110 - the stub has no event for it
            await asyncio.sleep(0)
        assert (await client.post("/fhir/Patient", content=b"a" * 1_900)).status_code == 503
        waiting.set()
        assert [(await one).status_code for one in first] == [201, 201]
        assert (await client.post("/fhir/Patient", content=b"a" * 1_900)).status_code == 201


async def test_a_posted_search_is_no_longer_than_it_can_be() -> None:
    response = await Stub().ask(
        "POST",
        "/fhir/Patient/_search",
        content=b"name=" + b"a" * 1_000_000,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.status_code == 413


async def test_what_is_too_long_for_a_page_is_given_as_it_is() -> None:
    async def long(_: Request) -> Response:
        return Response(200, b'{"resourceType":"Bundle","x":"%s"}' % (b"a" * 2_000_001))

    response = await Stub(long).ask("GET", "/fhir/Patient", headers={"Accept": "text/html"})
    assert response.headers["content-type"].startswith("application/fhir+json")


async def test_a_body_over_the_limit_is_not_read_to_its_end() -> None:
    stub = Stub(max_body_bytes=2000)
    status, headers, _ = await stub.raw(b"/fhir/Patient", "POST", chunks=(b"a" * 1500,) * 100)
    assert (status, headers[b"connection"]) == (413, b"close")
    status, _, _ = await stub.raw(b"/fhir/Patient", "POST", [(b"host", b"a"), (b"content-length", b"2001")])
    assert status == 413


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0), 201),
        ("GZIP", gzip.compress(b"{}", mtime=0), 201),
        ("identity", b"{}", 201),
        ("gzip", gzip.compress(b"{", mtime=0) + gzip.compress(b"}", mtime=0), 201),
        ("gzip", gzip.compress(b"0" * 10_000_000, mtime=0), 413),
        ("gzip", b"{}", 400),
        ("gzip", gzip.compress(b'{"a":"bcdefgh"}', mtime=0)[:-9], 400),
        ("deflate", zlib.compress(b"{}"), 415),
        ("br", b"{}", 415),
    ],
)
async def test_a_packed_body_is_unpacked_up_to_the_limit(coding: str, body: bytes, status: int) -> None:
    stub = Stub(max_body_bytes=100_000)
    response = await stub.ask("POST", "/fhir/Patient", content=body, headers={**JSON, "Content-Encoding": coding})
    assert response.status_code == status
    assert [request.body for request in stub.requests] == [b"{}"] * (status == 201)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("identity", None), (None, None), ("gzip;q=0", None)],
)
async def test_a_large_answer_is_packed_for_who_takes_it(accept: str | None, coding: str | None) -> None:
    async def large(_: Request) -> Response:
        return Response(200, b'{"resourceType":"Basic","language":"%s"}' % (b"a" * 5000))

    response = await Stub(large).ask("GET", "/fhir/Basic/1", headers={"Accept-Encoding": accept} if accept else {})
    assert response.headers.get("content-encoding") == coding
    assert len(response.json()["language"]) == 5000
    assert (int(response.headers["content-length"]) < 1000) == (coding == "gzip")


async def test_a_small_answer_or_a_picture_is_not_packed() -> None:
    async def picture(_: Request) -> Response:
        return Response(200, b"a" * 5000, "image/png")

    headers = {"Accept-Encoding": "gzip"}
    assert "content-encoding" not in (await Stub().ask("GET", "/fhir/Patient/1", headers=headers)).headers
    assert "content-encoding" not in (await Stub(picture).ask("GET", "/fhir/Binary/1", headers=headers)).headers


async def test_a_search_may_be_posted_as_a_form() -> None:
    stub = Stub()
    form = "name=%C3%A9+a&_format=xml&birthdate=ge2000"
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    response = await stub.ask("POST", "/fhir/Patient/_search?active=true", content=form, headers=headers)
    assert stub.requests[0].query == (("active", "true"), ("name", "é a"), ("birthdate", "ge2000"))
    assert stub.requests[0].body == b""
    assert response.headers["content-type"].startswith("application/fhir+xml")


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"{}", 415)])
async def test_a_posted_search_is_a_form_or_empty(body: bytes, status: int) -> None:
    response = await Stub().ask("POST", "/fhir/Patient/_search", content=body, headers=JSON)
    assert response.status_code == status


async def test_a_form_that_cannot_be_decoded_is_refused() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await Stub().ask("POST", "/fhir/Patient/_search", content=b"a=%zz", headers=headers)).status_code == 400
