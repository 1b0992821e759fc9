"""A server killed while documents arrive: content and the resource that names it are both there afterwards, or neither.

https://hl7.org/fhir/R4/binary.html; `fhir_server/store/blobs/`. Bytes come first and the commit after them: what a process
leaves between the two is named by nothing, and is collected.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx

from tests.server.command import run
from tests.server.process import open_serving

CLIENTS = 8
#: Answers to wait for before the process is killed.
ACKNOWLEDGED = 60
RAW = {"content-type": "application/pdf", "prefer": "return=minimal"}
MINIMAL = {"prefer": "return=minimal"}


def content(name: str) -> bytes:
    """Content that its name says, of several chunks, one or less."""
    size = (700_000, 200_000, 20_000, 900)[hash_of(name) % 4]
    return (b"%PDF " + name.encode() + b" ") * (size // (len(name) + 6))


def hash_of(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0]


def lot(name: str) -> dict[str, Any]:
    """A document and its content, in one transaction."""
    binary = {"resourceType": "Binary", "id": f"b-{name}", "contentType": "application/pdf"}
    attachment = {"contentType": "application/pdf", "url": f"Binary/b-{name}"}
    document = {"resourceType": "DocumentReference", "id": f"d-{name}", "status": "current"}
    resources = [
        {**binary, "data": b64encode(content(f"b-{name}")).decode()},
        {**document, "content": [{"attachment": attachment}]},
    ]
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


async def load(process: subprocess.Popen[bytes], base: str, round: int) -> list[str]:
    """Send content until the server is gone; ids of the Binaries that it acknowledged."""
    done: list[str] = []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        n = 0
        while True:
            n, own = n + 1, f"{round}-{number}-{n}"
            made = await client.put(f"{base}/Binary/a-{own}", content=content(f"a-{own}"), headers=RAW)
            assert made.status_code == 201, made.text
            done.append(f"a-{own}")
            both = await client.post(base, json=lot(own), headers=MINIMAL)
            assert both.status_code == 200, both.text
            done.append(f"b-{own}")
            if len(done) >= ACKNOWLEDGED and process.poll() is None:
                process.send_signal(signal.SIGKILL)

    async with httpx.AsyncClient(timeout=240) as client:
        ended = await asyncio.gather(*(one(client, n) for n in range(CLIENTS)), return_exceptions=True)
    assert all(isinstance(error, httpx.TransportError) for error in ended), ended
    return done


def test_what_a_killed_server_acknowledged_comes_back_byte_for_byte_and_nothing_is_half_there(tmp_path: Path) -> None:
    data, acknowledged = tmp_path / "data", list[str]()
    for round in range(2):
        with open_serving(data) as served:
            acknowledged += asyncio.run(load(served.process, served.base, round))
            assert served.process.wait(30) == -signal.SIGKILL
    blobs = data / "fhir.sqlite.blobs"
    # What was on its way, and what no commit came to name: as old as the collector lets it become.
    long_ago = time.time() - 9 * 3_600
    for path in [*(blobs / "part").iterdir(), *(blobs / "new").iterdir()]:
        os.utime(path, (long_ago, long_ago))
    ran = run("jobs", "run", "--data", data)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [*(blobs / "part").iterdir(), *(blobs / "new").iterdir()] == []
    checked = run("check", "--data", data)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with open_serving(data) as served, httpx.Client(base_url=f"{served.base}/", timeout=240) as client:
        assert len(acknowledged) >= 2 * ACKNOWLEDGED
        for id in acknowledged:
            assert client.get(f"Binary/{id}").content == content(id), id
        documents = client.get("DocumentReference", params={"_count": 1000, "_elements": "id"}).json()["entry"]
        for entry in documents:
            id = entry["resource"]["id"].replace("d-", "b-", 1)
            assert client.get(f"Binary/{id}").content == content(id), id


def test_a_backup_has_the_content_and_a_restored_store_gives_it_back(tmp_path: Path) -> None:
    data, copy, other = tmp_path / "data", tmp_path / "copy.sqlite", tmp_path / "other"
    with open_serving(data) as served, httpx.Client(base_url=f"{served.base}/", timeout=240) as client:
        for name in ("one", "two"):
            assert client.put(f"Binary/{name}", content=long(name), headers=RAW).status_code == 201
        assert run("backup", copy, "--data", data).returncode == 0
        assert client.put("Binary/three", content=long("three"), headers=RAW).status_code == 201
        first = sizes(copy)
        assert run("backup", copy, "--data", data, "--force").returncode == 0
    # A later copy takes what is new, and leaves what was there.
    assert len(first) == 2
    assert first.items() <= sizes(copy).items()
    restored = run("restore", copy, "--data", other)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert run("check", "--data", other).returncode == 0
    with open_serving(other) as served, httpx.Client(base_url=f"{served.base}/", timeout=240) as client:
        for name in ("one", "two", "three"):
            assert client.get(f"Binary/{name}").content == long(name)
        assert client.put("Binary/four", content=long("four"), headers=RAW).status_code == 201
    # In the place of a store that has more, and nothing of that is left.
    again = run("restore", copy, "--data", other, "--force")
    assert again.returncode == 0, again.stdout + again.stderr
    checked = run("check", "--data", other)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert sizes(other / "fhir.sqlite").keys() == sizes(copy).keys()


def test_a_backup_without_some_of_its_content_is_not_restored(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy.sqlite"
    with open_serving(data) as served, httpx.Client(base_url=f"{served.base}/", timeout=240) as client:
        assert client.put("Binary/one", content=long("one"), headers=RAW).status_code == 201
        assert run("backup", copy, "--data", data).returncode == 0
    [blob] = [path for path in (tmp_path / "copy.sqlite.blobs").rglob("*") if path.is_file()]
    blob.unlink()
    refused = run("restore", copy, "--data", data, "--force")
    assert refused.returncode == 1
    assert "Binary/one/_history/1: its content is lost" in refused.stderr
    assert sorted(path.name for path in data.glob("*.restoring*")) == []
    with open_serving(data) as served, httpx.Client(base_url=f"{served.base}/", timeout=240) as client:
        assert client.get("Binary/one").content == long("one")


def long(name: str) -> bytes:
    return b"%PDF " + name.encode() * 100_000


def sizes(store: Path) -> dict[str, float]:
    """Content beside a store: name → when its file was made."""
    folder = store.with_name(f"{store.name}.blobs")
    return {path.name: path.stat().st_mtime for path in folder.rglob("*") if path.is_file() and path.name != "lock"}
