"""`fhir-server audit verify`: an operator sees whether the traces are those that were stored, and by which head."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from fhir_server.app import opened
from fhir_server.cli.main import app
from fhir_server.settings import Settings
from fhir_server.store.chain import CHAINED
from tests.server.command import run
from tests.server.process import open_serving
from tests.store.making import a_put


def given(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def verify(folder: Path, *more: str | Path) -> Result:
    return given("audit", "verify", "--data", folder, *more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def made() -> None:
        async with opened(Settings(data=tmp_path / "data")) as house:
            await house.engine.store.append([a_put(CHAINED, f"t{n}", 0, method="POST") for n in range(5)])

    asyncio.run(made())
    return tmp_path / "data"


def changed(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "fhir.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def test_a_whole_chain_is_said_to_be_with_its_head(folder: Path) -> None:
    done = verify(folder)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("The chain is whole: 5 traces.\nhead 5:")
    done = verify(folder, "--from", "2020-01-01", "--to", "2020-12-31")
    assert done.stdout.startswith("The chain is whole: 0 traces.")


def test_a_broken_one_names_its_first_place_and_ends_with_1(folder: Path) -> None:
    changed(
        folder, "UPDATE content SET bytes=CAST(replace(bytes, 'AuditEvent', 'AuditEvenT') AS BLOB) WHERE seq IN (3, 4)"
    )
    done = verify(folder)
    assert done.exit_code == 1
    assert done.stderr.startswith("BROKEN: AuditEvent/t2/_history/1 (") and "t3" not in done.stderr
    assert done.stdout.startswith("whole until 2:")


def test_heads_are_found_in_a_log_and_find_what_was_cut_off(folder: Path) -> None:
    kept = verify(folder).stdout.partition("head ")[2].strip()
    log = folder.parent / "server.log"
    log.write_text(f"2026-11-30 INFO audit chain head {kept}\nsomething else 12:34\n")
    for anchor in (kept, log):
        assert "1 heads met" in verify(folder, "--anchor", anchor).stdout
    for table in ("content", "version"):
        changed(folder, f"DELETE FROM {table} WHERE seq=5")
    assert verify(folder).exit_code == 0
    for anchor in (kept, log):
        done = verify(folder, "--anchor", anchor)
        assert (done.exit_code, done.stderr.startswith("BROKEN: Place 5: ")) == (1, True)


@pytest.mark.parametrize("anchor", ["nowhere.log", "12:34", "{}"])
def test_an_anchor_that_is_none_is_refused(folder: Path, anchor: str) -> None:
    empty = folder.parent / "empty.log"
    empty.write_text("nothing\n")
    done = verify(folder, "--anchor", anchor.format(empty))
    assert (done.exit_code, "no head" in done.stderr) == (2, True)


def test_a_copy_that_was_put_back_goes_on_with_the_same_chain(folder: Path) -> None:
    kept = verify(folder).stdout.partition("head ")[2].strip()
    copy, other = folder.parent / "copy.sqlite", folder.parent / "other"
    assert given("backup", copy, "--data", folder).exit_code == 0
    assert given("restore", copy, "--data", other).exit_code == 0
    assert "5 traces, 1 heads met" in verify(other, "--anchor", kept).stdout
    assert given("jobs", "run", "--data", other).exit_code == 0


async def _load(process: Any, base: str) -> None:
    async def one(client: httpx.AsyncClient, number: int) -> None:
        for n in range(10_000):
            await client.put(f"{base}/Basic/b-{number}-{n}", json=_basic(f"b-{number}-{n}"))
            await client.get(f"{base}/Basic/b-{number}-{n}")
            if n == 15 and number == 0:
                process.send_signal(signal.SIGKILL)

    async with httpx.AsyncClient(timeout=240) as client:
        await asyncio.gather(*(one(client, n) for n in range(8)), return_exceptions=True)


def _basic(id: str) -> dict[str, Any]:
    return {"resourceType": "Basic", "id": id, "code": {"text": id}}


def test_a_server_killed_under_load_leaves_a_chain_that_is_whole_and_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    heads: list[str] = []
    for _ in range(2):
        with open_serving(data, "--workers", "2", FHIR_AUDIT="on") as served:
            asyncio.run(_load(served.process, served.base))
            served.process.wait(60)
        done = run("audit", "verify", "--data", data, *(f"--anchor={head}" for head in heads))
        assert done.returncode == 0, done.stdout + done.stderr
        assert int(done.stdout.split()[4]) > 100
        heads.append(done.stdout.partition("head ")[2].split()[0])
