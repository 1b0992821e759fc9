"""`fhir-server indicators`: whoever runs the server sees what the space reports, and has it counted from scratch."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fhir_server.app import opened
from fhir_server.cli.main import app
from fhir_server.settings import Settings
from fhir_server.space.indicators.definitions import BY_CODE
from fhir_server.space.indicators.recounting import JOB
from fhir_server.store.leases import Lease
from tests.server.people import kept
from tests.space.indicators.test_counting import person


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data with fifteen people, of whom nothing was counted yet."""

    async def make() -> None:
        async with opened(Settings(data=tmp_path)) as house:
            await kept(house, *(person(f"p{n}") for n in range(15)))

    asyncio.run(make())
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["indicators", *arguments, "--data", str(folder)])


def total(folder: Path, code: str) -> str:
    done = run(folder, "show", code)
    assert done.exit_code == 0, done.output
    return list(csv.DictReader(io.StringIO(done.stdout)))[-1]["value"]


def test_what_was_not_counted_is_after_a_recount(folder: Path) -> None:
    assert total(folder, "states") == "0"
    done = run(folder, "recount")
    assert (done.exit_code, done.stdout) == (0, "15 resources counted.\n")
    assert total(folder, "states") == "15"


def test_without_a_code_all_are_listed(folder: Path) -> None:
    said = run(folder, "show").stdout.splitlines()
    assert [line.split()[0] for line in said] == list(BY_CODE)


def test_a_code_that_there_is_not_is_refused_with_those_there_are(folder: Path) -> None:
    done = run(folder, "show", "nothing")
    assert done.exit_code == 1 and "documents" in done.output


def test_two_do_not_count_at_a_time(folder: Path) -> None:
    async def hold() -> Result:
        async with opened(Settings(data=folder)) as house:

            async def work() -> Result:
                return await asyncio.to_thread(run, folder, "recount")

            done = await Lease(house.engine.records, f"job {JOB}").hold(work)
            assert done is not None
            return done

    done = asyncio.run(hold())
    assert done.exit_code == 1 and "try again" in done.output
