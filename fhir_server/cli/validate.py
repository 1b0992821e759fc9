"""`fhir-server validate`: judge files as the server would, and beside it by judges that are not ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.cli.occupancy import borrowed
from fhir_server.cli.options import WRONG, Data, Store, err, out, refuse, settings
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Issue
from fhir_server.loading.sources import files, parts
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.validation.validator import Validator

_WRONG = ("error", "fatal")


def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE…", help="JSON or NDJSON files, .gz too, or folders.")],
    profile: Annotated[
        list[str] | None, typer.Option("--profile", help="Canonical to conform to, claimed or not; may be repeated.")
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Ask jsonschema and fhir.resources too; say where they differ.")
    ] = False,
    data: Data = None,
    store: Store = None,
) -> None:
    """Judge resources by base R4 and the profiles in force; nothing is written.

    Ends with 1 when something is wrong, or when judges differ about the structure.
    """
    chosen = settings(data=data, store=store)
    try:
        found = files(paths)
    except (FileNotFoundError, ValueError) as error:
        refuse(str(error))
    counts: Counter[str] = Counter()

    async def judged(place: Settings) -> None:
        from fhir_server.app import opened

        async with opened(place) as house:
            for file in found:
                _file(file, house.validator, tuple(profile or ()), reference, counts)

    with borrowed(chosen) as place:
        asyncio.run(judged(place))
    more = f", {counts['differs']} judged differently" if reference else ""
    out.print(f"{counts['resource']:,} resources: {counts['wrong']} errors, {counts['warning']} warnings{more}.")
    if counts["wrong"] or counts["differs"]:
        raise typer.Exit(WRONG)


def _file(file: Path, validator: Validator, profiles: tuple[str, ...], reference: bool, counts: Counter[str]) -> None:
    for place, body in _bodies(file):
        counts["resource"] += 1
        try:
            tree = parse(body)
            issues = validator.validate(tree, None, profiles)
        except FhirError as error:
            issues, tree = list(error.issues), {}
        for issue in issues:
            counts["wrong" if issue.severity in _WRONG else issue.severity] += 1
            _say(place, issue)
        for words in _second(tree) if reference and tree.get("resourceType") else ():
            counts["differs"] += 1
            err.print(f"{place}: {words}", markup=False)


def _bodies(file: Path) -> Iterator[tuple[str, bytes]]:
    for part in parts(file):
        if not part.lines:
            yield str(file), part.body
            continue
        for number, line in enumerate(part.body.splitlines(), part.first):
            if line.strip():
                yield f"{file}, line {number}", line


def _say(place: str, issue: Issue) -> None:
    where = f" {issue.expression}:" if issue.expression else ""
    err.print(f"{place}: {issue.severity}:{where} {issue.diagnostics}", markup=False)


def _second(tree: dict[str, Any]) -> Iterator[str]:
    """Where other judges differ from this server about the structure of a resource, in words."""
    from fhir_server.fhir import models
    from fhir_server.fhir.definitions import resource_types
    from fhir_server.validation.reference import differs
    from fhir_server.validation.validator import validate as base

    type = tree["resourceType"]
    if type not in resource_types():
        return
    if (found := differs(tree)) is not None:
        yield f"jsonschema: {found}"
    if models.has_model(type) and not any(issue.severity in _WRONG for issue in base(tree)):
        # Of a resource that this server refuses, a model that knows fewer rules has nothing to add.
        yield from (f"fhir.resources: {words}" for words in models.problems(tree))
