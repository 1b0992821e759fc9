"""Copying a store while it is written to, and putting a copy in its place.

https://sqlite.org/backup.html
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store import private
from fhir_server.store.embedded.connections import said
from fhir_server.store.embedded.schema import VERSION

#: Beside a SQLite file while it is open; what an older file left there must not be read into a new one.
_BESIDE = ("-wal", "-shm", "-journal")


def copy(path: Path, target: Path) -> None:
    """A consistent copy of the store at `path`, as one file at `target`, which is there only when it is complete.

    Raises:
        Unavailable: one of them cannot be opened.
        InsufficientStorage: the disk of `target` is full.
    """
    part = target.with_name(target.name + ".part")
    try:
        # One statement reads one snapshot, so writers neither wait nor make it begin again.
        part.unlink(missing_ok=True)
        private.file(part)
        source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            source.execute("VACUUM INTO ?", (str(part),))
        finally:
            source.close()
        _settle(part)
        os.replace(part, target)
    except apsw.Error as error:
        part.unlink(missing_ok=True)
        raise said(error) from error
    except OSError as error:
        raise Unavailable("The copy cannot be written where it was asked for.") from error


def restore(source: Path, path: Path) -> None:
    """Put the copy `source` in the place of the store `path`, which no server may have open.

    The copy is looked through first; the store that was there stays beside it as `<name>.before-restore`.

    Raises:
        Unavailable: `source` is not a sound store of this server, or `path` is in use.
    """
    require_store(source)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    try:
        if path.exists():
            _closed(path)
        with source.open("rb") as read, private.file(part).open("wb") as write:
            while piece := read.read(1 << 20):
                write.write(piece)
            write.flush()
            os.fsync(write.fileno())
        if path.exists():
            os.replace(path, path.with_name(path.name + ".before-restore"))
        for end in _BESIDE:
            path.with_name(path.name + end).unlink(missing_ok=True)
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise Unavailable("The store cannot be replaced.") from error


def require_store(source: Path) -> None:
    """Refuse a file that is no whole store: SQLite takes an empty file for a database that has nothing in it yet.

    Args:
        source: looked at as it stands, without anything that lies beside it.

    Raises:
        Unavailable: not a store of this server, of a newer one, damaged, or not to be opened.
    """
    try:
        connection = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise Unavailable("The copy cannot be opened.") from error
    try:
        if connection.pragma("application_id") != private.APPLICATION:
            raise Unavailable("The copy is not a store of this server.")
        if int(str(connection.pragma("user_version"))) > VERSION:
            raise Unavailable("The copy was made by a newer server.")
        if connection.pragma("integrity_check") != "ok":
            raise Unavailable("The copy is damaged.")
    except apsw.Error as error:
        raise Unavailable("The copy is damaged, or not a store of this server.") from error
    finally:
        connection.close()


def _closed(path: Path) -> None:
    """Make sure that nobody has the store open, and that its file alone holds all of it."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            # Leaving WAL mode needs the only lock there is.
            connection.execute("PRAGMA journal_mode=DELETE")
        finally:
            connection.close()
    except (apsw.BusyError, apsw.LockedError) as error:
        raise Unavailable("A server has the store open; stop it first.") from error
    except apsw.Error:
        return  # Damaged: which may be why it is being replaced.


def _settle(part: Path) -> None:
    with part.open("rb+") as written:
        os.fsync(written.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
