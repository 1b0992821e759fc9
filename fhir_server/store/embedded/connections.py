"""Opening the SQLite file the way this engine needs it, and saying SQLite's errors in FHIR's words.

https://sqlite.org/wal.html, https://sqlite.org/rescode.html
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TypeVar

import apsw

from fhir_server.fhir.outcome import FhirError, InsufficientStorage, TooCostly, Unavailable

#: Pages of 4 KiB: a resource touches some dozens of leaves, each of which a commit writes whole.
#: The file is not mapped: of 600,000 documents neither searches nor lots take less, and each connection would count it.
#: synchronous=FULL: what was acknowledged survives a power cut, not only a crash of this process.
_COMMON = """
PRAGMA page_size=4096;
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
PRAGMA temp_store=MEMORY;
PRAGMA foreign_keys=OFF;
"""
#: 4 MiB for each connection, of which a worker has up to six: what is not in the cache is in that of the system, and
#: with four times as much neither commits nor searches take less.
_CACHE = "PRAGMA cache_size=-4096"
#: Of a connection that writes: where rows of the index wait, in memory, until one statement moves them (`batch.py`).
_ARRIVING = """
CREATE TEMP TABLE arriving_word(rid, param, value, qualifier, grp);
CREATE TEMP TABLE arriving_span(rid, param, low, high, code, system, grp, form, many);
"""
#: SQLite asks whether to go on each time it has done this many instructions, a tenth of a millisecond: most reads are
#: done by then. Each asking takes Python's lock back, and the first one asks the system for the time.
_INSTRUCTIONS = 5_000
#: In a thread, where each asking waits for the event loop to let it: half a millisecond.
INSTRUCTIONS_OF_A_THREAD = 20_000

T = TypeVar("T")
_log = logging.getLogger(__name__)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Clock:
    """Ends what a connection is doing when its time is over, or when it has done more than it was worth trying."""

    def __init__(self, connection: apsw.Connection, instructions: int | None = None) -> None:
        """Watch `connection` each time it has done so many instructions; nothing is limited yet."""
        self._connection = connection
        self._instructions = instructions or _INSTRUCTIONS
        self._deadline = inf
        self._work = inf
        self._began: float | None = None
        self._left = inf
        self._given_up = False
        connection.set_progress_handler(self._is_over, self._instructions)

    def start(self, seconds: float, work: float = inf) -> None:
        """What is begun now may take `seconds`, and `work` seconds of this thread's own processor time.

        Then it raises `apsw.InterruptError`. Work is counted from the first look on: most reads are done before it, and
        asking for the processor's time is a call of the system, each of which lets others go first.
        """
        self._deadline = time.monotonic() + seconds
        self._work = work
        self._began = None
        self._left = inf

    @property
    def worked(self) -> float:
        """Seconds of processor time since the first look at what was begun last; 0 when it was done before."""
        return 0.0 if self._began is None else time.thread_time() - self._began

    def attempt(self, attempt: Callable[[], T], instructions: float) -> T | None:
        """What `attempt` returns, or None when it took more than about that many of SQLite's instructions."""
        self._left, self._given_up = instructions, False
        try:
            return attempt()
        except apsw.InterruptError:
            if self._given_up:
                return None
            raise
        finally:
            self._left = inf

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            # An end that was itself ended for being late would leave the connection inside the transaction.
            self._deadline = self._work = self._left = inf
            self._connection.execute("COMMIT")

    def _is_over(self) -> bool:
        self._left -= self._instructions
        self._given_up = self._left < 0
        if self._given_up or time.monotonic() > self._deadline:
            return True
        if self._work == inf:
            return False
        if self._began is None:
            self._began = time.thread_time()
        return self.worked > self._work


def open_writer(path: Path, busy_seconds: float) -> apsw.Connection:
    """The connection that writes; creates the file when it is not there.

    Raises:
        Unavailable: the file cannot be opened or is not a database.
    """
    connection = _open(path, busy_seconds)
    # What is deleted is overwritten: nothing erased is found in the free parts of the file. Each by itself, since
    # a pragma that answers with a row holds up those behind it.
    for name, value in (("wal_autocheckpoint", 0), ("journal_size_limit", 67_108_864), ("secure_delete", 1)):
        connection.pragma(name, value)
    connection.execute(_CACHE)
    connection.execute(_ARRIVING)
    return connection


def open_reader(path: Path, busy_seconds: float) -> apsw.Connection:
    """A connection for reading only.

    Raises:
        Unavailable: the file cannot be opened or is not a database.
    """
    connection = _open(path, busy_seconds)
    connection.execute(f"{_CACHE}; PRAGMA query_only=ON")
    return connection


def _open(path: Path, busy_seconds: float) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), statementcachesize=1000)
        connection.set_busy_timeout(int(busy_seconds * 1000))
        # A plan goes by no value: else it is made anew with each one that is bound, which costs more than most reads.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        # To its end: what comes behind a pragma that answers with a row is done when that row is fetched.
        connection.execute(_COMMON).fetchall()
    except apsw.Error as error:
        raise said(error) from error
    return connection


def said(error: apsw.Error, connection: apsw.Connection | None = None) -> FhirError:
    """What a client is told of a storage error: 503 or 507, with `Retry-After`, and no detail of the file system."""
    number = connection.system_errno if connection is not None else 0
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and number in _FULL):
        return InsufficientStorage("The disk of the store is full; nothing was written.", headers={"Retry-After": "60"})
    if isinstance(error, apsw.SQLError):
        _log.error("SQLite refused a statement: %s", error)
    for kind, status, words, seconds in _WORDS:
        if isinstance(error, kind):
            return status(words, headers={"Retry-After": seconds} if seconds else None)
    return Unavailable("The store could not answer; nothing was written.", headers={"Retry-After": "5"})


#: SQLite's error, what becomes of it, in words, seconds for Retry-After ("" where a retry cannot help).
_WORDS: tuple[tuple[tuple[type[apsw.Error], ...], type[FhirError], str, str], ...] = (
    ((apsw.BusyError, apsw.LockedError), Unavailable, "The store is locked by another process.", "1"),
    ((apsw.ReadOnlyError,), Unavailable, "The store is read-only for now; nothing was written.", "30"),
    ((apsw.CantOpenError, apsw.PermissionsError, apsw.AuthError), Unavailable, "The store cannot be opened.", "30"),
    ((apsw.CorruptError, apsw.NotADBError), Unavailable, "The file of the store is damaged.", "60"),
    ((apsw.InterruptError,), TooCostly, "The query takes longer than this server allows; narrow it.", ""),
    (
        (apsw.SQLError, apsw.RangeError, apsw.TooBigError),
        TooCostly,
        "The query has more parts than the store can join.",
        "",
    ),
)
