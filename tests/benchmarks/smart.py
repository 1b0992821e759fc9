"""What access control costs: verifying a token, launches, refreshes, and reading under a granular scope.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html. Traces are written in both or in neither of what is
compared: what a durable trace for each read costs is a line of its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fhir_server.app import House, opened
from fhir_server.fhir.json import parse, serialize
from fhir_server.settings import Settings
from fhir_server.smart.authorizing.requests import AuthorizationRequest
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.tokens.storage import Family
from fhir_server.store.filters import EVERYTHING, Token
from tests.benchmarks.scenarios import Filled
from tests.benchmarks.scenarios import measure as weight
from tests.benchmarks.servers import Figure, free_port, get, measure, measured, post, running, serving
from tests.benchmarks.timing import table, told, took

REDIRECT = "http://127.0.0.1/callback"
LAUNCH = "launch/patient offline_access patient/DocumentReference.rs"
#: Of the documents of a patient only reports, which most are.
REPORTS = "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument|10"
GRANULAR = f"patient/DocumentReference.rs?category={REPORTS}"
#: Patients that tokens are made for.
PEOPLE = 50


@dataclass(frozen=True, slots=True)
class Space:
    """A store with an app, people, and what they were granted.

    Attributes:
        folder: of the store.
        cookie: of a session of somebody who has consented to the app's launch.
        tokens: patient id → access token with a granular scope.
        system: a token of a backend service for everything.
        reports: (patient id, DocumentReference id) that those tokens may read.
    """

    folder: Path
    cookie: str
    tokens: dict[str, str]
    system: str
    reports: list[tuple[str, str]]


def smart(filled: Filled, seconds: float) -> Iterator[str]:
    """The tables."""
    port = free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    space = asyncio.run(_prepared(filled.folder, base))
    yield _flows(space, port, base, seconds)
    yield _reads(space, port, base, seconds)
    verifying = asyncio.run(_verifying(space, base, seconds))
    yield f"Verifying a bearer token that was seen before, in process: {verifying}."


def _flows(space: Space, port: int, base: str, seconds: float) -> str:
    order = {"client": "app", "redirect": REDIRECT, "scope": LAUNCH, "base": base, "cookie": space.cookie}
    rows = []
    with running(*serving(space.folder, port), port=port, FHIR_BASE_URL=base, FHIR_AUDIT="auto") as server:
        for name, kind, target in (
            ("Launch: authorize, continue, code → token", "launch", "≥ 100"),
            ("Refresh, with rotation", "refresh", "≥ 300"),
        ):
            for connections in (1, 16):
                found = measured("flows", port, connections, seconds, server, kind=kind, **order)
                rows.append((name, str(connections), target, *_cells(found)))
    return table(("Flow, traced", "connections", "target /s", "/s", "p50 ms", "p99 ms", "server CPU"), rows)


def _reads(space: Space, port: int, base: str, seconds: float) -> str:
    asked = [(f"/fhir/DocumentReference/{id}", space.tokens[patient]) for patient, id in space.reports]
    bodies = [serialize(weight(n, PEOPLE)) for n in range(200)]
    kinds = {
        "read": (
            [get(path) for path, _ in asked],
            {
                "system scope": [get(path, space.system) for path, _ in asked],
                "granular patient scope": [get(path, token) for path, token in asked],
            },
        ),
        "create": (
            [post("/fhir/Observation", body) for body in bodies],
            {"system scope": [post("/fhir/Observation", body, space.system) for body in bodies]},
        ),
    }
    found: dict[tuple[str, str, str, int], Figure] = {}
    for audit in ("off", "on"):
        for kind, (free, held) in kinds.items():
            with running(
                *serving(space.folder, port, "--open"), port=port, FHIR_BASE_URL=base, FHIR_AUDIT=audit
            ) as one:
                for connections in (1, 32):
                    found[kind, audit, "", connections] = measure(port, free, connections, seconds, one)
            with running(*serving(space.folder, port), port=port, FHIR_BASE_URL=base, FHIR_AUDIT=audit) as one:
                for name, requests in held.items():
                    for connections in (1, 32):
                        found[kind, audit, name, connections] = measure(port, requests, connections, seconds, one)
    rows = []
    for (kind, audit, name, connections), figure in found.items():
        if name:
            free_one = found[kind, audit, "", connections]
            traced = "yes" if audit == "on" else "no"
            rows.append(
                (
                    f"{kind}, {name}",
                    traced,
                    str(connections),
                    f"{free_one.rate:,.0f}",
                    f"{figure.rate:,.0f}",
                    f"{figure.rate / free_one.rate:.2f}",
                    told(free_one.cpu),
                    told(figure.cpu),
                )
            )
    return table(
        ("Closed beside open", "traced", "connections", "open /s", "closed /s", "ratio", "open CPU", "closed CPU"), rows
    )


def _cells(found: Figure) -> tuple[str, ...]:
    return f"{found.rate:,.0f}", f"{found.p50:.2f}", f"{found.p99:.2f}", told(found.cpu)


async def _verifying(space: Space, base: str, seconds: float) -> str:
    async with opened(_settings(space.folder, base)) as house:
        headers = {"authorization": f"Bearer {space.system}"}
        await house.authorization.authenticate(headers, base)
        verify = house.authorization.authenticate

        def once() -> None:
            step = verify(headers, base)
            try:
                step.send(None)  # type: ignore[attr-defined]
            except StopIteration:
                return
            raise AssertionError("It waited.")

        found = took(once, seconds)
        return f"{told(found.wall)} (CPU {told(found.cpu)})"


def _settings(folder: Path, base: str) -> Settings:
    return Settings(data=folder, base_url=base)


async def _prepared(folder: Path, base: str) -> Space:
    async with opened(_settings(folder, base)) as house:
        patient = await _consenting(house, base)
        reports = [pair async for pair in _reports(house)]
        tokens = {id: await _token(house, base, id, (GRANULAR,)) for id in {one for one, _ in reports}}
        clients = RecordedClients(house.engine.records)
        await clients.add(Client("service", "Service", "public", scopes=("system/*.cruds",)))
        system = await house.authorization.tokens.issue("service", base, ("system/*.cruds",), None)
        cookie = await house.authorization.sessions.begin(patient, "two-factors")
    return Space(folder, cookie, tokens, system, reports)


async def _consenting(house: House, base: str) -> str:
    """Somebody who allowed an app everything it asks for; their account's id."""
    from fhir_server.smart.authorizing.endpoint import Approvals

    await RecordedClients(house.engine.records).add(
        Client("app", "App", "public", redirect_uris=(REDIRECT,), scopes=(*LAUNCH.split(), GRANULAR))
    )
    page = await house.repository().find({"Patient": EVERYTHING}, count=1)
    account = await _account(house, page.versions[0].id)
    ask = AuthorizationRequest(
        "", "", "app", REDIRECT, "", "", base, tuple(LAUNCH.split()), patient=page.versions[0].id
    )
    await Approvals(house.engine.records).keep(ask, account, ask.scope)
    return account.id


