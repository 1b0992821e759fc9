"""What `/metadata` says of authorization: https://hl7.org/fhir/R4/capabilitystatement.html (rest.security)."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.touched import Touched
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.audit.verifying import head
from fhir_server.fhir.json import parse
from tests.server.closed import BASE, ROOT, Space, serving

URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


async def test_a_closed_server_says_where_tokens_come_from_and_discovery_agrees(space: Space) -> None:
    statement = (await space.fhir("GET", "metadata")).json()
    [rest] = statement["rest"]
    security = rest["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    [uris] = [one for one in security["extension"] if one["url"] == URIS]
    said = {part["url"]: part["valueUri"] for part in uris["extension"]}
    found = (await space.http.get(f"{BASE}/.well-known/smart-configuration")).json()
    for name in ("authorize", "token"):
        assert said[name] == found[f"{name}_endpoint" if name == "token" else "authorization_endpoint"]
    assert all(uri.startswith(f"{ROOT}/auth/") for uri in said.values())


@pytest.mark.parametrize("open", [True, False], ids=["open", "closed"])
async def test_what_the_server_says_of_itself_is_valid_by_its_own_judgement(tmp_path: Path, open: bool) -> None:
    async with serving(tmp_path, open=open, cors_origins=("https://app.example",)) as space:
        statement = (await space.fhir("GET", "metadata")).content
        issues = space.house.validator.validate(parse(statement))
        assert not [one for one in issues if one.severity in ("error", "fatal")]


async def test_an_open_server_names_no_service(tmp_path: Path) -> None:
    async with serving(tmp_path, open=True) as space:
        [rest] = (await space.fhir("GET", "metadata")).json()["rest"]
        assert "service" not in rest["security"]
        assert "extension" not in rest["security"]


async def test_the_writes_that_wait_for_the_store_are_told_to_operators(space: Space) -> None:
    assert "fhir_store_pending_writes 0.0" in (await space.http.get(f"{ROOT}/metrics")).text


async def test_messages_that_wait_and_those_given_up_are_told_to_operators(space: Space) -> None:
    records = space.house.engine.records
    for kind, count in (("outbox", 2), ("outbox-dead", 1), ("notice-due", 3)):
        for number in range(count):
            await records.put(kind, f"n/{number}", b"{}")
    text = (await space.http.get(f"{ROOT}/metrics")).text
    assert 'fhir_outbox_messages{name="waiting"} 2.0' in text
    assert 'fhir_outbox_messages{name="dead"} 1.0' in text
    assert 'fhir_outbox_messages{name="later"} 3.0' in text


async def test_how_far_the_chain_of_traces_is_is_told_to_operators(space: Space) -> None:
    async def told() -> float:
        text = (await space.http.get(f"{ROOT}/metrics")).text
        [line] = [one for one in text.splitlines() if one.startswith("fhir_trace_chain_head_position ")]
        return float(line.split()[1])

    before = await told()
    await record(
        space.house.repository(), [exchange_event(Grant(), Touched(noting=True), "read", "Patient", 404, BASE)]
    )
    assert before < await told() == (await head(space.house.engine)).place


@pytest.mark.parametrize(
    ("open", "origins", "said"), [(True, (), False), (True, ("https://app.example",), True), (False, (), True)]
)
async def test_cors_is_said_only_where_a_browser_is_answered(
    tmp_path: Path, open: bool, origins: tuple[str, ...], said: bool
) -> None:
    async with serving(tmp_path, open=open, cors_origins=origins) as space:
        [rest] = (await space.fhir("GET", "metadata")).json()["rest"]
        assert rest["security"]["cors"] is said
