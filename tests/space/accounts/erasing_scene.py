"""Two people's spaces, used in every way, of which one is erased; and where on the disk is anything left of it."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House, opened
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import Request
from fhir_server.settings import Settings
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.erasing import belongings
from fhir_server.space.accounts.moving import Asked
from fhir_server.store.blobs.collecting import collected
from fhir_server.store.protocol import Keep

BASE = "http://127.0.0.1/fhir"
MINE, OTHERS = "7vw3kq0zx5mine", "1hf8bn2ty9other"
P, Q = "p4kd82hs01", "q93jd7al20"
SOFTWARE = Grant((Scope("system", "*", frozenset("cruds")),), client="hospital", traced=True)
HOLDER = Grant((Scope("user", "*", frozenset("cruds")),), subject=f"Patient/{P}", patient=P, client="app", traced=True)
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=93)


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=folder, base_url=BASE)) as found:
        yield found


async def sent(house: House, method: str, url: str, tree: dict[str, Any] | None = None, by: Grant = SOFTWARE) -> Any:
    """As `ask`, and traced."""
    path, _, query = url.partition("?")
    pairs = tuple(tuple(one.split("=", 1)) for one in query.split("&")) if query else ()
    body = json.dumps(tree).encode() if tree else b""
    request = Request(method, tuple(path.split("/")), pairs, body, "application/fhir+json")  # type: ignore[arg-type]
    context = house.context_of(await house.seen_by(by, BASE), BASE, True, "representation", "")
    response = await audited(request, context)
    return json.loads(response.body) if response.body else response.status


def a_patient(id: str, mark: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "active": True,
        "birthDate": "1980-01-01",
        "name": [{"family": f"family{mark}", "given": [f"given{mark}"]}],
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.11", "value": f"ins{mark}"}],
        "telecom": [{"system": "email", "value": f"{mark}@example.org"}],
        "address": [{"text": f"address{mark}"}],
    }


def an_observation(patient: str, id: str, mark: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": f"code{mark}", "coding": [{"system": "http://example.org/codes", "code": f"c{mark}"}]},
        "subject": {"reference": f"Patient/{patient}", "display": f"display{mark}"},
        "note": [{"text": f"note{mark} " * 30}],
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">narrative{mark}</div>'},
        **more,
    }


async def a_life(house: House, patient: str, mark: str) -> None:
    """Somebody's space as it was used: versions, deletions, content long and short, traces, an account, records."""
    refers = {"reference": f"Patient/{patient}"}
    await sent(house, "PUT", f"Patient/{patient}", a_patient(patient, f"old{mark}"))
    await sent(house, "PUT", f"Patient/{patient}", a_patient(patient, mark))
    for turn in range(3):
        await sent(house, "PUT", f"Observation/{patient}o", an_observation(patient, f"{patient}o", f"{turn}{mark}"))
    await sent(house, "PUT", f"Observation/{patient}gone", an_observation(patient, f"{patient}gone", mark))
    await sent(house, "DELETE", f"Observation/{patient}gone")
    for size in (3, 4_000):
        data = b64encode(f"content{mark}".encode() * size).decode()
        binary = {"resourceType": "Binary", "contentType": "text/plain", "securityContext": refers, "data": data}
        await sent(house, "PUT", f"Binary/{patient}b{size}", {**binary, "id": f"{patient}b{size}"})
    await sent(house, "PUT", f"Basic/{patient}x", {"resourceType": "Basic", "id": f"{patient}x", "code": {"text": mark}, "subject": refers})  # fmt: skip
    await sent(house, "PUT", f"RelatedPerson/{patient}r", {"resourceType": "RelatedPerson", "id": f"{patient}r", "patient": refers, "name": [{"text": mark}]})  # fmt: skip
    await sent(house, "GET", f"Observation?subject=Patient/{patient}&code:text=code{mark}")
    await sent(house, "GET", f"Patient/{patient}", by=replace(HOLDER, subject=f"Patient/{patient}", patient=patient))
    account = Account(f"{patient}account", f"login{mark}", f"name{mark}", f"Patient/{patient}")
    await Accounts(house.engine.records).add(account)
    kept = [
        Keep("session", f"s{mark}", json.dumps({"account": account.id, "seen": mark}).encode()),
        Keep("notice-due", f"202601010000 Patient/{patient}", mark.encode()),
        Keep("outbox", f"n{mark}", json.dumps({"to": f"{mark}@example.org", "text": mark}).encode()),
        Keep("at-hand", f"Patient/{patient}", mark.encode()),
        Keep("agenda-prevention", patient, mark.encode()),
        Keep("access", f"digest{patient[:2]}", json.dumps({"patient": patient, "subject": "Practitioner/d"}).encode()),
    ]
    await house.engine.records.apply(kept)


async def closed(house: House, patient: str) -> None:
    own = house.repository()
    for event in ("close", "ask-deletion"):
        await moving.move(own, patient, Asked(event, "holder", NOW - timedelta(minutes=1)))  # type: ignore[arg-type]


def where(folder: Path, *marks: str) -> list[str]:
    """The files of a data folder that say one of these."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    return sorted({one.name for one in files for mark in marks if mark.encode() in one.read_bytes()})


def aged(folder: Path) -> None:
    """All content came two hours ago."""
    for path in folder.rglob("*"):
        if path.is_file() and "blobs" in str(path):
            os.utime(path, (path.stat().st_mtime - 7_200,) * 2)


async def scoured(house: House) -> None:
    """What the hourly look at content does two hours later, and the next turns of the job."""
    aged(house.settings.data)
    await collected(house.engine.store, house.engine.records, house.blobs, datetime.now(UTC))
    for _ in range(100):
        if await house.engine.store.scour():
            return


async def everything_of(house: House, patient: str) -> int:
    return len((await house.repository().history(belongings.scope_of(patient))).versions)
