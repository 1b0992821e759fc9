"""A store whose disk is full: what can still be answered is, and the probes say so.

RFC 9110 §15.6.4, RFC 4918 §11.5; CSP R1111-43: no access without its trace.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.engines import require_files

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Durand"}]}


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A server with one patient, whose file may not grow any more."""
    require_files()
    async with opened(Settings(data=tmp_path, open=True, audit=request.param)) as house:
        async with asking(house) as client:
            assert (await client.put("Patient/p", json=PATIENT)).status_code == 201
        connection: Any = house.engine._connection  # type: ignore[attr-defined]
        connection.execute(f"PRAGMA max_page_count={connection.pragma('page_count')}")
        async with asking(house) as client:
            for size in (9_000, 100):
                # Large resources first, then small ones where those did not fit any more.
                for _ in range(60):
                    answer = await client.post("Basic", json={"resourceType": "Basic", "code": {"text": "a" * size}})
                assert answer.status_code == 507
        yield house


def asking(house: House) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(house.asgi, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost/fhir/")


READS = ["Patient/p", "Patient/p/_history/1", "Patient?family=Durand", "Patient/p/_history", "Patient/p/$everything"]


@pytest.mark.parametrize("house", ["off"], indirect=True)
async def test_what_leaves_no_trace_is_read(house: House) -> None:
    async with asking(house) as client:
        answers = [(await client.get(path)).status_code for path in (*READS, "metadata")]
        posted = await client.post("Patient/_search", data={"family": "Durand"})
    assert answers == [200] * len(answers)
    assert posted.status_code == 200


@pytest.mark.parametrize("house", ["on"], indirect=True)
async def test_what_must_be_traced_is_not_shown(house: House) -> None:
    async with asking(house) as client:
        answers = [await client.get(path) for path in READS]
        answers.append(await client.post("Patient/_search", data={"family": "Durand"}))
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "traced" in answer.json()["issue"][0]["diagnostics"]
        assert "Durand" not in answer.text


@pytest.mark.parametrize("house", ["off"], indirect=True)
async def test_probes_tell_that_nothing_can_be_written_until_there_is_room(house: House) -> None:
    async with asking(house) as client:
        full = await client.get("http://localhost/health/ready")
        assert (await client.get("http://localhost/health/live")).status_code == 200
        house.engine._connection.execute("PRAGMA max_page_count=1000000")  # type: ignore[attr-defined]
        again = await client.get("http://localhost/health/ready")
    assert (full.status_code, full.json()["status"]) == (503, "failing")
    assert "full" in full.json()["detail"]
    assert "/" not in full.json()["detail"]
    assert again.status_code == 200


@pytest.mark.parametrize("house", ["off"], indirect=True)
async def test_a_disk_that_is_nearly_full_is_told_before_anything_fails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.engine._connection.execute("PRAGMA max_page_count=1000000")  # type: ignore[attr-defined]
    monkeypatch.setattr("fhir_server.store.embedded.engine._LEAST_FREE", 2**62)
    async with asking(house) as client:
        assert (await client.get("http://localhost/health/ready")).status_code == 503
