"""The README's examples run as they are printed, but for the ports: every block, against servers that really serve.

A block that is not in the table fails, so that no example is written without being run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.demo.served import Demo
from tests.examples import ROOT
from tests.server.command import environment
from tests.server.process import open_serving

pytestmark = pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="curl or bash is missing")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """One example: its language, and what is printed."""

    language: str
    text: str

    @property
    def name(self) -> str:
        return " ".join(self.text.split())[:60]


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)]

#: How a block begins → the server it is for, a pattern of what it prints. In the order of the README.
RUN: dict[str, tuple[str, str]] = {
    ".venv/bin/python -m fhir_server.demo.backend --base": ("closed", r"(?s)Dupont|DUPONT"),
    "TOKEN=$(.venv/bin/fhir-server demo token": ("closed", r'"resourceType": "DocumentReference"'),
    "GLASS=$(.venv/bin/fhir-server demo token": ("closed", r'(?s)"total": [1-9].*"Patient/s1-pat-24"'),
    "curl -i http://127.0.0.1:8080/fhir/Patient": ("open", r"(?s)^HTTP/1.1 201 Created.*[Ll]ocation: \S+/_history/1\b"),
    "curl 'http://127.0.0.1:8080/fhir/Patient?family=DURAND&given=zoe": ("open", r'"family": "Durand"'),
    "curl 'http://127.0.0.1:8080/fhir/DocumentReference?patient=": ("open", r'"resourceType": "DocumentReference"'),
    "curl 'http://127.0.0.1:8080/fhir/Patient/s1-pat-1/$everything'": ("open", r'"resourceType": ?"Bundle"'),
    # It files the PDF that the block before it wrote.
    "content=$(curl -s -D - -o /dev/null": ("open", r"(?s)HTTP/1.1 201 Created.*DocumentReference/"),
    "curl -i http://127.0.0.1:8080/fhir/DocumentReference -H": ("open", r'(?s)^HTTP/1.1 201 Created.*"hash"'),
    "lot='{": ("open", r'"transaction-response".*"List/.*"DocumentReference/.*"Binary/'),
    "document='http://127.0.0.1:8080/fhir/DocumentReference": ("open", r"(?s)MASQUE_PS.*entered-in-error"),
    "fhir=http://127.0.0.1:8080/fhir\nTOKEN=$(.venv/bin/fhir-server demo token medecin)": (
        "closed",
        r'(?s)"sent":.*"url":"Binary/|"url":"Binary/.*"sent":',
    ),
    # These three go on with what the one before remembers.
    'curl -s "$fhir/Communication?thread=': (
        "closed",
        r'(?s)"total":1.*"total":\d+.*"name":"count".*ens-conversation-closed',
    ),
    "PATIENT_TOKEN=": ("closed", r'(?s)"received":.*"resourceType":"DocumentReference"'),
    "fhir=http://127.0.0.1:8080/fhir json=": ("open", r'^201\n409\n"status": ?"busy"'),
    "AGENDA_TOKEN=": (
        "closed",
        r'(?s)"name":"reason".*"before".*"imported","valueInteger":4.*SUMMARY:Rendez-vous de santé',
    ),
    "fhir=http://127.0.0.1:8080/fhir\ndoctor=": (
        "open",
        r'(?s)"type": ?"searchset".*FrSlotAgregateur.*"PractitionerRole".*urn:oid:1.2.250.1.71.4.2.1',
    ),
    # It files the document that it writes, and shows it.
    "curl -s -o /dev/null http://127.0.0.1:8080/fhir/Patient": (
        "open",
        r"(?s)201 Created.*<h2>En résumé</h2>.*Glycémie",
    ),
    # Of the patient that the block before it made.
    "guide=https://interop.esante.gouv.fr": ("open", r'^201\n.*"resourceType": ?"OperationOutcome".*Deleted'),
    "fhir=http://127.0.0.1:8080/fhir\nTOKEN=$(.venv/bin/fhir-server demo token patient)": (
        "closed",
        r'(?s)"document"\},\{"name":"channel","valueCode":"sms"\},\{"name":"on","valueBoolean":false\}'
        r'.*"document"\},\{"name":"channel","valueCode":"sms"\},\{"name":"on","valueBoolean":true\}',
    ),
    ".venv/bin/fhir-server client add carnet": ("closed", r"carnet: public, authorization_code and refresh_token"),
    # It makes the keys, and registers the public one.
    ".venv/bin/python - <<'END'": ("closed", r"hopital: confidential-asymmetric, client_credentials"),
    "ASSERTION=$(": ("closed", r'(?s)"resourceType": "Bundle".*"DUPONT"'),
    "export FHIR_IDENTITY_PROVIDERS=": ("closed", r"psc https://auth.esw.esante.gouv.fr"),
}
#: How a block begins → why it is not run as it is; what is checked instead stands below.
NOT_RUN = {
    "git clone <this repository>": "a checkout has been made, and make run is what these servers are",
    "mailbox='": "it starts a gateway on its own ports and needs swaks: tests/space/messages/mail/test_mail_servers.py",
    "FHIR_OUTBOX=smtp://": "it serves until it is stopped: tests/space/notices",
    "FHIR base        http": "what a start prints, compared with what one prints",
}
#: What a reader has by then that the README does not make.
AFTER = {
    "export FHIR_IDENTITY_PROVIDERS=": '.venv/bin/python -c "'
    + ("from fhir_server.settings import Settings; one = Settings().identity_providers[0]; print(one.id, one.issuer)")
    + '"\n'
}
#: Before each block: what others set is there, what it sets is kept, and the first command that fails ends it.
REMEMBERING = """[ ! -f "$REMEMBERED" ] || . "$REMEMBERED"
keep() { for name in fhir TOKEN PATIENT_TOKEN MESSAGE; do [ -z "${!name+set}" ] || declare -p "$name"; done; }
trap 'keep > "$REMEMBERED"' EXIT
set -euo pipefail
"""


def begins(block: Block, table: dict[str, object]) -> str | None:
    return next((start for start in table if block.text.startswith(start)), None)


def prepared(folder: Path) -> Path:
    """A folder that looks like the checkout to who types there."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, call in {"python": "", "fhir-server": " -m fhir_server.cli.main"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{call} "$@"\n')
        (programs / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def open_server(first: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The same people served without tokens: what `make open` does."""
    folder = tmp_path_factory.mktemp("open")
    shutil.copytree(first.folder, folder / "var")
    with open_serving(folder / "var") as served:
        yield prepared(folder), served.root.removeprefix("http://")


@pytest.fixture(scope="module")
def closed_server(demo: Demo) -> tuple[Path, str]:
    """The demonstration: what `make run` does."""
    return prepared(demo.folder.parent), demo.root.removeprefix("http://")


def test_every_block_is_run_or_says_why_not() -> None:
    unknown = [block.name for block in BLOCKS if not begins(block, RUN) and not begins(block, NOT_RUN)]
    assert unknown == []
    starts = [begins(block, {**RUN, **NOT_RUN}) for block in BLOCKS]
    assert set(starts) == {*RUN, *NOT_RUN}, "the table speaks of a block that is no more"


def test_the_examples_run_as_printed(closed_server: tuple[Path, str], open_server: tuple[Path, str]) -> None:
    """One after the other, as they are read: some find what an earlier one made."""
    servers = {"closed": closed_server, "open": open_server}
    wrong = []
    for block in BLOCKS:
        start = begins(block, RUN)
        if start is None:
            continue
        which, expected = RUN[start]
        folder, address = servers[which]
        # A reader's terminal remembers what an earlier block set, and finds the server where it is by default.
        script = REMEMBERING + block.text.replace("127.0.0.1:8080", address) + AFTER.get(start, "")
        place = {"FHIR_PORT": address.rpartition(":")[2], "REMEMBERED": str(folder / "remembered")}
        clean = environment(PATH=f"{os.environ['PATH']}:{Path(sys.executable).parent}", **place)
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=clean, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode or not re.search(expected, done.stdout):
            wrong.append((block.name, done.returncode, done.stdout[:500], done.stderr[-500:]))
    assert wrong == []
    assert (open_server[0] / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_a_start_prints_what_the_readme_shows(demo: Demo) -> None:
    [shown] = [block.text for block in BLOCKS if block.language == "text"]
    said = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", demo.said)
    for line in shown.splitlines():
        words = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", line)
        words = re.sub(r"(Password of each account:) \S+", r"\1", words)
        assert line == "…" or all(part in said for part in re.split(r"\s{2,}", words)), line


@pytest.mark.parametrize("target", ["run", "open"])
def test_make_knows_what_the_readme_types(target: str) -> None:
    assert f"make {target}" in README
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "fhir-server" in done.stdout, done.stderr
