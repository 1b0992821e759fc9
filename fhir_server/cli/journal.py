"""How far each file has been loaded, kept in the data folder so that an interrupted `load` can go on."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec


class Progress(msgspec.Struct):
    """How far one file is.

    Attributes:
        file: its name when it was last loaded; its content is what counts.
        salt: with the file's digest and a place in it, what makes the id of a resource that has none. The same on
            every run, so that running again never makes a resource twice; not to be guessed from the file.
        lines: how many lines are behind us, for a document 1 when it is done.
        done: whether nothing is left.
        loaded: resources written, or found there as they should be.
        refused: what was not taken, in words; at most `KEPT`.
        refusals: how many were refused in all.
    """

    file: str
    salt: str
    lines: int = 0
    done: bool = False
    loaded: int = 0
    refused: list[str] = []
    refusals: int = 0


KEPT = 200


class Journal:
    """The progress of every file ever loaded into a store."""

    def __init__(self, folder: Path) -> None:
        """Kept in `folder`, one small file each."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, digest: str, file: Path) -> Progress:
        """The progress of the content with that digest; a new one when it was never begun."""
        try:
            return msgspec.json.decode((self._folder / f"{digest}.json").read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return Progress(file.name, secrets.token_hex(16))

    def keep(self, digest: str, progress: Progress) -> None:
        """Write it down, whole or not at all."""
        target = self._folder / f"{digest}.json"
        part = target.with_suffix(f".{os.getpid()}")
        part.write_bytes(msgspec.json.encode(progress))
        part.replace(target)
