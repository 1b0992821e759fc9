"""How commands end when what is outside them is not right: one line that says what, the code, never a traceback.

Each row is a command beside one thing that is wrong: a setting, a file that cannot be read, a place that cannot be
written, an interruption.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_server.cli.main import app
from fhir_server.fhir.version import VERSION
from tests.server.command import command, environment, until
from tests.server.command import run as spawned

PROVIDER = {"id": "psc", "kind": "psc", "name": "P", "issuer": "https://idp.example", "client_id": "us"}

#: Setting → a value it cannot have, and a word of what is said. Every command reads the settings alike.
MALFORMED = {
    "FHIR_PORT": ("eighty", "port"),
    "FHIR_WORKERS": ("0", "workers"),
    "FHIR_OPEN": ("perhaps", "open"),
    "FHIR_CORS_ORIGINS": ("https://app.example", "FHIR_CORS_ORIGINS is not JSON"),
    "FHIR_PROFILE_LEVELS": ("{", "FHIR_PROFILE_LEVELS is not JSON"),
    "FHIR_IDENTITY_PROVIDERS": ('[{"id": "P S C"}]', "identity_providers"),
    "FHIR_BASE_URL": ("fhir.example", "base_url"),
    "FHIR_DEFAULT_TIMEZONE": ("Mars/Olympus", "IANA"),
    "FHIR_OUTBOX": ("smtp://relay:many", "outbox"),
    "FHIR_TERMINOLOGY_URL": ("ftp://tx.example", "terminology_url"),
    "FHIR_LOG_FORMAT": ("prose", "log_format"),
    "FHIR_MAX_PAGE": ("0", "max_page"),
}

#: Commands that take settings, each with what else it needs; FILE is a file that is there.
COMMANDS: dict[str, tuple[str, ...]] = {
    "serve": ("--port", "0"),
    "demo": ("--port", "0", "--app-port", "0"),
    "seed": ("--patients", "1"),
    "load": ("FILE",),
    "reindex": (),
    "backup": ("COPY",),
    "restore": ("FILE",),
    "check": (),
    "client list": (),
    "client suspend": ("x",),
    "account add": ("x", "--subject", "Patient/1"),
    "account list": (),
    "account reset": ("x",),
    "account close": ("x",),
    "account reopen": ("x",),
    "keys rotate": (),
    "jobs run": (),
    "why": ("Patient/1",),
    "indicators show": ("documents",),
    "indicators recount": (),
    "profiles list": (),
    "profiles remove": ("x",),
    "terminology import": ("TABLE", "--url", "http://a.example/codes"),
}


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command run to its end: in this process, or in one of its own when it serves."""
    if arguments[0] in ("serve", "demo"):
        return spawned(*arguments, **variables)
    clean = {name: None for name in os.environ if name.startswith("FHIR_")}
    given = {**clean, "COLUMNS": "300", "NO_COLOR": "1", **variables}
    done = CliRunner().invoke(app, [str(one) for one in arguments], env=given)
    fault = done.exception if not isinstance(done.exception, SystemExit) else None
    wrong = f"Traceback: {fault!r}" if fault is not None else done.stderr
    return subprocess.CompletedProcess([], done.exit_code, done.stdout, wrong)


def ended(done: subprocess.CompletedProcess[str], code: int, said: str = "") -> None:
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr


def spelled(name: str, folder: Path) -> list[str]:
    """The command `name` with what it needs, made in `folder`."""
    (folder / "file.json").write_text('{"resourceType": "Patient"}')
    (folder / "table.csv").write_text("code,display\na,A\n")
    places = {"FILE": folder / "file.json", "TABLE": folder / "table.csv", "COPY": folder / "copy"}
    return [*name.split(), *(str(places.get(one, one)) for one in COMMANDS[name])]


