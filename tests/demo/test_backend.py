"""The example of an establishment's software, run as the README says: https://hl7.org/fhir/smart-app-launch/backend-services.html"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from fhir_server.demo.backend import ASSERTION_TYPE
from fhir_server.demo.private_files import key
from tests.demo.served import Demo
from tests.server.command import environment


def script(demo: Demo, *arguments: str, key: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fhir_server.demo.backend", "--base", demo.base]
    own = ["--key", str(key or demo.folder / "demo-key.json")]
    return subprocess.run(
        [*command, *own, *arguments], capture_output=True, text=True, env=environment(), timeout=240, check=False
    )


def test_it_reads_the_documents_of_a_patient(demo: Demo) -> None:
    found = script(demo)
    assert (found.returncode, found.stderr) == (0, "")
    assert "Patient/s1-pat-21" in found.stdout and "Prescription de produits de santé" in found.stdout


def test_the_command_that_is_printed_is_the_one_that_works(demo: Demo) -> None:
    printed = demo.said.splitlines()[-1].strip()
    found = subprocess.run(printed, shell=True, capture_output=True, text=True, env=environment(), timeout=240)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_professional_who_asks_through_it_is_in_the_trace_with_the_reason(demo: Demo) -> None:
    wanted = {"scope": "system/Practitioner.rs", "form": ASSERTION_TYPE}
    who = ["--rpps", _rpps(demo), "--purpose", "BTG", "--reason", "Patient inconscient aux urgences"]
    assert script(demo, *who).returncode == 0
    signed = script(demo, "--assertion", *who).stdout.strip()
    answer = httpx.post(
        f"{demo.root}/auth/token",
        data={
            "grant_type": "client_credentials",
            "scope": wanted["scope"],
            "client_assertion_type": wanted["form"],
            "client_assertion": signed,
        },
    )
    assert (answer.status_code, answer.json()["scope"]) == (200, wanted["scope"])


def test_another_key_gets_nothing(demo: Demo, tmp_path: Path) -> None:
    other, _ = key(tmp_path)
    found = script(demo, key=other)
    assert found.returncode == 1
    assert "invalid_client" in found.stderr and "Traceback" not in found.stderr


def test_more_than_it_was_given_is_not_granted(demo: Demo) -> None:
    found = script(demo, "--scope", "system/AuditEvent.rs")
    assert found.returncode == 1 and "invalid_scope" in found.stderr


def _rpps(demo: Demo) -> str:
    """Of the first doctor, as the establishment's software finds it."""
    signed = script(demo, "--assertion").stdout.strip()
    form = {"grant_type": "client_credentials", "scope": "system/Practitioner.rs", "client_assertion": signed}
    token = httpx.post(f"{demo.root}/auth/token", data={**form, "client_assertion_type": ASSERTION_TYPE}).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    doctor = httpx.get(f"{demo.base}/Practitioner/s1-pra-1-1", headers=headers).json()
    return next(one["value"] for one in doctor["identifier"] if one["system"] == "https://rpps.esante.gouv.fr")
