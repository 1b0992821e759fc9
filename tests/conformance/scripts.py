"""The smallest TestScripts for tests of the runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fhir_server.conformance.client import Client
from fhir_server.conformance.runner import Action, Run, run
from fhir_server.conformance.script import Script

SYSTEM = "http://terminology.hl7.org/CodeSystem/testscript-operation-codes"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [{"family": "ESSAI", "given": ["Zoé", "Anne"]}, {"family": "AUTRE"}],
    "birthDate": "1980-02-29",
    "multipleBirthInteger": 2,
}


def operation(code: str, **more: Any) -> dict[str, Any]:
    return {"operation": {"type": {"system": SYSTEM, "code": code}, "encodeRequestUrl": True, **more}}


def assertion(**more: Any) -> dict[str, Any]:
    return {"assert": {"warningOnly": False, **more}}


READ = operation("read", targetId="p", responseId="r", requestId="q")


def a_script(*actions: dict[str, Any], folder: Path = Path("nowhere"), **more: Any) -> Script:
    """One test with these actions, after a patient `p` was created; `more` are elements of the TestScript."""
    tree = {
        "resourceType": "TestScript",
        "url": "https://fhir-server.example/TestScript/small",
        "name": "Small",
        "status": "draft",
        "contained": [PATIENT],
        "fixture": [{"id": "p", "autocreate": True, "autodelete": True, "resource": {"reference": "#p"}}],
        "profile": [{"id": "patient", "reference": "http://hl7.org/fhir/StructureDefinition/Patient"}],
        "test": [{"name": "T", "action": list(actions)}] if actions else [],
    }
    return Script(tree | more, folder)


async def of(client: Client, *actions: dict[str, Any], **more: Any) -> list[Action]:
    """What came of those actions, as the one test of a script whose setup went well."""
    done: Run = await run(a_script(*actions, **more), client)
    assert [action.result for action in done.setup] == ["pass"], done.setup
    return done.tests[0].actions