@pytest.mark.parametrize("setting", MALFORMED)
def test_a_malformed_setting_is_named(tmp_path: Path, setting: str) -> None:
    value, said = MALFORMED[setting]
    ended(run("check", "--data", tmp_path, **{setting: value}), 2, said)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_which_setting_is_malformed(tmp_path: Path, name: str) -> None:
    done = run(*spelled(name, tmp_path), "--data", tmp_path / "var", FHIR_CORS_ORIGINS="x")
    ended(done, 2, "FHIR_CORS_ORIGINS is not JSON")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_which_data_folder_cannot_be_had(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").write_text("a file, where a folder is wanted")
    done = run(*spelled(name, tmp_path), "--data", tmp_path / "taken" / "var")
    # Where a store is wanted that is there already, that it is not counts as a mistake in what was typed.
    ended(done, 2 if "There is no store" in done.stderr else 1, "taken")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_that_a_store_s_url_is_not_one(tmp_path: Path, name: str) -> None:
    done = run(*spelled(name, tmp_path), "--data", tmp_path / "var", "--store", "mysql://nowhere")
    ended(done, 2 if name == "restore" else 1, "sqlite:///")


#: What writes elsewhere than into the store.
OUTPUTS = {
    "seed": ("seed", "--patients", "1", "--output", "OUT"),
    "backup": ("backup", "OUT"),
    "conformance": ("conformance", "http://127.0.0.1:1/fhir", "--output", "OUT"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").write_text("")
    arguments = [str(tmp_path / "taken" / "out") if one == "OUT" else one for one in OUTPUTS[name]]
    done = run(*arguments, *(() if name == "conformance" else ("--data", tmp_path / "var")))
    ended(done, 1, "taken")


#: What reads a file: the command up to it, what stands in the file, the code, a word of what is said.
INPUTS = {
    "absent": (("load",), None, 2, "not there"),
    "absent guide": (("profiles", "add"), None, 2, "Not there"),
    "no guide": (("profiles", "add"), b"x", 1, "not a package"),
    "absent table": (("terminology", "import", "--url", "http://a.example"), None, 2, "does not exist"),
    "no table": (("terminology", "import", "--url", "http://a.example"), b"\xff\xfe\x00", 2, "UTF-8"),
    "absent backup": (("restore",), None, 2, "not there"),
    "absent password": (("account", "add", "x", "--subject", "Patient/1", "--password-file"), None, 2, "does not"),
    "no text": (("account", "add", "x", "--subject", "Patient/1", "--password-file"), b"\xff\xff" * 20, 2, "UTF-8"),
    "absent keys": (("client", "add", "x", "--jwks"), None, 2, "does not exist"),
    "no keys": (("client", "add", "x", "--jwks"), b"[1]", 2, "not JSON"),
    "no script": (("conformance", "http://127.0.0.1:1/fhir", "--script"), b"x", 2, "Not JSON"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    arguments, content, code, said = INPUTS[name]
    file = tmp_path / "given"
    if content is not None:
        file.write_bytes(content)
    where = () if arguments[0] == "conformance" else ("--data", tmp_path / "var")
    done = run(*arguments, file, *where)
    ended(done, code, said)


#: What a server needs outside itself → variables that name something which is not there, a word of what is said.
MISSING = {
    "secret file": ({"FHIR_IDENTITY_PROVIDERS": json.dumps([PROVIDER | {"client_secret_file": "/absent"}])}, "psc"),
    "secret variable": ({"FHIR_IDENTITY_PROVIDERS": json.dumps([PROVIDER])}, "psc has no secret"),
    "brands": ({"FHIR_BRANDS": "/absent"}, "absent"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_server_says_what_it_misses_and_does_not_start(tmp_path: Path, name: str) -> None:
    variables, said = MISSING[name]
    ended(run("serve", "--port", "0", "--data", tmp_path, **variables), 1, said)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_seeding_that_is_interrupted_ends_with_130(tmp_path: Path, processes: str) -> None:
    arguments = ("seed", "--patients", "100000", "--processes", processes, "--data", tmp_path)
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    until(lambda: (tmp_path / "fhir.sqlite").exists())
    # As a terminal does: to the command and to every process it started.
    subprocess.run(["kill", "-INT", "--", f"-{process.pid}"], check=True)
    said, wrong = process.communicate(timeout=600)
    ended(subprocess.CompletedProcess(arguments, process.returncode, said, wrong), 130, "Interrupted")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    process = subprocess.Popen(
        [*command("seed", "--patients", "50", "--output", "-")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(60)


def test_the_command_says_its_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.strip() == f"fhir-server {VERSION}"
