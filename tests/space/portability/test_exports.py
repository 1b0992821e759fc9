"""One's data as one file: GDPR art. 15 and 20; https://hl7.org/fhir/R4/async.html; RFC 9110 §14; APPNOTE.TXT 6.3.10."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as XML

import pytest

from fhir_server.space.portability import keeping, preparing
from fhir_server.store.filters import EVERYTHING
from tests.server.closed import BASE, Space
from tests.site.records import PDF, a_document
from tests.space.notices.space import related
from tests.space.portability.exporting import (
    GRANTS,
    NOW,
    a_text,
    all_of,
    ask,
    bytes_of,
    listed,
    look,
    people,
    resources,
    taken,
)
from tests.space.record.callers import Caller, document
from tests.space.record.cda_documents import cda


async def test_what_is_asked_for_is_prepared_and_given_once_it_is_ready(space: Space) -> None:
    """R4 async.html: 202 and Content-Location; 202 with X-Progress; 200 with output."""
    await people(space)
    await a_text(space, "d1")
    assert (await ask(space, "a", "a", "status")).status == 404
    begun = await ask(space, "a", "a")
    assert begun.status == 202
    assert begun.response.headers["Content-Location"].endswith("/Patient/a/$export-status")
    going = await ask(space, "a", "a", "status")
    assert (going.status, going.response.headers["X-Progress"]) == (202, "waiting")
    assert (await ask(space, "a", "a", "archive")).status == 404
    assert await look(space) == 1
    ready = json.loads((await ask(space, "a", "a", "status")).response.body)
    (file,) = ready["output"]
    body = await bytes_of(await ask(space, "a", "a", "archive"))
    assert (file["size"], file["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert ready["requiresAccessToken"] is True and file["url"].endswith("/Patient/a/$export-archive")


async def test_one_export_is_under_way_at_a_time_and_a_new_one_takes_the_place_of_the_last(space: Space) -> None:
    await people(space)
    for _ in range(2):
        assert (await ask(space, "a", "a")).status == 202
    assert await look(space) == 1
    assert await look(space) == 0
    first = await keeping.of(space.house.services.records, "Patient/a", "a")
    assert (await ask(space, "a", "a")).status == 202
    assert await look(space) == 1
    second = await keeping.of(space.house.services.records, "Patient/a", "a")
    assert first is not None and second is not None and first.id != second.id
    folder = space.house.settings.data / "exports"
    assert [one.name for one in folder.iterdir()] == [f"{second.id}.zip"]
    assert (folder / f"{second.id}.zip").stat().st_mode & 0o077 == 0


async def test_all_of_it_is_in_the_archive_and_the_manifest_says_so(space: Space) -> None:
    await people(space)
    cda_document = cda()
    await a_document(space, "pdf", "Bilan", patient="a", body=PDF)
    await a_document(space, "cda", "Compte rendu", patient="a", media_type="text/xml", body=cda_document)
    long = bytes(range(256)) * 400
    await a_document(space, "long", "Radio", patient="a", media_type="image/png", body=long)
    start = (NOW + timedelta(days=3)).isoformat(timespec="seconds")
    await space.put(
        {
            "resourceType": "Appointment",
            "id": "v",
            "status": "booked",
            "start": start,
            "end": (NOW + timedelta(days=3, hours=1)).isoformat(timespec="seconds"),
            "description": "vaccination",
            "participant": [{"actor": {"reference": "Patient/a"}, "status": "accepted"}],
        }
    )
    archive = await taken(space, "a", "a")
    assert archive.testzip() is None
    names = archive.namelist()
    assert {"INDEX.HTM", "MANIFEST.XML", "AGENDA.ICS", "MESSAGES.HTM", "TRACES/TRACES.CSV", "FHIR/BUNDLE.json"} <= {
        *names
    }
    rows = listed(archive)
    assert set(rows) == set(names) - {"MANIFEST.XML"}
    for path, row in rows.items():
        body = archive.read(path)
        assert (row["size"], row["sha256"]) == (str(len(body)), hashlib.sha256(body).hexdigest()), path
    given = {row["source"]: archive.read(path) for path, row in rows.items() if "source" in row}
    assert given == {"Binary/b-pdf": PDF, "Binary/b-cda": cda_document, "Binary/b-long": long}
    (page,) = [path for path in names if path.startswith("DOCUMENTS/") and path.endswith(".HTM")]
    assert b"<main><h1>" in archive.read(page)
    assert [one["id"] for one in resources(archive, "Practitioner")] == ["d1"]
    lines = [
        line
        for one in names
        if one.endswith(".ndjson") and one.startswith("FHIR/")
        for line in archive.read(one).splitlines()
    ]
    bundle = json.loads(archive.read("FHIR/BUNDLE.json"))
    assert [json.loads(line) for line in lines] == [one["resource"] for one in bundle["entry"]]
    assert all(one["fullUrl"].startswith(f"{BASE}/") or one["fullUrl"].startswith("http") for one in bundle["entry"])
    assert b"vaccination" in archive.read("AGENDA.ICS")
    index = archive.read("INDEX.HTM").decode()
    assert "Bilan" in index and "Compte rendu" in index and "<script" not in index
    for path in rows:
        assert path.startswith(("TRACES", "DOCUMENTS")) or f'"{path}"' in index or path == "INDEX.HTM", path
    manifest = XML.fromstring(archive.read("MANIFEST.XML"))
    said = {one.tag.partition("}")[2]: one.text for one in manifest}
    assert (said["exportType"], said["exportStatus"]) == ("UNITAIRE", "COMPLETE")


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
async def test_another_program_opens_it(space: Space) -> None:
    await people(space)
    await a_text(space, "d1")
    assert await taken(space, "a", "a")
    (path,) = (space.house.settings.data / "exports").glob("*.zip")
    found = subprocess.run(["unzip", "-tq", str(path)], capture_output=True, check=False)  # noqa: ASYNC221
    assert found.returncode == 0, found.stdout


async def test_a_file_inside_a_resource_is_given_as_one(space: Space) -> None:
    await people(space)
    inside = {"contentType": "application/pdf", "data": base64.b64encode(PDF).decode(), "title": "Ordonnance"}
    await space.put(document("mine", content=[{"attachment": inside}]))
    archive = await taken(space, "a", "a")
    (path,) = [path for path, row in listed(archive).items() if row.get("source") == "DocumentReference/mine#1"]
    assert archive.read(path) == PDF and path.endswith(".pdf")
    assert f'href="{path}"' in archive.read("INDEX.HTM").decode()


async def test_an_archive_ends_after_seven_days_and_is_removed(space: Space) -> None:
    await people(space)
    await taken(space, "a", "a")
    folder = space.house.settings.data / "exports"
    export = await keeping.of(space.house.services.records, "Patient/a", "a")
    assert export is not None
    await look(space, NOW + timedelta(days=6))
    assert (await ask(space, "a", "a", "archive")).status == 200
    await look(space, NOW + timedelta(days=7, hours=1))
    assert list(folder.iterdir()) == []
    for operation in ("status", "archive"):
        assert (await ask(space, "a", "a", operation)).status == 404


async def test_who_asked_for_it_ends_it(space: Space) -> None:
    await people(space)
    await taken(space, "a", "a")
    assert (await ask(space, "a", "a", "record?action=end")).status == 202
    assert (await ask(space, "a", "a", "status")).status == 404
    assert list((space.house.settings.data / "exports").iterdir()) == []
    assert (await ask(space, "a", "a", "record?action=end")).status == 404
    assert (await ask(space, "a", "a", "record?action=other")).status == 400


@pytest.mark.parametrize("by", ["person", "clock"])
async def test_whoever_is_killed_before_the_file_is_removed_leaves_it_to_the_next(
    space: Space, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    await people(space)
    await taken(space, "a", "a")
    folder = space.house.settings.data / "exports"
    assert list(folder.iterdir())

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(preparing.Exports, "remove", killed)
        if by == "person":
            await ask(space, "a", "a", "record?action=end")
        else:
            await look(space, NOW + timedelta(days=8))
    assert (await ask(space, "a", "a", "archive")).status == 404 and list(folder.iterdir())
    await look(space)
    assert list(folder.iterdir()) == []
    assert await space.house.engine.records.list(keeping.ENDING) == []


async def test_a_preparation_that_died_is_begun_again(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process does that is killed in the middle: the file it left is no archive, and nobody is given it."""
    await people(space)
    await a_text(space, "d1")
    assert (await ask(space, "a", "a")).status == 202

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(preparing.Packing, "close", die)
        with pytest.raises(SystemExit):
            await look(space)
    assert (await ask(space, "a", "a", "status")).status == 202
    assert (await ask(space, "a", "a", "archive")).status == 404
    assert await look(space) == 1
    archive = zipfile.ZipFile(io.BytesIO(await bytes_of(await ask(space, "a", "a", "archive"))))
    assert archive.testzip() is None
    assert b"content-of-d1" in all_of(archive)


