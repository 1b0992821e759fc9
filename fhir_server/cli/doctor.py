"""`fhir-server doctor`: whether this installation is sound, before anyone is served.

What the server says of itself is made here as it is made for clients, and read by judges that are not ours.
"""

from __future__ import annotations

import asyncio
import platform
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from fhir_server.cli.occupancy import borrowed
from fhir_server.cli.options import WRONG, Data, Store, err, out, settings
from fhir_server.fhir.version import VERSION
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.app import House


def doctor(data: Data = None, store: Store = None) -> None:
    """Look at this installation: settings, store, and what the server says of itself. Ends with 1 when it is unwell."""
    chosen = settings(data=data, store=store)
    out.print(f"fhir-server {VERSION}, Python {platform.python_version()}, {platform.system()}.")
    with borrowed(chosen) as place:
        found = asyncio.run(_examined(place))
        free = f"{shutil.disk_usage(place.data).free // 2**20:,} MB free"
        out.print(f"Store {chosen.store_shown}, {free if place is chosen else 'not there yet'}.", markup=False)
    for problem in found:
        err.print(problem, markup=False)
    if found:
        raise typer.Exit(WRONG)
    out.print("Sound: what this server says of itself is read by fhir.resources and by jsonschema as it was meant.")


async def _examined(chosen: Settings) -> list[str]:
    from fhir_server.app import opened

    async with opened(chosen) as house:
        return [problem for name, tree in _own(house) for problem in read(name, tree)]


def read(name: str, tree: dict[str, Any]) -> Iterator[str]:
    """What other judges find wrong with a resource that this server made, and what it finds itself."""
    from fhir_server.fhir import models
    from fhir_server.validation.reference import reference
    from fhir_server.validation.validator import validate

    yield from (f"{name}: {issue.expression}: {issue.diagnostics}" for issue in validate(tree) if _is_wrong(issue))
    yield from (f"{name}: fhir.resources: {words}" for words in models.problems(tree))
    yield from (f"{name}: jsonschema: {error.json_path}" for error in reference(tree["resourceType"]).iter_errors(tree))


def _is_wrong(issue: Any) -> bool:
    return issue.severity in ("error", "fatal")


def _own(house: House) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resources this server makes itself, one of each kind."""
    from fhir_server.access.grant import OPEN
    from fhir_server.access.touched import Touched
    from fhir_server.audit.exchanges import exchange_event
    from fhir_server.fhir.json import parse
    from fhir_server.fhir.outcome import Issue, outcome
    from fhir_server.interactions.capabilities import completed, terminology
    from fhir_server.search.answering.bundle import entry, searchset

    base = house.settings.base_url or "http://127.0.0.1/fhir"
    refusal = outcome([Issue("error", "value", "Not one of the codes.", "Patient.gender", "code")])
    yield "CapabilityStatement", completed(base, house.registry, True, house.following.profiles)
    yield "TerminologyCapabilities", parse(terminology(base))
    yield "OperationOutcome", refusal
    yield "AuditEvent", exchange_event(OPEN, Touched(True), "read", "Patient", 200, base)
    person = b'{"resourceType":"Patient","id":"a"}'
    found = searchset([entry(base.encode(), "Patient", "a", person)], [("self", f"{base}/Patient")], 1)
    yield "Bundle", parse(found)
