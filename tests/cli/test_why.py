"""`fhir-server why`: whoever runs the server is told which rule lets somebody see one resource, or does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_server.cli.main import app

RESOURCES = """
{"resourceType": "Patient", "id": "p1", "name": [{"family": "DEMO"}]}
{"resourceType": "Patient", "id": "p2", "name": [{"family": "DEMO"}]}
{"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p1"}}
"""

#: Options → exit code, what is said.
ASKED: list[tuple[str, tuple[str, ...], int, str]] = [
    ("an administrator's software", (), 0, "r  allowed"),
    ("the patient", ("--subject", "Patient/p1", "--patient", "p1"), 0, "r  allowed"),
    ("another patient", ("--subject", "Patient/p2", "--patient", "p2"), 1, "r  masked"),
    (
        "a scope of another type",
        ("--subject", "Patient/p1", "--patient", "p1", "--scope", "patient/Patient.rs"),
        1,
        "no-scope",
    ),
    (
        "a verb",
        ("--subject", "Patient/p1", "--patient", "p1", "--scope", "patient/*.rs", "--verb", "d"),
        1,
        "d  denied",
    ),
    ("nobody's software", ("--client", "none"), 1, "no client none"),
    ("a purpose there is not", ("--purpose", "FUN"), 2, "FUN"),
    ("letters there are not", ("--verb", "x"), 2, "--verb x"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    (folder / "some.ndjson").write_text(RESOURCES.strip())
    done = CliRunner().invoke(app, ["load", str(folder / "some.ndjson"), "--data", str(folder / "data")])
    assert done.exit_code == 0, done.output
    return folder / "data"


@pytest.mark.parametrize(("name", "options", "code", "said"), ASKED, ids=[one[0] for one in ASKED])
def test_the_operator_is_told_which_rule_decides(
    folder: Path, name: str, options: tuple[str, ...], code: int, said: str
) -> None:
    done = CliRunner().invoke(app, ["why", "Observation/o1", *options, "--data", str(folder)])
    assert (done.exit_code, said in done.stdout + done.stderr) == (code, True), done.output


@pytest.mark.parametrize(("resource", "code"), [("Observation/none", 1), ("Nothing/1", 2), ("Observation", 2)])
def test_what_is_not_there_is_said(folder: Path, resource: str, code: int) -> None:
    done = CliRunner().invoke(app, ["why", resource, "--data", str(folder)])
    assert done.exit_code == code and resource in done.stderr