async def _account(house: House, patient: str) -> Account:
    account = Account(secrets.token_hex(8), secrets.token_hex(8), "Somebody DEMO", f"Patient/{patient}")
    await house.authorization.accounts.add(account)
    return account


async def _token(house: House, base: str, patient: str, scope: tuple[str, ...]) -> str:
    found = await _account(house, patient)
    family = Family(secrets.token_hex(16), "app", found.id, base, scope, patient)
    await house.authorization.tokens.begin(family, REDIRECT, "", None, house.engine.records.apply)
    return await house.authorization.tokens.issue("app", base, scope, family.id)


async def _reports(house: House) -> Any:
    system, _, code = REPORTS.partition("|")
    page = await house.repository().find({"DocumentReference": EVERYTHING}, count=1000)
    # The space of who died is closed, to themselves too.
    closed = await house.repository().find({"Patient": Token("active", "false")}, count=1000)
    gone = {version.id for version in closed.versions}
    seen: dict[str, None] = {}
    for version in islice(page.versions, 1000):
        tree = parse(version.body)
        patient = tree["subject"]["reference"].removeprefix("Patient/")
        if patient not in gone and any(
            c == {**c, "system": system, "code": code} for c in tree["category"][0]["coding"]
        ):
            seen[patient] = None
            if len(seen) > PEOPLE:
                return
            yield patient, version.id
