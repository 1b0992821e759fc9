"""A search that is posted to its type without `_search`, and what such a POST must not be taken for.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#ccreate;
https://interop.esante.gouv.fr/ig/fhir/pdsm (flow 5b: the example posts `List?patient=…` and no body)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.server.people import kept
from tests.server.whole import asking

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/fhir+json"}
XML = {"content-type": "application/fhir+xml"}
ONE = {"resourceType": "List", "id": "one", "status": "current", "mode": "working", "title": "Un"}
TWO = {"resourceType": "List", "id": "two", "status": "retired", "mode": "working", "title": "Deux"}


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(Settings(data=tmp_path, open=True)) as house, asking(house) as found:
        await kept(house, ONE, TWO)
        yield found


#: Address, headers and body of a POST, and the ids it finds.
SEARCHES: list[tuple[str, dict[str, str], bytes, set[str]]] = [
    ("List?status=current", {}, b"", {"one"}),
    # A client that says what its body would be, and has none.
    ("List?status=current", JSON, b"", {"one"}),
    ("List?status=current", XML, b"", {"one"}),
    ("List?status=current", FORM, b"", {"one"}),
    ("List?_id=two&_format=json", {}, b"", {"two"}),
]


@pytest.mark.parametrize(("address", "headers", "body", "ids"), SEARCHES)
async def test_it_is_a_search(
    client: httpx.AsyncClient, address: str, headers: dict[str, str], body: bytes, ids: set[str]
) -> None:
    answer = await client.post(address, headers=headers, content=body)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert bundle["type"] == "searchset"
    assert {entry["resource"]["id"] for entry in bundle.get("entry", ())} == ids


#: Address, headers and body of a POST that is no search, and its status.
OTHERS: list[tuple[str, dict[str, str], bytes, int]] = [
    ("List", JSON, b'{"resourceType": "List", "status": "current", "mode": "working"}', 201),
    # Who sends a resource and criteria means a conditional create, which is asked otherwise.
    ("List?status=current", JSON, b'{"resourceType": "List", "status": "current", "mode": "working"}', 400),
    ("List", JSON, b"", 400),
    ("List", {}, b"", 400),
    ("List?status=current", {**JSON, "if-none-exist": "status=current"}, b"", 400),
    ("List?status=current", {"content-type": "text/plain"}, b"x", 415),
    # A form is sent by any page without asking: it is read at `_search` alone.
    ("List", FORM, b"status=retired", 415),
    ("List?status=current", FORM, b"title=un", 415),
    ("Nothing?status=current", {}, b"", 404),
    ("List/one?status=current", {}, b"", 405),
]


@pytest.mark.parametrize(("address", "headers", "body", "status"), OTHERS)
async def test_it_is_none(
    client: httpx.AsyncClient, address: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = await client.post(address, headers=headers, content=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = (await client.get("List")).json()
    assert found["total"] == (3 if status == 201 else 2)


async def test_a_form_that_is_posted_to_binary_is_content(client: httpx.AsyncClient) -> None:
    answer = await client.post("Binary", headers=FORM, content=b"status=current")
    assert answer.status_code == 201
    raw = await client.get(answer.headers["location"].partition("/_history")[0], headers={"accept": "*/*"})
    assert (raw.content, raw.headers["content-type"]) == (b"status=current", FORM["content-type"])
