"""`fhir-server jobs`: what the server does by itself as time passes, done now or as of another day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import Data, Store, out, settings
from fhir_server.settings import Settings

jobs = typer.Typer(help="What the server does by itself: reminders, deadlines, notices.", no_args_is_help=True)


@jobs.callback()
def _jobs() -> None:
    """What the server does by itself: reminders, deadlines, notices."""


@jobs.command()
def run(
    data: Data = None,
    store: Store = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Do everything as of this day (UTC)."),
    ] = None,
) -> None:
    """Do now what is due; the server may be serving."""
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        asyncio.run(_run(chosen, at))


async def _run(chosen: Settings, at: datetime | None) -> None:
    from fhir_server.app import opened

    async with opened(chosen) as house:
        supposed = at.replace(tzinfo=UTC) if at else None
        done = await (house.clock(lambda: supposed).as_of_now() if supposed else house.clock().run())
        for name, count in done.items():
            out.print(f"{name:20} {count}")
