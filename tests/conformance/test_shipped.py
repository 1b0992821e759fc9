"""The project's own TestScripts pass on the project's own server. https://hl7.org/fhir/R4/testscript.html"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from fhir_server.conformance.client import Client
from fhir_server.conformance.report import report
from fhir_server.conformance.runner import run
from fhir_server.conformance.script import Script, load, shipped
from fhir_server.fhir.json import parse, serialize
from fhir_server.validation.validator import validate
from tests.server.closed import BASE, serving

SCRIPTS = load([shipped()])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.id)
async def test_our_server_passes_it_twice_and_the_report_is_valid(script: Script, client: Client) -> None:
    for _ in range(2):  # What a run leaves behind is not in the way of the next.
        done = await run(script, client)
        actions = [*done.setup, *(action for test in done.tests for action in test.actions), *done.teardown]
        assert [(a.title, a.result, a.message) for a in actions if a.result != "pass"] == []
        assert done.result == "pass" and not done.skipped
    tree = parse(serialize(report(done)))
    assert not [issue for issue in validate(tree) if issue.severity == "error"]
    assert tree["score"] == 100


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.id)
async def test_a_closed_server_passes_it_for_whom_it_lets_in(script: Script, tmp_path: Path) -> None:
    async with serving(tmp_path) as space:
        await space.backend()
        headers = {"Authorization": f"Bearer {await space.backend_token()}"}
        async with Client(BASE, headers, transport=httpx.ASGITransport(space.house.asgi)) as client:
            done = await run(script, client)
        actions = [*done.setup, *(action for test in done.tests for action in test.actions), *done.teardown]
        assert [(a.title, a.result, a.message) for a in actions if a.result != "pass"] == []
        async with Client(BASE, transport=httpx.ASGITransport(space.house.asgi)) as client:
            assert script.id == "metadata" or (await run(script, client)).result == "fail"
    assert headers["Authorization"].encode() not in serialize(report(done))
