"""Nobody but its owner reads what the server and its commands write, whatever the umask: OWASP ASVS 8.1."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.demo.served import Demo, demonstrated
from tests.server.command import command, environment


def readable(folder: Path) -> list[str]:
    """What others may do anything with in a folder, and the folder itself."""
    everything = [folder, *folder.rglob("*")]
    return [f"{path} {oct(path.lstat().st_mode)}" for path in everything if path.lstat().st_mode & 0o077]


def run_open(*arguments: str | Path) -> None:
    """A command of somebody whose umask hides nothing."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(), umask=0, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which somebody's umask hides nothing, with a store in `data`."""
    folder = tmp_path_factory.mktemp("private")
    run_open("seed", "--patients", "2", "--data", folder / "data")
    return folder


#: What a command writes: its arguments, {} being the folder of the test.
COMMANDS = {
    "a store": ["check", "--data", "{}/data"],
    "an account": ["account", "add", "someone", "--subject", "Patient/1", "--data", "{}/data"],
    "a client": ["client", "add", "app", "--redirect", "https://app.example/", "--data", "{}/data"],
    "a signing key": ["keys", "rotate", "--data", "{}/data"],
    "a backup": ["backup", "{}/copies/of/today.sqlite", "--data", "{}/data"],
    "a restored store": ["restore", "{}/copies/of/today.sqlite", "--data", "{}/other/data"],
    "an export": ["seed", "--patients", "1", "--output", "{}/people.ndjson"],
    "what was loaded": ["load", "{}/people.ndjson", "--data", "{}/data"],
}


@pytest.mark.parametrize("what", COMMANDS)
def test_a_command_writes_for_its_user_alone(seeded: Path, what: str) -> None:
    if what == "a restored store" and not (seeded / "copies").exists():
        run_open("backup", str(seeded / "copies/of/today.sqlite"), "--data", seeded / "data")
    if what == "what was loaded" and not (seeded / "people.ndjson").exists():
        run_open("seed", "--patients", "1", "--output", seeded / "people.ndjson")
    run_open(*[part.replace("{}", str(seeded)) for part in COMMANDS[what]])
    assert readable(seeded) == []


def test_a_demonstration_keeps_everything_to_its_owner(open_demo: Demo) -> None:
    names = {path.name for path in open_demo.folder.rglob("*")}
    assert {"fhir.sqlite", "fhir.sqlite-wal", "fhir.sqlite-shm", "demo-password", "demo-key.json"} <= names
    assert readable(open_demo.folder) == []


@pytest.fixture
def open_demo(tmp_path: Path) -> Iterator[Demo]:
    before = os.umask(0)
    try:
        with demonstrated(tmp_path / "var") as found:
            yield found
    finally:
        os.umask(before)


async def test_a_server_within_another_program_hides_what_it_makes_too(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with opened(Settings(data=tmp_path / "data", base_url="http://server.test/fhir")) as house:
            await house.authorization.keys.jwks()
            await house.engine.maintenance.backup(tmp_path / "copy.sqlite")
            assert readable(tmp_path / "data") == []
            assert not (tmp_path / "copy.sqlite").stat().st_mode & 0o077
    finally:
        os.umask(before)


async def test_what_was_open_to_others_is_closed_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    async with opened(Settings(data=data, open=True)):
        pass
    for name in ("outbox", "keys", "metrics/1", "loads"):
        (data / name).mkdir(parents=True, exist_ok=True)
        (data / name / "one").touch()
    shutil.copyfile(data / "fhir.sqlite", data / "yesterday's")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    (data / "link").symlink_to(elsewhere)
    for path in [data, elsewhere, *(one for one in data.rglob("*") if one.name != "link")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    with caplog.at_level(logging.WARNING):
        async with opened(Settings(data=data, open=True)):
            pass
    assert [line for line in readable(data) if "link" not in line] == []
    assert "open to others" in caplog.text
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644, "what a link leads to is another's"


@pytest.mark.parametrize("mode", [0o1777, 0o755])
async def test_a_folder_that_others_use_stays_as_it_is(tmp_path: Path, mode: int) -> None:
    """A store in `/tmp` or `/var` is closed; the folder and what others keep there are not."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    others = shared / "another's"
    others.touch()
    others.chmod(0o644)
    async with opened(Settings(data=shared, open=True)):
        assert stat.S_IMODE(shared.stat().st_mode) == mode
        assert stat.S_IMODE(others.stat().st_mode) == 0o644
        assert readable(shared / "fhir.sqlite") == []
