"""The same over HTTP, of an open server: https://hl7.org/fhir/R4/async.html, RFC 9110 §14.3, §15.3.7."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import httpx

from fhir_server.app import House
from tests.server.people import kept


async def test_software_asks_waits_and_downloads(house: House, client: httpx.AsyncClient) -> None:
    await kept(house, {"resourceType": "Patient", "id": "a", "name": [{"family": "ALPHA"}]})
    asked = await client.post("/Patient/a/$export-record", headers={"Prefer": "respond-async"})
    assert (asked.status_code, asked.content) == (202, b"")
    where = asked.headers["content-location"]
    assert (await client.get(where)).status_code == 202
    (job,) = [job for job in house.jobs() if job.name == "record-exports"]
    assert await job.run(datetime.now(UTC)) == 1
    ready = await client.get(where)
    assert (ready.status_code, ready.headers["content-type"].partition(";")[0]) == (200, "application/json")
    address = ready.json()["output"][0]["url"]
    whole = await client.get(address)
    assert whole.headers["content-type"] == "application/zip" and whole.headers["accept-ranges"] == "bytes"
    assert int(whole.headers["content-length"]) == len(whole.content) == ready.json()["output"][0]["size"]
    assert b"ALPHA" in zipfile.ZipFile(io.BytesIO(whole.content)).read("FHIR/Patient.ndjson")
    part = await client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])


async def test_asking_changes_what_is_kept_and_is_posted(client: httpx.AsyncClient) -> None:
    assert (await client.get("/Patient/a/$export-record")).status_code == 405
    assert (await client.post("/Patient/absent/$export-record")).status_code == 404
