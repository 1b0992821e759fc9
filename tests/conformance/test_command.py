"""`fhir-server conformance` as a process, against a server on loopback: what it writes, prints and ends with."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from lxml import html

from fhir_server.validation.validator import validate
from tests.conformance.scripts import READ, a_script, assertion, operation
from tests.server.command import run
from tests.server.process import open_serving

RAW = operation("search", resource="Patient", params="?name=%C3%89&_count=1", encodeRequestUrl=False)


def test_it_writes_a_report_each_and_a_page_and_ends_with_one_when_a_test_fails(tmp_path: Path) -> None:
    good = a_script(READ, assertion(response="okay"), RAW, assertion(response="okay"), title="Good <one>").tree
    bad = a_script(READ, assertion(response="gone", description="It is gone."), title="Bad one").tree
    scripts, output = tmp_path / "scripts", tmp_path / "out"
    scripts.mkdir()
    (scripts / "good.json").write_text(json.dumps(good))
    (scripts / "bad.json").write_text(json.dumps(bad))
    with open_serving(tmp_path / "data") as served:
        url = served.base
        passed = run("conformance", url, "--script", scripts / "good.json", "--output", output)
        failed = run("conformance", url, "--script", scripts, "--output", output, "--header", "X-Who: tester")
    assert passed.returncode == 0, passed.stderr + passed.stdout
    assert failed.returncode == 1 and "It is gone." in failed.stdout and "Bad one" in failed.stdout
    reports = [json.loads(file.read_bytes()) for file in sorted(output.glob("TestReport-*.json"))]
    assert sorted(report["result"] for report in reports) == ["fail", "pass"]
    assert not [issue for report in reports for issue in validate(report) if issue.severity == "error"]
    page = html.fromstring((output / "index.html").read_text(encoding="utf-8"))
    assert page.get("lang") == "en" and len(page.findall(".//h1")) == 1 and page.findall(".//main")
    assert all(table.find("caption") is not None for table in page.iter("table"))
    assert all(cell.get("scope") for cell in page.iter("th"))
    assert "Good <one>" in page.text_content() and "Failed" in page.text_content()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ftp://a.test"], "http"),
        (["http://127.0.0.1:9/fhir", "--header", "no colon"], "Name: value"),
        (["http://127.0.0.1:9/fhir", "--script", "nowhere.json"], "nowhere.json"),
        (["http://127.0.0.1:9/fhir", "--script", "{patient}"], "not a TestScript"),
        (["http://127.0.0.1:9/fhir", "--script", "{wrong}"], "not a right TestScript"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_sent(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "patient.json").write_text('{"resourceType": "Patient"}')
    (tmp_path / "wrong.json").write_text('{"resourceType": "TestScript", "status": "active"}')
    files = {"patient": str(tmp_path / "patient.json"), "wrong": str(tmp_path / "wrong.json")}
    done = run("conformance", *(argument.format(**files) for argument in arguments), "--output", tmp_path / "out")
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "out").exists()


def test_a_server_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(a_script(READ).tree))
    script = tmp_path / "one.json"
    done = run("conformance", "http://127.0.0.1:9/fhir", "--script", script, "--output", tmp_path / "out")
    assert done.returncode == 1 and "error" in done.stdout


class _Closed(BaseHTTPRequestHandler):
    """A server that answers nobody without a token."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.mark.parametrize("token", [False, True])
def test_whoever_asks_a_closed_server_without_a_token_is_told_how_to_send_one(tmp_path: Path, token: bool) -> None:
    (tmp_path / "one.json").write_text(json.dumps(a_script(READ, assertion(response="okay")).tree))
    closed = HTTPServer(("127.0.0.1", 0), _Closed)
    Thread(target=closed.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{closed.server_port}/fhir"
        more = ["--header", "Authorization: Bearer x"] if token else []
        done = run("conformance", url, "--script", tmp_path / "one.json", "--output", tmp_path / "out", *more)
    finally:
        closed.shutdown()
        closed.server_close()
    assert done.returncode == 1 and "401" in done.stdout
    assert ("--header 'Authorization: Bearer TOKEN'" in done.stderr) is not token
