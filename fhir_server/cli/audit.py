"""`fhir-server audit`: whether the traces are still those that were stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Store, err, out, refuse, settings
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.audit.verifying import Head, Verdict

audit = typer.Typer(help="The traces of who did what (AuditEvent), and the chain that vouches for them.")

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@audit.callback()
def _audit() -> None:
    """The traces of who did what (AuditEvent), and the chain that vouches for them."""


@audit.command()
def verify(
    data: Data = None,
    store: Store = None,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=_FORMATS, help="Only what was stored since then (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=_FORMATS, help="Only what was stored until then (UTC).")
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="A head that was written down before, PLACE:DIGEST, or a file that has some, such as a log."),
    ] = None,
) -> None:
    """Look through the chain of traces while the server goes on; ends with 1 and names the first broken place.

    The head that is printed, kept elsewhere and given back with --anchor, vouches for all that was stored until then:
    by it, what was cut off the end is found too.
    """
    anchors = tuple(head for text in anchor or () for head in _heads(text))
    chosen = settings(data=data, store=store)
    with occupied(chosen):
        found = asyncio.run(_verify(chosen, _utc(since), _until(until), anchors))
    _say(found)
    if found.broken:
        raise typer.Exit(WRONG)


def _heads(text: str) -> tuple[Head, ...]:
    from fhir_server.audit.verifying import Head

    try:
        found = Head.all_in(text) or Head.all_in(Path(text).read_text("utf-8", errors="replace"))
    except OSError as error:
        refuse(f"--anchor {text}: {error.strerror}, and no head: a number, a colon and 64 hexadecimal digits.")
    return found or refuse(f"--anchor {text}: there is no head in it: a number, a colon and 64 hexadecimal digits.")


async def _verify(
    chosen: Settings, since: datetime | None, until: datetime | None, anchors: tuple[Head, ...]
) -> Verdict:
    from fhir_server.app import opened
    from fhir_server.audit.verifying import verify as verified

    async with opened(chosen) as house:
        return await verified(house.engine, since, until, anchors)


def _say(found: Verdict) -> None:
    if found.older:
        err.print(f"{found.older} traces are older than the chain: nothing vouches for them.")
    for name in found.rewritten[:_MOST_NAMED]:
        err.print(f"{name}: written over by the server since; what it was before is kept.", markup=False)
    if len(found.rewritten) > _MOST_NAMED:
        err.print(f"… and {len(found.rewritten) - _MOST_NAMED} more.")
    if found.erased:
        err.print(f"{found.erased} traces were erased with the records they were about, and that is traced.")
    if found.broken:
        err.print(f"BROKEN: {found.broken}", markup=False)
    else:
        anchored = f", {found.anchored} heads met" if found.anchored else ""
        out.print(f"The chain is whole: {found.verified} traces{anchored}.", markup=False)
    if found.head is not None:
        out.print(f"head {found.head}" if not found.broken else f"whole until {found.head}", markup=False)


_MOST_NAMED = 20


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


def _until(at: datetime | None) -> datetime | None:
    """A day is meant whole."""
    if at is None:
        return None
    whole = timedelta(days=1) if (at.hour, at.minute, at.second) == (0, 0, 0) else timedelta(seconds=1)
    return at.replace(tzinfo=UTC) + whole - timedelta(milliseconds=1)
