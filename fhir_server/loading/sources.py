"""What `load` reads: JSON files (a Bundle or one resource) and NDJSON, gzipped or not, in folders or named one by one.

https://hl7.org/fhir/R4/nd-json.html
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

#: Ends of names → whether each line is a resource.
KINDS = {".json": False, ".ndjson": True, ".jsonl": True}
#: A part of an NDJSON file ends after so many lines or bytes, whichever comes first.
PART_LINES, PART_BYTES = 400, 2_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a file, small enough to be handled at once.

    Attributes:
        body: a JSON document, or lines.
        lines: which of the two.
        first: number of its first line, from 1 (1 for a document).
        count: how many lines it has.
        end: how far into the file, as stored, it was read; bytes.
    """

    body: bytes
    lines: bool
    first: int
    count: int
    end: int


def files(paths: Iterable[Path]) -> list[Path]:
    """The files to read: those named, and those of a known kind in the folders named, by name.

    Raises:
        FileNotFoundError: a path is not there.
        ValueError: a file named is of no known kind.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(inner for inner in path.rglob("*") if inner.is_file() and _suffix(inner) in KINDS)
        elif not path.is_file():
            raise FileNotFoundError(f"{path} is {'no file or folder' if path.exists() else 'not there'}.")
        elif _suffix(path) not in KINDS:
            raise ValueError(f"{path}: a name ending in .json, .ndjson or .jsonl, or one of these and .gz, is needed.")
        else:
            found.append(path)
    return found


def digest(file: Path) -> str:
    """What tells the file's content from any other: a SHA-256 of it, unpacked, and of whether it is read by lines.

    A file that cannot be unpacked to its end is told by its bytes as they are.
    """
    found = hashlib.sha256(b"lines" if KINDS[_suffix(file)] else b"document")
    with file.open("rb") as raw:
        try:
            for block in _blocks(gzip.GzipFile(fileobj=raw) if file.suffix == ".gz" else raw):
                found.update(block)
        except (OSError, EOFError, zlib.error):
            raw.seek(0)
            found = hashlib.sha256(b"damaged")
            for block in _blocks(raw):
                found.update(block)
    return found.hexdigest()


def _blocks(stream: BufferedIOBase) -> Iterator[bytes]:
    while block := stream.read(1 << 20):
        yield block


def parts(file: Path, after: int = 0) -> Iterator[Part]:
    """The parts of a file that follow its first `after` lines, in order.

    Raises:
        OSError, EOFError: it cannot be read, or is not whole gzip.
    """
    with file.open("rb") as raw:
        stream: BufferedIOBase = gzip.GzipFile(fileobj=raw) if file.suffix == ".gz" else raw
        if not KINDS[_suffix(file)]:
            if after == 0:
                yield Part(stream.read(), False, 1, 1, file.stat().st_size)
            return
        yield from _lines(stream, raw, after)


def _lines(stream: BufferedIOBase, raw: BufferedIOBase, after: int) -> Iterator[Part]:
    lines: list[bytes] = []
    size, number = 0, 0
    for line in stream:
        number += 1
        if number <= after:
            continue
        lines.append(line)
        size += len(line)
        if len(lines) >= PART_LINES or size >= PART_BYTES:
            yield Part(b"".join(lines), True, number - len(lines) + 1, len(lines), raw.tell())
            lines, size = [], 0
    if lines:
        yield Part(b"".join(lines), True, number - len(lines) + 1, len(lines), raw.tell())


def _suffix(file: Path) -> str:
    return Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
