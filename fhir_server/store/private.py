"""Files that their owner alone may read: everything the server and its commands keep, whatever the umask.

OWASP ASVS 8.1 and 14.3: a copy of the store, a letter in the outbox or a key says as much as the server does.
SQLite gives what it keeps beside a file (`-wal`, `-shm`) the mode of that file: https://sqlite.org/src/file/src/os_unix.c.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

#: What others may do with a file.
_OTHERS = 0o077
#: Folders of a data folder, which hold nothing but ours.
FOLDERS = ("exports", "keys", "loads", "metrics", "outbox")
#: Derived from a store, and beside it.
CONCEPTS = "concepts.sqlite"
#: Files of a data folder besides the store and what its name begins.
FILES = (CONCEPTS, "demo-password", "demo-key.json", "erasures")
#: What a store and each copy of one begins with, and where its application's number stands: https://sqlite.org/fileformat.html
_MAGIC, _NUMBER = b"SQLite format 3\x00", slice(68, 72)
#: "FHIR" in ASCII, written there: how `file` and `restore` know a store from any other SQLite file.
APPLICATION = 0x46484952
_log = logging.getLogger(__name__)


def by_default() -> None:
    """Let every file that this process and its children make be their owner's alone."""
    os.umask(_OTHERS)


def folder(path: Path) -> Path:
    """`path`, made for its owner alone with those above it when it is not there."""
    if not path.is_dir():
        folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def file(path: Path) -> Path:
    """`path`, an empty file of its owner alone when there is none; its folder likewise."""
    folder(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return path


def repair(data: Path, store: Path) -> None:
    """Take from others what an older version, or another hand, let them read; a warning says how much that was.

    Args:
        data: the data folder: what is ours in it, and the folder itself where nobody else keeps anything.
        store: the file of the store, with all whose name begins with its own.
    """
    closed = sum(_close(path) for path in dict.fromkeys(_ours(data, store)))
    if closed:
        _log.warning("%d files or folders of the data were open to others, and are their owner's alone now.", closed)


def _ours(data: Path, store: Path) -> Iterator[Path]:
    entries = [path for path in data.iterdir() if not path.is_symlink()] if data.is_dir() else []
    own = [path for path in entries if path.name in FOLDERS or _is_ours(path, (store.name, *FILES))]
    # A folder with other things in it, such as /var, or one that everybody writes into, is not this server's to close.
    if data.is_dir() and len(own) == len(entries) and not data.stat().st_mode & stat.S_ISVTX:
        yield data
    yield from own
    for name in FOLDERS:
        for place, folders, files in os.walk(data / name):
            yield Path(place)
            yield from (Path(place, one) for one in (*folders, *files))
    for name in (store.name, CONCEPTS):
        yield from store.parent.glob(f"{name}*")


def _is_ours(path: Path, names: tuple[str, ...]) -> bool:
    """Whether a file is of this server, by its name or as a copy of a store."""
    if path.name.startswith(names):
        return True
    try:
        with path.open("rb") as opened:
            head = opened.read(_NUMBER.stop)
    except OSError:
        return False
    return head.startswith(_MAGIC) and head[_NUMBER] == APPLICATION.to_bytes(4, "big")


def _close(path: Path) -> bool:
    """Whether others had rights to `path`, which are gone."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or not found.st_mode & _OTHERS:
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
    except FileNotFoundError:
        return False
    except OSError as error:
        _log.warning("A file or folder of the data stays open to others: %s.", error.strerror)
        return False
    return True
