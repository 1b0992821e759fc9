"""Moving what the write-ahead log holds into the main file, beside the writing and not within it.

https://sqlite.org/wal.html#ckpt. SQLite by itself does this inside some unlucky commit, which then takes hundreds of
milliseconds. Here a thread does it; the writer helps only when the log has grown far beyond what the thread keeps up
with.
"""

from __future__ import annotations

import threading
from pathlib import Path

import apsw

from fhir_server.store.embedded.connections import open_writer

#: Pages of 4 KiB in the log from which the thread starts: the longer the log, the more writes of one page become one.
_SOON = 8_000
#: Pages from which the writer itself finishes the work, so that the log starts anew.
_NOW = 48_000


class Checkpoints:
    """Watches the log of one writing connection."""

    def __init__(self, path: Path, writer: apsw.Connection, busy_seconds: float) -> None:
        """Start the thread, which has a connection of its own."""
        self._writer = writer
        self._pages = 0
        self._wanted = threading.Event()
        self._closed = False
        self._connection = open_writer(path, busy_seconds)
        writer.set_wal_hook(self._grown)
        self._thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, after what it moves now; blocks until then."""
        self._closed = True
        self._wanted.set()
        self._thread.join()
        self._connection.close()

    def _grown(self, _: apsw.Connection, __: str, pages: int) -> int:
        if pages >= _NOW:
            _checkpoint(self._writer)
        elif pages >= _SOON and pages >= self._pages:
            # Not again until as much has been added: a log that readers hold cannot be begun anew.
            self._pages = pages + _SOON
            self._wanted.set()
        if pages < _SOON:
            self._pages = 0
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed:
                return
            _checkpoint(self._connection)


def _checkpoint(connection: apsw.Connection) -> None:
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.Error:  # Another process is at it, or the disk is full: the log keeps what it has.
        return
