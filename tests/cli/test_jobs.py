"""`fhir-server jobs`: what the server does by itself is seen, and done, from outside."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_server.app import opened
from fhir_server.cli.main import app
from fhir_server.jobs import runs
from fhir_server.jobs.runs import Run
from fhir_server.settings import Settings
from fhir_server.store.leases import HOLDER, Lease


def listed(folder: Path) -> dict[str, str]:
    answer = CliRunner().invoke(app, ["jobs", "list", "--data", str(folder)])
    assert answer.exit_code == 0, answer.output
    return {line.split("  ")[0]: line for line in answer.output.splitlines()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def made() -> None:
        async with opened(Settings(data=tmp_path)):
            pass

    asyncio.run(made())
    return tmp_path


def test_each_job_says_when_it_was_done_how_much_and_when_it_is_due(folder: Path) -> None:
    before = listed(folder)
    assert {"conventions", "synchronised-apps", "reconsent", "emergencies", "arrivals", "notices", "outbox"} <= set(
        before
    )
    assert CliRunner().invoke(app, ["jobs", "run", "--data", str(folder)]).exit_code == 0
    after = listed(folder)
    assert len(after["conventions"].split()) == len(before["conventions"].split()) + 2
    assert "each look" in after["outbox"]


def test_what_failed_and_who_is_at_it_is_seen(folder: Path) -> None:
    async def arranged() -> dict[str, str]:
        async with opened(Settings(data=folder)) as house:
            records = house.engine.records
            await runs.keep(records, "reconsent", Run(failed="Unavailable"))

            async def look() -> dict[str, str]:
                return await asyncio.to_thread(listed, folder)

            found = await Lease(records, "job conventions").hold(look)
            assert found is not None
            return found

    rows = asyncio.run(arranged())
    assert "Unavailable" in rows["reconsent"]
    assert HOLDER in rows["conventions"]
    assert HOLDER not in listed(folder)["conventions"]
