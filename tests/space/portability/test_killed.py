"""A process that is killed while it writes an archive: nobody is given what it left, and another begins it again."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests import engines
from tests.server.people import kept
from tests.server.whole import asking


def _observation(n: int) -> dict[str, object]:
    subject = {"subject": {"reference": "Patient/a"}, "code": {"text": "weight"}, "status": "final"}
    return {"resourceType": "Observation", "id": f"o{n}", **subject, "valueString": "x" * 500}


def _document(n: int) -> tuple[dict[str, object], ...]:
    reference = f"DocumentReference/d{n}"
    content = [{"attachment": {"contentType": "text/plain", "url": f"Binary/b{n}"}}]
    return (
        {
            "resourceType": "DocumentReference",
            "id": f"d{n}",
            "status": "current",
            "subject": {"reference": "Patient/a"},
            "content": content,
        },
        {
            "resourceType": "Binary",
            "id": f"b{n}",
            "contentType": "text/plain",
            "securityContext": {"reference": reference},
            "data": "aGVsbG8=",
        },
    )


async def _prepared(house: House) -> int:
    (job,) = [job for job in house.jobs() if job.name == "record-exports"]
    return await job.run(datetime.now(UTC))


async def test_whoever_is_killed_leaves_no_archive_and_another_begins_it_again(tmp_path: Path) -> None:
    engines.require_files()
    settings = Settings(data=tmp_path, open=True)
    async with opened(settings) as house, asking(house) as client:
        trees = [one for n in range(30) for one in _document(n)]
        await kept(house, {"resourceType": "Patient", "id": "a"}, *map(_observation, range(30)), *trees)
        assert (await client.post("/Patient/a/$export-record")).status_code == 202
    command = [sys.executable, "-m", "tests.space.portability.killed", str(tmp_path)]
    died = subprocess.run(command, capture_output=True, timeout=120, check=False)  # noqa: ASYNC221
    assert died.returncode == -signal.SIGKILL, died.stderr
    left = {path.suffix for path in (tmp_path / "exports").iterdir()}
    assert ".part" in left and ".zip" not in left
    async with opened(settings) as house, asking(house) as client:
        assert (await client.get("/Patient/a/$export-status")).status_code == 202
        assert (await client.get("/Patient/a/$export-archive")).status_code == 404
        assert await _prepared(house) == 1
        archive = zipfile.ZipFile(io.BytesIO((await client.get("/Patient/a/$export-archive")).content))
        assert archive.testzip() is None
        assert len(archive.read("FHIR/Observation.ndjson").splitlines()) == 30
        assert len([one for one in archive.namelist() if one.startswith("DOCUMENTS/")]) == 30
    assert [path.suffix for path in (tmp_path / "exports").iterdir()] == [".zip"]
