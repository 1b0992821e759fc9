"""`fhir-server demo token`: a token for curl, by way of the pages and endpoints that every app has.

https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-standalone-launch
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner, Result

from fhir_server.cli.main import app
from fhir_server.demo.cast import CAST
from fhir_server.demo.terminal import Person, Refused, token
from tests.demo.served import Demo

#: What is asked of the command → a read with its token, and what comes of it.
GIVEN: dict[tuple[str, ...], tuple[str, int]] = {
    ("medecin",): ("DocumentReference?patient=Patient/s1-pat-21", 200),
    ("medecin", "--scope", "user/Patient.r"): ("DocumentReference?patient=Patient/s1-pat-21", 403),
    ("medecin", "--patient", "151125145400108"): ("Patient/s1-pat-21", 200),
    ("medecin", "--patient", "gérard dupont"): ("Patient/s1-pat-21", 200),
    ("cardiologue", "--role", "demo-rol-1"): ("Patient/s1-pat-21", 200),
    ("cardiologue",): ("Patient/s1-pat-21", 200),
    ("patient",): ("Patient/s1-pat-21/$unread", 200),
    # Of the parent's own record, then of a child's; one token is of one patient.
    ("parent",): ("Patient/s1-pat-24", 200),
    ("parent", "--patient", "s1-pat-25"): ("Patient/s1-pat-25", 200),
    ("parent", "--patient", "s1-pat-26"): ("Patient/s1-pat-24", 404),
    ("aidante", "--patient", "s1-pat-28"): ("Patient/s1-pat-28", 200),
}
#: What is asked → what is said instead of a token.
REFUSED: dict[tuple[str, ...], str] = {
    ("nobody",): "medecin",
    ("patient", "--scope", "system/*.rs"): "invalid_scope",
    # Who may be chosen is listed, and nobody else is.
    ("parent", "--patient", "s1-pat-21"): "For which patient?",
    ("cardiologue", "--role", "s1-rol-1-1"): "In which exercise",
    ("patient", "--base", "http://fhir.example/fhir"): "not the demonstration of this machine",
    ("patient", "--base", "http://127.0.0.1:9/fhir"): "does not answer",
}


def asked(demo: Demo, *arguments: str, folder: Path | None = None) -> Result:
    """The command run to its end in this process, where the demonstration is by default."""
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("FHIR_")}
    place = {"FHIR_DATA": str(folder or demo.folder), "FHIR_PORT": str(urlsplit(demo.base).port)}
    return CliRunner().invoke(app, ["demo", "token", *arguments], env={**clean, "COLUMNS": "300", **place})


@pytest.mark.parametrize("arguments", GIVEN, ids=" ".join)
def test_the_token_opens_what_its_holder_may_see(demo: Demo, arguments: tuple[str, ...]) -> None:
    path, status = GIVEN[arguments]
    found = asked(demo, *arguments)
    assert found.exit_code == 0, found.stderr
    # The token alone is printed for `$( )`; whose it is, and for how long, is said beside it.
    assert next(one.subject for one in CAST if one.login == arguments[0]) in found.stderr
    held = {"Authorization": f"Bearer {found.stdout.strip()}"}
    assert httpx.get(f"{demo.base}/{path}", headers=held).status_code == status


def test_a_doctor_of_no_care_team_reads_in_an_emergency_alone(demo: Demo) -> None:
    """CSP R1111-49: a patient in danger; the reason is asked on a page, and the demonstration's command fills it in."""
    stranger = ("medecin", "--patient", "293087512000130")
    glass = ("--purpose", "BTG", "--reason", "Malaise, traitement inconnu")
    read = []
    for why in ((), glass):
        token = asked(demo, *stranger, *why).stdout.strip()
        found = httpx.get(f"{demo.base}/DocumentReference", headers={"Authorization": f"Bearer {token}"}).json()
        read.append(found["total"])
    assert read[0] == 0 < read[1]
    told = asked(demo, *stranger, "--purpose", "BTG")
    assert told.exit_code != 0 and "reason" in told.stderr


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_is_not_given_is_said(demo: Demo, arguments: tuple[str, ...]) -> None:
    found = asked(demo, *arguments)
    assert (found.exit_code != 0, found.stdout) == (True, "")
    assert REFUSED[arguments] in found.stderr and "Traceback" not in found.stderr


def test_without_the_password_of_this_demonstration_there_is_none(demo: Demo, tmp_path: Path) -> None:
    found = asked(demo, "medecin", folder=tmp_path)
    assert (found.exit_code, found.stdout) == (2, "") and "No demonstration was started" in found.stderr
    assert list(tmp_path.iterdir()) == [], "asking makes nothing"
    (tmp_path / "demo-password").write_text("abcd-efgh-ijkl\n")
    found = asked(demo, "medecin", folder=tmp_path)
    assert (found.exit_code, found.stdout) == (1, "") and "Wrong login, password" in found.stderr


def test_the_password_is_told_to_nobody_else() -> None:
    """A server that names endpoints elsewhere is asked nothing more."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        elsewhere = "https://elsewhere.example/auth"
        return httpx.Response(200, json={"authorization_endpoint": elsewhere, "token_endpoint": elsewhere})

    with pytest.raises(Refused, match=r"elsewhere\.example"):
        token("http://127.0.0.1:8080/fhir", Person("a", "b", "openid"), httpx.MockTransport(answer))
    assert seen == ["http://127.0.0.1:8080/fhir/.well-known/smart-configuration"]
    with pytest.raises(Refused):
        token("http://fhir.example/fhir", Person("a", "b", "openid"), httpx.MockTransport(answer))
    assert len(seen) == 1
