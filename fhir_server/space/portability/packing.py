"""A ZIP that is written file by file, each read as it is written, and remembered by its size and SHA-256.

APPNOTE.TXT 6.3.10 (ZIP, Zip64): https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. In memory is a piece of
one file at a time, and a line for each file.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from fhir_server.space.paris import PARIS

#: Bytes that are packed at once, beside the event loop.
_LONG = 65_536
#: Permissions of what is unpacked: its owner's alone, and a plain file.
_MODE = 0o100600 << 16


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of the archive.

    Attributes:
        path: in the archive.
        media_type: of it.
        size: bytes; sha256: of them, in hexadecimal digits.
        source: of which resource it is the content, such as "Binary/1"; "" where it was written for the archive.
    """

    path: str
    media_type: str
    size: int
    sha256: str
    source: str = ""


class Packing:
    """An archive being written.

    Attributes:
        files: what is in it, in order.
    """

    def __init__(self, path: Path, at: datetime) -> None:
        """Write to `path`, over what is there; `at` is the time that its files have."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._zip = ZipFile(self._file, "w", allowZip64=True)
        self._at = at.astimezone(PARIS).timetuple()[:6]
        self.files: list[Packed] = []

    async def add(
        self, path: str, media_type: str, pieces: AsyncIterator[bytes], source: str = "", packs: bool = True
    ) -> Packed:
        """Write one file; `packs` says whether it becomes shorter by it, as pictures do not."""
        info = ZipInfo(path, self._at)
        info.compress_type = ZIP_DEFLATED if packs else ZIP_STORED
        info.external_attr = _MODE
        digest, size = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as out:

            def write(piece: bytes) -> None:
                digest.update(piece)
                out.write(piece)

            async for piece in _together(pieces):
                size += len(piece)
                await asyncio.to_thread(write, piece)
        made = Packed(path, media_type, size, digest.hexdigest(), source)
        self.files.append(made)
        return made

    def close(self) -> None:
        """Write the list at its end, durable when this returns."""
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> Packing:
        """It is to be closed, or given up."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """What was given up half written is not a ZIP, and is removed by whoever gave it its path."""
        # Else its list would be written when it is let go of, into a file that is closed.
        self._zip.fp = None
        self._file.close()


async def _together(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces that are worth a thread's time; between two of them others have their turn."""
    held: list[bytes] = []
    length = 0
    async for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= _LONG:
            yield b"".join(held)
            held, length = [], 0
    yield b"".join(held)


async def one(body: bytes | str) -> AsyncIterator[bytes]:
    """What is in memory, as the pieces of a file."""
    yield body.encode() if isinstance(body, str) else body


async def lines(path: Path, first: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of a file from `first` to before `end`, some at a time."""
    with path.open("rb") as file:
        file.seek(first)
        while first < end:
            piece = await asyncio.to_thread(file.read, min(262_144, end - first))
            if not piece:
                return
            first += len(piece)
            yield piece
