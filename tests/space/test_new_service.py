"""A service is one folder and one row: a tiny one is added to a copy of the server, which is then started and asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.examples import ROOT

#: The whole folder of the service: file → what is in it.
TINY = {
    "__init__.py": '"""A tiny service."""\n',
    "service.py": '''
"""A tiny service: a rule, an operation, a job and a page."""

from fhir_server.access.grant import Scope
from fhir_server.access.rules import Asked, Rule
from fhir_server.space.service import Service
from fhir_server.store.filters import Filter, Token


def hidden(asked: Asked) -> Filter:
    return Token("_tag", "hidden")


TINY = Service(
    "tiny",
    rules=(Rule("tiny-hidden", "hidden by its tag", frozenset({"Basic"}), withholds=hidden),),
    public=(Scope("system", "Basic", frozenset("rs")),),
    operations={"Basic-tiny-count": "fhir_server.space.tiny.parts:count"},
    jobs="fhir_server.space.tiny.parts:jobs",
    pages="fhir_server.space.tiny.parts:pages",
)
''',
    "parts.py": """
from datetime import timedelta
from pathlib import Path

from fastapi.responses import PlainTextResponse

from fhir_server.fhir.json import serialize
from fhir_server.interactions.exchange import Response
from fhir_server.jobs.clock import Job
from fhir_server.operations.invocation import returned
from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.store.filters import EVERYTHING


async def count(here, call, context):
    found = await context.repository.count({"Basic": EVERYTHING})
    return returned("return", "valueInteger", found)


def jobs(around):
    async def make(now):
        own, tree = around.repository(), {"resourceType": "Basic", "id": "made", "code": {"text": "by the job"}}
        before = await own.current("Basic", "made")
        await own.transact([await own.put("Basic", "made", tree, serialize(tree), before)])
        return 1

    return [Job("tiny", timedelta(days=1), make)]


async def show(visit, service):
    return PlainTextResponse("The page of a tiny service.")


def pages(around):
    rows = (Page("GET", "/tiny", "parts:show", None),)
    return ServicePages("tiny", "fhir_server.space.tiny", Path(__file__).parent, rows, None)
""",
    "OperationDefinition-Basic-tiny-count.json": json.dumps(
        {
            "resourceType": "OperationDefinition",
            "id": "Basic-tiny-count",
            "url": "https://fhir-server.example/OperationDefinition/Basic-tiny-count",
            "name": "TinyCount",
            "status": "active",
            "kind": "operation",
            "code": "tiny-count",
            "resource": ["Basic"],
            "system": False,
            "type": True,
            "instance": False,
            "parameter": [{"name": "return", "use": "out", "min": 1, "max": "1", "type": "integer"}],
        }
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the server with the service, and its data: a resource that is shown, one hidden, one of the job."""
    place = tmp_path_factory.mktemp("copy")
    for name in ("fhir_server", "capability", "profiles", "seed"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    folder = place / "fhir_server" / "space" / "tiny"
    folder.mkdir()
    for name, text in TINY.items():
        (folder / name).write_text(text)
    rows = place / "fhir_server" / "space" / "services.py"
    text = rows.read_text()
    row = re.sub(r"(SERVICES: [^=]*= \()", r"\1TINY, ", text)
    assert row != text
    rows.write_text(row.replace("\n#:", "from fhir_server.space.tiny.service import TINY\n\n#:", 1))
    shown = {"resourceType": "Basic", "id": "shown", "code": {"text": "x"}}
    hidden = {**shown, "id": "hidden", "meta": {"tag": [{"code": "hidden"}]}}
    (place / "data.ndjson").write_text("\n".join(map(json.dumps, (shown, hidden))))
    run(place, "load", "data.ndjson", "--processes", "1")
    assert re.search(r"^tiny +1$", run(place, "jobs", "run"), re.M)
    return place


def environment(place: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    return clean | {"PYTHONPATH": str(place), "COLUMNS": "200", "NO_COLOR": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "fhir_server.cli.main", *arguments, "--data", "var"]


def run(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        command(*arguments), cwd=place, env=environment(place), capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def serving(place: Path, *more: str) -> Iterator[str]:
    """The address of the copy, being served."""
    log = place / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command("serve", "--port", "0", *more), cwd=place, env=environment(place), stdout=said, stderr=said
        )
    try:
        end, found = time.monotonic() + 240, None
        while found is None:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            found = re.search(r"Pages\s+(http://\S+)/", log.read_text())
            time.sleep(0.05)
        yield found[1]
    finally:
        process.kill()
        process.wait()


def asked(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def test_a_folder_and_a_row_give_a_rule_a_job_and_a_page(copy: Path) -> None:
    with serving(copy) as root:
        status, body = asked(f"{root}/fhir/Basic")
        assert status == 200
        # The rule hides one, of two that everybody may read; the third was made by the job.
        assert {one["resource"]["id"] for one in json.loads(body)["entry"]} == {"shown", "made"}
        assert asked(f"{root}/fhir/Basic/hidden")[0] == 404
        assert asked(f"{root}/fhir/Basic/$tiny-count")[0] == 401
        assert asked(f"{root}/tiny") == (200, b"The page of a tiny service.")


def test_a_folder_and_a_row_give_an_operation(copy: Path) -> None:
    with serving(copy, "--open") as root:
        status, body = asked(f"{root}/fhir/Basic/$tiny-count")
        assert (status, json.loads(body)["parameter"][0]["valueInteger"]) == (200, 3)
