"""`fhir-server reindex`: write the search index anew from the stored resources."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer
from rich.progress import Progress

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.one_at_a_time import alone
from fhir_server.cli.options import Data, Store, err, out, refuse, settings
from fhir_server.fhir.definitions import resource_types
from fhir_server.settings import Settings


def reindex(
    types: Annotated[list[str] | None, typer.Option("--type", help="Only this resource type; may be repeated.")] = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Index every stored resource again, while the server serves."""
    chosen = settings(data=data, store=store)
    unknown = sorted(set(types or ()) - resource_types())
    if unknown:
        refuse(f"Not a resource type: {', '.join(unknown)}.")
    began = time.monotonic()
    with occupied(chosen):
        count = asyncio.run(_again(chosen, sorted(types or resource_types())))
    out.print(f"{count:,} resources indexed in {time.monotonic() - began:.1f} s.")


async def _again(chosen: Settings, types: list[str]) -> int:
    from fhir_server.app import opened
    from fhir_server.loading.reindexing import reindex_all

    async with opened(chosen) as house:
        with Progress(console=err.console) as bar:
            task = bar.add_task("resources", total=None)

            def tell(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            return await alone(house.engine.records, "reindex", lambda: reindex_all(house, types, tell))
