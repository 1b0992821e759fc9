"""Two handfuls of people who care for each other, and what they ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.interactions.routes import dispatch
from fhir_server.settings import Settings
from tests.server.people import kept

BASE = "http://127.0.0.1/fhir"
INS = "urn:oid:1.2.250.1.213.1.4.11"


def ins(n: int) -> str:
    return f"2680335238{n:03d}37"


def a_patient(n: int, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"p{n}",
        "active": True,
        "identifier": [{"system": INS, "value": ins(n)}],
        "name": [{"family": f"Exemple{chr(97 + n)}", "given": ["Ève", "Marie"]}],
        "gender": "female",
        "birthDate": "1968-03-14",
        **more,
    }


def identity(n: int, **more: str) -> dict[str, str]:
    return {"ins": ins(n), "given": "Eve", "family": f"EXEMPLE{chr(65 + n)}", "birthDate": "1968-03-14", **more}


def holder(n: int, **more: Any) -> Grant:
    """Software of a person, in whose own space it is."""
    return Grant((Scope("patient", "*", frozenset("cruds")),), subject=f"Patient/p{n}", patient=f"p{n}", client="app", **more)  # fmt: skip


def as_caregiver(n: int, ward: int) -> Grant:
    """The same person, in the space of somebody else."""
    scopes = (Scope("patient", "*", frozenset("cruds")),)
    return Grant(scopes, subject=f"Patient/p{n}", patient=f"p{ward}", client="app", wards=frozenset({f"p{ward}"}))


@asynccontextmanager
async def a_house(tmp_path: Path, people: int = 10, **more: Any) -> AsyncIterator[House]:
    settings = Settings(data=tmp_path / "data", caregivers=more.pop("caregivers", "on"), **more)  # type: ignore[arg-type]
    async with opened(settings) as house:
        await kept(house, *(a_patient(n) for n in range(people)))
        yield house


async def does(house: House, caller: Grant, operation: str, patient: str, **given: Any) -> Any:
    """What an operation answers: the rows of delegations, each its parts by name; the code or status of a refusal."""
    keys = {bool: "valueBoolean", str: "valueString"}
    typed = {"birthDate": "valueDate", "end": "valueDate", "delegation": "valueId"}
    rows = [{"name": name, typed.get(name, keys[type(value)]): value} for name, value in given.items()]
    body = json.dumps({"resourceType": "Parameters", "parameter": rows}).encode() if rows else b""
    request = Request("POST" if rows else "GET", ("Patient", patient, f"${operation}"), (), body, "application/fhir+json")  # fmt: skip
    context = house.context_of(await house.seen_by(caller, BASE), BASE, True, "representation", "")
    try:
        answered = json.loads((await dispatch(request, context)).body)
    except FhirError as error:
        return error.issues[0].key or error.status
    return [_said(row) for row in answered.get("parameter", ())]


def _said(row: dict[str, Any]) -> Any:
    value = {name: next(part[key] for key in part if key.startswith("value")) for part in row.get("part", ()) for name in [part["name"]]}  # fmt: skip
    return value or next(row[key] for key in row if key.startswith("value"))


async def invited(house: House, patient: int, caregiver: int, **more: Any) -> Any:
    """An invitation, from the match on; the code or status of a refusal."""
    found = await does(house, holder(patient), "delegation-match", f"p{patient}", **identity(caregiver))
    if not isinstance(found, list):
        return found
    made = await does(house, holder(patient), "delegation-invite", f"p{patient}", transaction=found[0], **more)
    return made[0] if isinstance(made, list) else made


async def agreed(house: House, patient: int, caregiver: int, **more: Any) -> Any:
    """A delegation that was accepted, or the refusal of the invitation or of the answer."""
    made = await invited(house, patient, caregiver, **more)
    if not isinstance(made, dict):
        return made
    found = await does(house, holder(caregiver), "delegation-answer", f"p{caregiver}", delegation=made["id"], accept=True)  # fmt: skip
    return found[0] if isinstance(found, list) else found
