"""`fhir-server conformance`: run TestScripts against a FHIR server, this one or any other."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fhir_server.cli.options import WRONG, err, out, refuse

if TYPE_CHECKING:
    from fhir_server.conformance.runner import Run
    from fhir_server.conformance.script import Script

#: What the summary says of each result.
SAID = {"pass": "passed", "fail": "FAILED", "pending": "skipped"}


def conformance(
    url: Annotated[str, typer.Argument(metavar="URL", help="The FHIR base, e.g. http://127.0.0.1:8080/fhir.")],
    script: Annotated[
        list[Path] | None, typer.Option("--script", help="A TestScript, or a folder of them; the shipped ones if none.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", help="Sent with every request, e.g. 'Authorization: Bearer …'.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="Folder for the TestReports and the page.")] = Path(
        "conformance"
    ),
) -> None:
    """Run TestScripts against the server at URL; writes a TestReport each and one page for people.

    Ends with 1 when a test fails, and 2 when a script cannot be read.
    """
    from fhir_server.conformance.script import load, shipped
    from fhir_server.fhir.outcome import FhirError

    if not re.match(r"https?://[^/]", url):
        refuse(f"{url} is no http or https URL.")
    headers = _headers(header or [])
    try:
        scripts = load(script or [shipped()])
    except FhirError as error:
        refuse(str(error))
    runs = asyncio.run(_all(url, headers, scripts))
    page = _write(runs, output)
    _summary(runs)
    out.print(f"Page: {page}", markup=False)
    if not header and any(re.search(r"(: |')401\b", line) for run in runs for line in _wrong(run)):
        err.print("The server asks who calls: --header 'Authorization: Bearer TOKEN' is sent with every request.")
    if any(run.result == "fail" for run in runs):
        raise typer.Exit(WRONG)


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for line in given:
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()):
            refuse("A header is written as 'Name: value'.")
        headers[name.strip()] = value.strip()
    return headers


async def _all(url: str, headers: dict[str, str], scripts: list[Script]) -> list[Run]:
    from fhir_server.conformance.client import Client
    from fhir_server.conformance.runner import run

    runs = []
    async with Client(url, headers) as client:
        for script in scripts:
            runs.append(await run(script, client))
            err.print(f"{script.title}: {SAID[runs[-1].result]}", markup=False)
    return runs


def _write(runs: list[Run], folder: Path) -> Path:
    from fhir_server.conformance.page import page
    from fhir_server.conformance.report import report
    from fhir_server.fhir.json import serialize

    folder.mkdir(parents=True, exist_ok=True)
    files: list[str] = []
    for run in runs:
        files.append(_free(re.sub(r"[^A-Za-z0-9.-]+", "-", run.script.id), files))
        (folder / files[-1]).write_bytes(serialize(report(run)))
    index = folder / "index.html"
    index.write_text(page(runs, files), encoding="utf-8")
    return index


def _free(name: str, taken: list[str]) -> str:
    """A file name for the report of the script `name` that no other script has."""
    numbered = (f"TestReport-{name}{f'-{n}' if n else ''}.json" for n in range(len(taken) + 1))
    return next(file for file in numbered if file not in taken)


def _summary(runs: list[Run]) -> None:
    table = Table(
        "Script", "Result", "Tests passed", title=escape(f"FHIR conformance of {runs[0].server}"), title_justify="left"
    )
    for run in runs:
        passed = sum(test.result == "pass" for test in run.tests)
        table.add_row(escape(run.script.title), SAID[run.result], f"{passed} of {len(run.tests)}")
    out.print(table)
    for run in runs:
        for line in _wrong(run):
            out.print(line, markup=False)


def _wrong(run: Run) -> list[str]:
    """What failed in a run, and what it was skipped for, in words."""
    parts = [("Setup", run.setup), *((test.name, test.actions) for test in run.tests), ("Teardown", run.teardown)]
    said = [
        f"{run.script.title} / {name} / {action.title or action.kind}: {action.result}: {action.message}"
        for name, actions in parts
        for action in actions
        if action.result in ("fail", "error", "warning")
    ]
    return [f"{run.script.title}: skipped: {run.skipped}", *said] if run.skipped else said