async def test_what_fails_each_time_is_given_up_and_said(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    await people(space)
    assert (await ask(space, "a", "a")).status == 202

    async def fail(*_: object, **__: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "gathered", fail)
        for _ in range(preparing.ATTEMPTS):
            assert await look(space) == 0
            assert (await ask(space, "a", "a", "status")).status == 202
        assert await look(space) == 0
    assert (await ask(space, "a", "a", "status")).status == 500
    assert (await ask(space, "a", "a")).status == 202
    assert await look(space) == 1


async def test_what_fails_keeps_no_other_waiting(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    await people(space)
    for who, patient in (("a", "a"), ("m", "m")):
        assert (await ask(space, who, patient)).status == 202
    real = preparing.gathered

    async def fail(seen: Any, patient: str, path: Any) -> Any:
        if patient == "a":
            raise OSError("no room")
        return await real(seen, patient, path)

    monkeypatch.setattr(preparing, "gathered", fail)
    assert await look(space) == 1
    assert (await ask(space, "m", "m", "archive")).status == 200


async def test_asking_and_downloading_are_told_to_the_holder_as_accesses(space: Space) -> None:
    """CSP R1111-43: the trace is of the patient whose data they are, and says who."""
    await people(space)
    caller = Caller(space.house, replace(GRANTS["r"], traced=True))
    assert (await caller("POST", "Patient/m/$export-record")).status == 202
    assert await look(space) == 1
    assert (await caller("GET", "Patient/m/$export-archive")).status == 200
    page = await space.house.repository().find({"AuditEvent": EVERYTHING})
    told = [json.loads(version.body) for version in page.versions]
    named = [one for one in told if "export-" in json.dumps(one["subtype"])]
    assert len(named) == 2
    for one in named:
        assert "Patient/m" in json.dumps(one["entity"]) and "RelatedPerson/r" in json.dumps(one["agent"])


async def test_who_acts_no_more_is_given_nothing(space: Space) -> None:
    """The representative of a minor whose delegation ended between asking and preparation."""
    await people(space)
    assert (await ask(space, "r", "m")).status == 202
    accounts = space.house.authorization.accounts
    account = await accounts.of_subject("RelatedPerson/r")
    assert account is not None
    await accounts.revise(account, replace(account, wards=()))
    assert await look(space) == 0
    assert (await ask(space, "r", "m", "archive")).status == 404


@pytest.mark.parametrize("over", [{"active": False}, {"period": {"end": "2020-01-01"}}])
async def test_an_archive_is_not_given_to_who_acts_no_more_whatever_their_account_says(space: Space, over: Any) -> None:
    await people(space)
    await taken(space, "r", "m")
    await space.put(related("r", "m", **over))
    for operation in ("status", "archive", "record"):
        assert (operation, (await ask(space, "r", "m", operation)).status) == (operation, 404)


async def test_an_archive_is_not_given_to_somebody_whose_relatedperson_was_deleted(space: Space) -> None:
    await people(space)
    await taken(space, "r", "m")
    own = space.house.repository()
    there = await own.current("RelatedPerson", "r")
    assert there is not None
    await own.transact([await own.delete(there)])
    for operation in ("status", "archive", "record"):
        assert (operation, (await ask(space, "r", "m", operation)).status) == (operation, 404)
    parent = Caller(space.house, GRANTS["r"])
    for url in ("Patient/m", "Patient/m/$summary", "Patient/m/$space"):
        assert (url, (await parent("GET", url)).status) == (url, 404)


@pytest.mark.parametrize(
    ("range", "status", "part"),
    [("bytes=0-99", 206, slice(0, 100)), ("bytes=100-", 206, slice(100, None)), ("bytes=-22", 206, slice(-22, None))],
)
async def test_it_is_downloaded_in_parts(space: Space, range: str, status: int, part: slice) -> None:
    await people(space)
    await taken(space, "a", "a")
    whole = await ask(space, "a", "a", "archive")
    body = await bytes_of(whole)
    answer = await ask(space, "a", "a", "archive", range=range, if_range=f'"{whole.response.version}"')
    assert answer.status == status
    assert await bytes_of(answer) == body[part]
    assert answer.response.headers["Content-Range"].endswith(f"/{len(body)}")
    # Of another export than the one that was begun, all of it is given.
    assert (await ask(space, "a", "a", "archive", range=range, if_range='"1"')).status == 200
    assert (await ask(space, "a", "a", "archive", range=f"bytes={len(body)}-")).status == 416


async def test_people_are_told_without_a_word_of_health(space: Space) -> None:
    await people(space)
    await a_text(space, "a-document")
    await taken(space, "a", "a")
    told = await space.house.services.records.list("notice")
    due = b"".join(value for _, value in await space.house.services.records.list("notice-due"))
    # The holder, and not who cares for them, who may not ask for it either.
    assert [key.partition("\n")[0].partition(" ")[0] for key, value in told if b"export" in value] == ["Patient/a"]
    assert b"export" in due and b"a-document" not in due


async def test_memory_does_not_grow_with_the_record(space: Space) -> None:
    """Twenty-five documents of a megabyte: what is held at once is a few of them."""
    await people(space)
    for n in range(25):
        await a_document(
            space, f"d{n}", f"D{n}", patient="a", media_type="image/png", body=n.to_bytes(2, "big") * 500_000
        )
    assert (await ask(space, "a", "a")).status == 202
    tracemalloc.start()
    try:
        assert await look(space) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (path,) = (space.house.settings.data / "exports").glob("*.zip")
    assert path.stat().st_size > 25_000_000
    assert peak < 12_000_000
