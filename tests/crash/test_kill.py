"""A server killed under load: what it acknowledged is there afterwards, and no transaction is there by half.

https://hl7.org/fhir/R4/http.html#trules: a transaction succeeds or fails as one.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.command import run
from tests.server.process import open_serving

CLIENTS = 16
#: Answers to wait for before the process is killed: enough that many writes are under way together.
ACKNOWLEDGED = 150


def pair(name: str) -> dict[str, Any]:
    """A transaction of two resources, one of which refers to the other."""
    patient = {"resourceType": "Patient", "id": f"p-{name}", "active": True}
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": [{"entity": {"reference": "urn:p"}}]}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:p", "resource": patient, "request": {"method": "PUT", "url": f"Patient/p-{name}"}},
            {"resource": {**group, "id": f"g-{name}"}, "request": {"method": "PUT", "url": f"Group/g-{name}"}},
        ],
    }


async def load(process: subprocess.Popen[bytes], base: str, name: str) -> list[str]:
    """Write until the server is gone; the names of what it acknowledged: `c…` creates, `t…` transactions."""
    done: list[str] = []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        n = 0
        while True:
            n, own = n + 1, f"{name}-{number}-{n}"
            made = await client.put(f"{base}/Basic/c-{own}", json=basic(own))
            assert made.status_code == 201, made.text
            done.append(f"c-{own}")
            both = await client.post(base, json=pair(own))
            assert both.status_code == 200, both.text
            done.append(f"t-{own}")
            if len(done) >= ACKNOWLEDGED and process.poll() is None:
                process.send_signal(signal.SIGKILL)

    async with httpx.AsyncClient(timeout=240) as client:
        ended = await asyncio.gather(*(one(client, n) for n in range(CLIENTS)), return_exceptions=True)
    assert all(isinstance(error, httpx.TransportError) for error in ended), ended
    return done


def basic(own: str) -> dict[str, Any]:
    return {"resourceType": "Basic", "id": f"c-{own}", "code": {"text": own}}


@pytest.mark.parametrize("rounds", [2])
def test_a_killed_server_has_all_it_acknowledged_and_nothing_by_half(tmp_path: Path, rounds: int) -> None:
    data = tmp_path / "data"
    acknowledged: list[str] = []
    for n in range(rounds):
        with open_serving(data) as served:
            acknowledged += asyncio.run(load(served.process, served.base, f"r{n}"))
            assert served.process.wait(30) == -signal.SIGKILL
    assert len(acknowledged) >= rounds * ACKNOWLEDGED
    with open_serving(data) as served:
        basics, patients, groups = (ids(served.base, type) for type in ("Basic", "Patient", "Group"))
    assert {name for name in acknowledged if name[0] == "c"} <= basics
    assert {f"p-{name[2:]}" for name in acknowledged if name[0] == "t"} <= patients
    assert {name[2:] for name in patients} == {name[2:] for name in groups}
    checked = run("check", "--data", data)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def ids(base: str, type: str) -> set[str]:
    """The id of each resource of a type, page after page."""
    found: set[str] = set()
    url: str | None = f"{base}/{type}?_count=500"
    while url:
        page = httpx.get(url, timeout=240).json()
        found |= {entry["resource"]["id"] for entry in page.get("entry", ())}
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    return found
