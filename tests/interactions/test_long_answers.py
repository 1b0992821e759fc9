"""No answer is without bounds: a page ends before it, a batch refuses what is left, and nothing is left out in silence.

https://hl7.org/fhir/R4/http.html#paging, https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.whole import whole

MOST = 20_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server that answers about 20,000 bytes, with ten patients of 3,000 of one organization."""
    async with whole(tmp_path, max_answer_bytes=MOST) as client:
        await client.put("Organization/o", json={"resourceType": "Organization", "id": "o", "name": "o"})
        for n in range(10):
            patient = {
                "resourceType": "Patient",
                "id": f"p{n}",
                "managingOrganization": {"reference": "Organization/o"},
                "name": [{"text": "a" * 3_000}],
            }
            assert (await client.put(f"Patient/p{n}", json=patient)).status_code == 201
        yield client


async def pages(client: httpx.AsyncClient, url: str) -> list[dict[str, Any]]:
    """The Bundles from `url` on."""
    found = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200
        assert len(answer.content) < MOST + 5_000
        found.append(answer.json())
        url = next((link["url"] for link in found[-1]["link"] if link["relation"] == "next"), "")
    return found


@pytest.mark.parametrize("url", ["Patient?_count=100", "Patient?_count=100&_sort=_id", "Patient/_history?_count=100"])
async def test_a_page_ends_before_it_is_too_long_and_the_next_goes_on(server: httpx.AsyncClient, url: str) -> None:
    found = await pages(server, url)
    ids = [entry["resource"]["id"] for bundle in found for entry in bundle["entry"]]
    assert len(found) > 1
    assert sorted(ids) == [f"p{n}" for n in range(10)]


async def test_one_resource_is_a_page_however_long(tmp_path: Path) -> None:
    async with whole(tmp_path, max_answer_bytes=2_000) as client:
        for n in range(2):
            await client.put(
                f"Patient/p{n}", json={"resourceType": "Patient", "id": f"p{n}", "name": [{"text": "a" * 3_000}]}
            )
        found = [await client.get("Patient?_sort=_id")]
        url = next(link["url"] for link in found[0].json()["link"] if link["relation"] == "next")
        found.append(await client.get(url))
        assert [answer.json()["entry"][0]["resource"]["id"] for answer in found] == ["p0", "p1"]


async def test_what_is_no_longer_included_is_said(server: httpx.AsyncClient) -> None:
    bundle = (await server.get("Organization?_revinclude=Patient:organization")).json()
    modes = [entry["search"]["mode"] for entry in bundle["entry"]]
    assert 1 < modes.count("include") < 10
    assert bundle["entry"][-1]["resource"]["issue"][0]["code"] == "too-costly"


async def test_a_batch_says_of_each_entry_that_it_has_no_more_room(server: httpx.AsyncClient) -> None:
    rows = [{"request": {"method": "GET", "url": f"Patient/p{n % 10}"}} for n in range(60)]
    answer = await server.post("", json={"resourceType": "Bundle", "type": "batch", "entry": rows})
    entries = answer.json()["entry"]
    assert answer.status_code == 200
    assert len(entries) == 60
    assert len(answer.content) < MOST + 5_000 + 60 * 400
    done = [entry["response"]["status"][:3] for entry in entries]
    assert done == sorted(done)
    refused = [entry["response"]["outcome"]["issue"][0]["code"] for entry in entries if "outcome" in entry["response"]]
    assert refused
    assert set(refused) == {"too-costly"}


async def test_what_a_batch_refuses_it_does_not_do(server: httpx.AsyncClient) -> None:
    long = {"resourceType": "Basic", "code": {"text": "a" * 3_000}}
    rows = [{"resource": long, "request": {"method": "POST", "url": "Basic"}} for _ in range(30)]
    answer = await server.post(
        "", json={"resourceType": "Bundle", "type": "batch", "entry": rows}, headers={"Prefer": "return=representation"}
    )
    done = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert 0 < done.count("201") < 30
    assert (await server.get("Basic?_summary=count")).json()["total"] == done.count("201")
