"""How content lies in a file: its bytes, then a checksum of each chunk, by which any part of it is checked alone.

CRC-32 (RFC 1952 §8) finds what disks and memory do to bytes, at a fifth of what a digest costs; a digest of the whole
is checked by `fhir-server check`. The table's own checksum stands with the handle, in the database.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from zlib import crc32

from fhir_server.fhir.outcome import Damaged
from fhir_server.store.blobs.protocol import CHUNK
from fhir_server.store.content import Content

#: Bytes of a checksum.
_SUM = 4


class Writing:
    """Content being written to an open file. Not for the event loop: it writes.

    Attributes:
        size: bytes taken so far.
    """

    __slots__ = ("_file", "_rest", "_sha256", "_table", "size")

    def __init__(self, file: int) -> None:
        """`file` is empty, and stays open."""
        self._file = file
        self._rest = bytearray()
        self._sha256 = hashlib.sha256()
        self._table = bytearray()
        self.size = 0

    def take(self, piece: bytes) -> None:
        """The bytes that come next; whole chunks of them are written at once."""
        self.size += len(piece)
        self._rest += piece
        while len(self._rest) >= CHUNK:
            self._write(bytes(self._rest[:CHUNK]))
            del self._rest[:CHUNK]

    def end(self) -> tuple[bytes, int]:
        """Write the table and make all of it durable; the SHA-256, and what the table is checked by."""
        if self._rest:
            self._write(bytes(self._rest))
        _write_all(self._file, self._table)
        os.fsync(self._file)
        return self._sha256.digest(), crc32(self._table)

    def _write(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        self._table += crc32(chunk).to_bytes(_SUM)
        _write_all(self._file, chunk)


class Reading:
    """Content in an open file, whose table is right. Not for the event loop: it reads."""

    __slots__ = ("_file", "_size", "_table")

    def __init__(self, file: int, content: Content) -> None:
        """`file` stays open.

        Raises:
            Damaged: it is too short or too long, or its table was changed.
        """
        chunks = -(-content.size // CHUNK)
        self._file = file
        self._size = content.size
        self._table = os.pread(file, chunks * _SUM, content.size)
        whole = os.fstat(file).st_size == content.size + chunks * _SUM
        if not whole or crc32(self._table) != content.checked:
            raise damaged()

    def chunk(self, number: int) -> bytes:
        """The chunk of that number, from 0.

        Raises:
            Damaged: it is not as it was written.
        """
        at = number * CHUNK
        found = os.pread(self._file, min(CHUNK, self._size - at), at)
        if crc32(found).to_bytes(_SUM) != self._table[number * _SUM : (number + 1) * _SUM]:
            raise damaged()
        return found

    def chunks(self) -> Iterator[bytes]:
        """All of it, as `chunk`."""
        return map(self.chunk, range(-(-self._size // CHUNK)))


def damaged() -> Damaged:
    """What whoever asked for it is told."""
    return Damaged("The content of this resource is damaged or lost; the server's administrator has been told.")


def _write_all(file: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
