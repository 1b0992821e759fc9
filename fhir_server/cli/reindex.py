"""`fhir-server reindex`: write the search index anew from the stored resources."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress

from fhir_server.access.policy import WRITER
from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import Data, Store, err, out, refuse, settings
from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse
from fhir_server.search.extract import extract
from fhir_server.search.parameters import Registry
from fhir_server.settings import Settings
from fhir_server.store.filters import Index
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Version

#: Resources re-indexed in one step.
BATCH = 500


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
    from fhir_server.access.grant import OPEN
    from fhir_server.app import opened
    from fhir_server.store.filters import EVERYTHING
    from fhir_server.store.protocol import Position

    count = 0
    async with opened(chosen) as house:
        repository = house.repository(OPEN)
        with Progress(console=err) as bar:
            total = await repository.count(dict.fromkeys(types, EVERYTHING))
            task = bar.add_task("resources", total=total)
            after: Position | None = None
            while True:
                page = await house.engine.store.walk(types, after, BATCH)
                live = [version for version in page.versions if not version.deleted]
                entries = [(version, _index(house.registry, chosen, version)) for version in live]
                await house.engine.store.reindex(entries)
                count += len(live)
                bar.update(task, completed=count)
                after = page.next
                if after is None:
                    return count


def _index(registry: Registry, chosen: Settings, version: Version) -> Index:
    """What can be searched of a version; who wrote a Binary is no element of it and is carried over."""
    index = extract(version.type, parse(version.body), registry, chosen.base_url)
    writers = tuple(word for word in unpack(version.packed).words if word.param == WRITER)
    return msgspec.structs.replace(index, words=(*index.words, *writers)) if writers else index
