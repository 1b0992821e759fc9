"""`fhir-server backup`: a consistent copy of the store while it is in use."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import Data, Store, out, refuse, settings
from fhir_server.settings import Settings
from fhir_server.store import private


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write the copy.")],
    data: Data = None,
    store: Store = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Copy the store to FILE, and its long content to FILE.blobs, while the server reads and writes."""
    from fhir_server.app import blobs_beside

    chosen = settings(data=data, store=store)
    if file.exists() and not force:
        refuse(f"{file} is there already; --force replaces it.")
    private.folder(file.parent)
    with occupied(chosen):
        asyncio.run(_copy(chosen, file))
    out.print(f"Backed up to {file} ({file.stat().st_size:,} bytes).")
    if blobs_beside(file).is_dir():
        out.print(f"Long content of documents is in {blobs_beside(file)}: the two belong together.")
    if (erasures := file.with_name(f"{file.name}.erasures")).exists():
        out.print(f"Who was erased is in {erasures}, by digests: keep the youngest apart from older copies.")


async def _copy(chosen: Settings, file: Path) -> None:
    from fhir_server.app import blobs_beside, opened

    # Written beside and renamed: a copy that was interrupted is never mistaken for a whole one.
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    async with opened(chosen) as house:
        if house.engine.maintenance is None:
            refuse("This kind of store is copied with its own tools.")
        await house.engine.maintenance.backup(part)
        # What the copy names was there before it was made, and stays.
        await house.blobs.copy(blobs_beside(file))
    # Who was erased by now: putting an older copy back needs the youngest list there is.
    erasures = chosen.data / "erasures"
    if erasures.exists():
        beside = private.file(file.with_name(f"{file.name}.erasures"))
        beside.write_bytes(erasures.read_bytes())
    part.replace(file)
