"""A copy of all content, brought up to date: since no file ever changes, those that are there already stay."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from fhir_server.fhir.outcome import InsufficientStorage, Unavailable
from fhir_server.store import private

#: What of the folder is content. What is on its way in is nobody's yet.
_FOLDERS = ("new", "kept")


def brought_up_to_date(folder: Path, target: Path) -> int:
    """Copy what `target` has not; says how many files that was. What is no longer in `folder` stays.

    Raises:
        Unavailable: `target` cannot be written.
        InsufficientStorage: its disk is full.
    """
    copied = 0
    try:
        for name in _FOLDERS:
            for place, _, files in os.walk(folder / name):
                for file in files:
                    copied += _copied(Path(place, file), private.folder(target / Path(place).relative_to(folder)))
                    if name == "kept":
                        # An earlier copy may have it from before it was settled.
                        (target / "new" / file).unlink(missing_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InsufficientStorage("The disk of the copy is full.") from error
        raise Unavailable("The content cannot be copied where it was asked for.") from error
    return copied


def same(folder: Path, target: Path) -> int:
    """Remove from `target` what `folder` has not; says how much that was."""
    there = {file for name in _FOLDERS for _, _, files in os.walk(folder / name) for file in files}
    removed = 0
    for name in _FOLDERS:
        for place, _, files in os.walk(target / name):
            for file in files:
                if file not in there:
                    Path(place, file).unlink(missing_ok=True)
                    removed += 1
    return removed


def _copied(source: Path, folder: Path) -> bool:
    target = folder / source.name
    try:
        if target.exists() and target.stat().st_size == source.stat().st_size:
            return False
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(source, private.file(part))
    except FileNotFoundError:
        # It was settled, or left over and removed, since the folder was read: of what the copied store names, all is
        # settled or new, and the settled are copied last.
        return False
    with part.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(part, target)
    return True
