"""`fhir-server check`: look for defects in what is stored."""

from __future__ import annotations

import asyncio

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Store, err, out, refuse, settings
from fhir_server.settings import Settings


def check(data: Data = None, store: Store = None) -> None:
    """Look for defects in the store; prints each, and ends with 1 when there are any."""
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        found = asyncio.run(defects(chosen))
    for defect in found:
        err.print(defect, markup=False)
    if found:
        raise typer.Exit(WRONG)
    out.print("No defect found.")


async def defects(chosen: Settings) -> list[str]:
    """Each defect in the store, in words."""
    from fhir_server.app import opened

    async with opened(chosen, as_it_is=True) as house:
        if house.engine.maintenance is None:
            refuse("This kind of store is looked through with its own tools.")
        found = [defect async for defect in house.engine.maintenance.check()]
        return found + [defect async for defect in house.content_defects()]
