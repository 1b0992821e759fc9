"""`fhir-server profiles`: implementation guides added, listed and removed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Store, err, out, refuse, settings
from fhir_server.fhir.outcome import FhirError
from fhir_server.settings import Settings

profiles = typer.Typer(name="profiles", help="Implementation guides: packages of profiles and what belongs to them.")


@profiles.command("add")
def add(
    packages: Annotated[list[Path], typer.Argument(help="Package archives (.tgz), or folders with a package.json.")],
    examples: Annotated[bool, typer.Option("--examples", help="Write the packages' examples as well.")] = False,
    data: Data = None,
    store: Store = None,
) -> None:
    """Make guides part of the server, while it serves: their profiles judge, their resources are there over REST."""
    chosen = settings(data=data, store=store)
    absent = [str(path) for path in packages if not path.exists()]
    if absent:
        refuse(f"Not there: {', '.join(absent)}.")
    began = time.monotonic()
    with occupied(chosen, new=True):
        whole = asyncio.run(_add(chosen, packages, examples))
    out.print(f"{time.monotonic() - began:.1f} s.")
    if not whole:
        raise typer.Exit(WRONG)


@profiles.command("list")
def list_(data: Data = None, store: Store = None) -> None:
    """Say which guides are part of the server, and what they ask for that is not."""
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        asyncio.run(_list(chosen))


@profiles.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The package: `name`, or `name#version` for one version.")],
    data: Data = None,
    store: Store = None,
) -> None:
    """Take a guide out; its resources are deleted, and their history stays."""
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        gone = asyncio.run(_remove(chosen, name))
    if not gone:
        refuse(f"There is no package {name}.", WRONG)
    for key, count in gone:
        out.print(f"{key}: {count} resources taken out.")


async def _add(chosen: Settings, paths: list[Path], examples: bool) -> bool:
    from fhir_server.app import opened
    from fhir_server.loading import guides
    from fhir_server.validation.profiles.packages import load

    whole = True
    async with opened(chosen) as house:
        for path in paths:
            try:
                report = await guides.add(house, load(path), examples)
            except FhirError as error:
                err.print(f"{path.name}: {error}")
                whole = False
                continue
            for reason in report.refused:
                err.print(f"{report.installed.key}: {reason}")
            indexed = f", {report.parameters} search parameters to be indexed" if report.parameters else ""
            count = len(report.installed.resources)
            out.print(f"{report.installed.key}: {count} resources, {report.written} written{indexed}.")
            if report.restated:
                out.print(
                    f"{report.installed.key}: {report.restated} search parameters restate R4's, which are in force."
                )
        for key, asked in guides.missing(await guides.installed(house)).items():
            err.print(f"{key} asks for {', '.join(f'{n}#{v}' for n, v in asked.items())}, not there.")
    return whole


async def _list(chosen: Settings) -> None:
    from fhir_server.app import opened
    from fhir_server.loading import guides

    async with opened(chosen) as house:
        packages = await guides.installed(house)
        absent = guides.missing(packages)
        for package in packages:
            asked = ", ".join(f"{n}#{v}" for n, v in absent.get(package.key, {}).items())
            out.print(f"{package.key}: {len(package.resources)} resources{f'; not there: {asked}' if asked else ''}")


async def _remove(chosen: Settings, name: str) -> list[tuple[str, int]]:
    from fhir_server.app import opened
    from fhir_server.loading import guides

    async with opened(chosen) as house:
        return [(p.key, len(p.resources)) for p in await guides.remove(house, name)]
