"""`fhir-server jobs`: what the server does by itself as time passes, done now or as of another day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import Data, Store, out, settings
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.store.leases import Holding

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


@jobs.command("list")
def list_(data: Data = None, store: Store = None) -> None:
    """How each job stands: when it was last done and is due, how much was done, what failed, and who is at it."""
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        rows = asyncio.run(_rows(chosen))
    for row in rows:
        out.print("  ".join(f"{one:{width}}" for one, width in zip(row, _WIDTHS, strict=True)).rstrip(), soft_wrap=True)


_WIDTHS = (18, 20, 20, 8, 28, 0)
_HEADS = ("job", "last done", "due", "done", "failed", "held by, until")


async def _rows(chosen: Settings) -> list[tuple[str, ...]]:
    from fhir_server.app import opened
    from fhir_server.search.activation.reindex import LEASED, progress
    from fhir_server.store.leases import holding

    async with opened(chosen) as house:
        rows: list[tuple[str, ...]] = [_HEADS]
        for one in await house.clock().standings():
            run = one.run
            failed = f"{run.failed} {_when(run.failed_at)}" if run.failed else ""
            due = _when(one.due) if one.due else "each look"
            rows.append((one.name, _when(run.last), due, str(run.done), failed, _held(one.holding)))
        records = house.engine.records
        job, held = await progress(records), await holding(records, LEASED)
        if job is not None or held is not None:
            ended = datetime.fromtimestamp(job.ended / 1000, UTC) if job is not None and job.ended else None
            done = f"{job.done}/{job.total}" if job is not None else ""
            rows.append(("reindex", _when(ended), "when needed", done, "", _held(held)))
        return rows


def _when(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _held(holding: Holding | None) -> str:
    return "" if holding is None else f"{holding.holder} {_when(datetime.fromtimestamp(holding.until, UTC))}"


async def _run(chosen: Settings, at: datetime | None) -> None:
    from fhir_server.app import opened

    async with opened(chosen) as house:
        supposed = at.replace(tzinfo=UTC) if at else None
        done = await (house.clock(lambda: supposed).as_of_now() if supposed else house.clock().run())
        for name, count in done.items():
            out.print(f"{name:20} {count}")
