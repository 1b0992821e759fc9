"""Who is using an embedded store right now, so that it is not replaced under them.

Everyone who opens the store holds a shared lock on `<store>.lock`; `restore` takes it alone. The kernel lets go of
a lock when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fhir_server.cli.options import err, refuse
from fhir_server.settings import Settings
from fhir_server.store import private

SCHEME = "sqlite:///"


def store_file(settings: Settings) -> Path | None:
    """The file of an embedded store; None for another engine."""
    url = settings.store_url
    return Path(url.removeprefix(SCHEME)) if url.startswith(SCHEME) else None


@contextmanager
def occupied(settings: Settings, alone: bool = False, *, new: bool = False) -> Iterator[bool]:
    """Hold the store's lock, shared or `alone`; gives whether it could be had (a shared lock is waited for).

    Args:
        settings: whose store.
        alone: nobody else may have it.
        new: whether a store that is not there is made, which is said. Elsewhere a mistyped folder would be an empty
            store in which all is well.

    Raises:
        typer.Exit: there is no store, and none is to be made (code 2); it says where it was looked for.
    """
    file = store_file(settings)
    if file is None:
        yield True
        return
    if not _is_there(file):
        if not new:
            refuse(f"There is no store at {file}: --data or FHIR_DATA names its folder, --store or FHIR_STORE its URL.")
        err.print(f"A new store at {file}.")
    with private.file(Path(f"{file}.lock")).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def borrowed(settings: Settings) -> Iterator[Settings]:
    """Settings for a command that only looks: those given, or without a store those of an empty one that then goes."""
    file = store_file(settings)
    if file is None or _is_there(file):
        with occupied(settings):
            yield settings
        return
    with TemporaryDirectory(prefix="fhir-server-") as folder:
        yield settings.model_copy(update={"data": Path(folder), "store": ""})


def _is_there(file: Path) -> bool:
    """Whether there is a store. An empty file is none: what was cut off before its first byte would pass for sound."""
    return file.is_file() and file.stat().st_size > 0
