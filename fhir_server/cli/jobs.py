"""`fhir-server jobs`: what the server does by itself as time passes, done now or as of another day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

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
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="As of this day (UTC, midnight), not of now.")
    ] = None,
) -> None:
    """Do now what is due; the server may be serving."""
    asyncio.run(_run(settings(data=data, store=store), at))


async def _run(chosen: Settings, at: datetime | None) -> None:
    from fhir_server.app import opened

    now = (lambda: at.replace(tzinfo=UTC)) if at else None
    async with opened(chosen) as house:
        for name, count in (await house.clock(now).run()).items():
            out.print(f"{name:20} {count}")
