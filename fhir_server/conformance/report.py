"""The TestReport of a run.

https://hl7.org/fhir/R4/testreport.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_server.conformance.runner import Action, Run, Test
from fhir_server.conformance.sources import Tree

ENGINE = "https://fhir-server.example/conformance"


def report(run: Run) -> Tree:
    """What came of a run as a TestReport resource.

    `score` is the percentage of tests that passed, of those that were run; a run that was skipped has none.
    """
    tree: Tree = {
        "resourceType": "TestReport",
        "name": run.script.title,
        "status": "completed",
        "testScript": _script(run),
        "result": run.result,
        "issued": run.began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "participant": [
            {"type": "test-engine", "uri": ENGINE, "display": "fhir-server conformance"},
            {"type": "server", "uri": run.server},
        ],
    }
    if (score := _score(run)) is not None:
        tree["score"] = score
    if run.setup:
        tree["setup"] = {"action": [_action(action) for action in run.setup]}
    if run.tests:
        tree["test"] = [_test(test) for test in run.tests]
    if run.teardown:
        tree["teardown"] = {"action": [_action(action) for action in run.teardown]}
    if run.skipped:
        tree["text"] = {"status": "generated", "div": _div(run.skipped)}
    return tree


def _script(run: Run) -> dict[str, Any]:
    url = run.script.tree["url"]
    return {"reference": url, "display": run.script.title}


def _score(run: Run) -> Decimal | None:
    results = [test.result for test in run.tests]
    return None if run.skipped or not results else _percentage(results.count("pass"), len(results))


def _percentage(part: int, whole: int) -> Decimal:
    return (Decimal(100 * part) / whole).quantize(Decimal("0.1"))


def _test(test: Test) -> dict[str, Any]:
    named = {"name": test.name} | ({"description": test.description} if test.description else {})
    return named | {"action": [_action(action) for action in test.actions]}


def _action(action: Action) -> dict[str, Any]:
    return {action.kind: {"result": action.result, "message": action.message or action.result}}


def _div(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escaped}</p></div>'
