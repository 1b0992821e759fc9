"""`fhir-server restore`: put a backup in the store's place."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Annotated

import typer

from fhir_server.cli.check import defects
from fhir_server.cli.occupancy import SCHEME, occupied, store_file
from fhir_server.cli.options import WRONG, Data, Store, err, out, refuse, settings
from fhir_server.fhir.outcome import FhirError
from fhir_server.settings import Settings
from fhir_server.store import private

#: What SQLite keeps beside a database; it belongs to the file it was written for.
COMPANIONS = ("-wal", "-shm", "-journal")


def restore(
    file: Annotated[Path, typer.Argument(help="The backup to restore.")],
    data: Data = None,
    store: Store = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the store that is there.")] = False,
    erasures: Annotated[
        list[Path] | None, typer.Option(help="A list of who was erased since, such as that of a younger backup.")
    ] = None,
) -> None:
    """Put the backup FILE, with FILE.blobs, in the store's place once it is checked. Refused while a server uses it.

    Who was erased since the backup was made is erased again, by the list in the data folder (`erasures`), that beside
    the backup and those that are named.
    """
    chosen = settings(data=data, store=store)
    target = store_file(chosen)
    if target is None:
        refuse("restore knows embedded stores (sqlite:///PATH) only.")
    if not file.is_file():
        refuse(f"{file} is {'no file' if file.exists() else 'not there'}.")
    if target.exists() and not force:
        refuse(f"There is a store at {target}; --force replaces it.")
    with occupied(chosen, alone=True, new=True) as free:
        if not free:
            refuse(f"The store at {target} is in use: stop the server first.")
        _join(chosen, [file.with_name(f"{file.name}.erasures"), *(erasures or ())])
        _replace(chosen, file, target)
        # Opening it erases whom the list names and the backup brought back.
        asyncio.run(_opened(chosen))
    out.print(f"Restored {target} from {file}.")
    if (chosen.data / "erasures").exists():
        out.print("Who was erased since it was made is erased again.")


async def _opened(chosen: Settings) -> None:
    from fhir_server.app import opened

    async with opened(chosen):
        return


def _join(chosen: Settings, lists: list[Path]) -> None:
    from fhir_server.space.accounts.erasing.ledger import NAME, Ledger

    ledger = Ledger(chosen.data / NAME)
    for one in lists:
        try:
            ledger.join(one)
        except ValueError as error:
            refuse(f"{one}: {error}", WRONG)


def _replace(chosen: Settings, file: Path, target: Path) -> None:
    from fhir_server.app import blobs_beside, require_store
    from fhir_server.store.blobs.copying import brought_up_to_date, same

    blobs = blobs_beside(file)
    part = target.with_name(target.name + ".restoring")
    _remove(part)
    shutil.copyfile(file, private.file(part))
    if blobs.is_dir():
        # Looked through where it is: it may be many times as large as the store.
        blobs_beside(part).symlink_to(blobs.absolute(), target_is_directory=True)
    copied = chosen.model_copy(update={"store": f"{SCHEME}{part}"})
    try:
        require_store(copied.store_url)
        found = asyncio.run(defects(copied))
    except FhirError as error:
        found = [str(error)]
    if found:
        _remove(part)
        for defect in found:
            err.print(defect, markup=False)
        refuse(f"{file} is not a sound backup; nothing was changed.", WRONG)
    # Content first, beside what is there: whichever of the two stores a crash leaves has all that it names.
    brought_up_to_date(blobs, blobs_beside(target))
    # The old store's log goes first: beside another database it would be read as that one's own.
    for companion in COMPANIONS:
        Path(f"{target}{companion}").unlink(missing_ok=True)
    part.replace(target)
    _remove(part)
    same(blobs, blobs_beside(target))


def _remove(file: Path) -> None:
    for name in (str(file), f"{file}.blobs", *(f"{file}{companion}" for companion in COMPANIONS)):
        Path(name).unlink(missing_ok=True)
