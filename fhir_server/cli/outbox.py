"""`fhir-server outbox`: messages to people that could not be sent, seen and tried again. None says to whom."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import Data, Store, out, settings
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.jobs.outbox import Notice

outbox = typer.Typer(help="Messages to people that could not be sent.", no_args_is_help=True)


@outbox.callback()
def _outbox() -> None:
    """Messages to people that could not be sent."""


@outbox.command("list")
def list_(data: Data = None, store: Store = None) -> None:
    """Those that were given up: key, channel, tries, what failed last, and since when."""
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        for key, one in asyncio.run(_dead(chosen)):
            since = datetime.fromtimestamp(one.since, UTC)
            out.print(f"{key}  {one.channel}  {one.tried}  {one.failed}  {since:%Y-%m-%d %H:%M:%S}", soft_wrap=True)


@outbox.command()
def retry(
    key: Annotated[str, typer.Argument(help="Key of one, as `list` has it; all of them without.")] = "",
    data: Data = None,
    store: Store = None,
) -> None:
    """Have them tried again from the beginning, once what failed is mended."""
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        out.print(str(asyncio.run(_retry(chosen, key))))


async def _dead(chosen: Settings) -> list[tuple[str, Notice]]:
    from fhir_server.app import opened

    async with opened(chosen) as house:
        return [one async for one in house.services.outbox.dead()]


async def _retry(chosen: Settings, key: str) -> int:
    from fhir_server.app import opened

    async with opened(chosen) as house:
        waiting = house.services.outbox
        keys = [key] if key else [one async for one, _ in waiting.dead()]
        return sum([await waiting.revive(one) for one in keys])
