"""Which process writes next: whoever waits comes before whoever has just written.

https://sqlite.org/c3ref/busy_timeout.html. SQLite lets one connection write at a time and has the others look again
after ever longer pauses, a tenth of a second in the end. A busy process is away for less than a millisecond between two
commits, so that another finds its moment after seconds, if at all. Here one at most waits for the file, looking often,
and holds meanwhile what everybody passes before a commit.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

#: Seconds between two looks: the first ones, and how long they become for who has waited for many commits.
_OFTEN, _SELDOM, _AFTER = 0.0005, 0.005, 40


class Turnstile:
    """The way of one writing connection into its file.

    The lock is on the file's folder, where nothing else takes one, and the system gives it back when a process ends. It
    makes waiting fair and nothing more: that only one writes is SQLite's care, also where a file system has no locks.
    """

    def __init__(self, path: Path, connection: apsw.Connection, seconds: float) -> None:
        """`connection` waits for the file at `path`, from now on, no longer than `seconds`."""
        self._connection = connection
        self._seconds = seconds
        self._until = 0.0
        self._begins = False
        self._folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        connection.set_busy_handler(self._is_busy)

    def begin(self) -> None:
        """Begin a transaction that writes.

        Raises:
            apsw.BusyError: others were writing all the time.
        """
        self._until, self._begins = time.monotonic() + self._seconds, True
        try:
            with self._passing():
                self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._begins = False

    def close(self) -> None:
        """Let go of the folder; a second time does nothing, since its number may be another file's by then."""
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)

    @contextmanager
    def _passing(self) -> Iterator[None]:
        times = 0
        while not (alone := self._taken()) and self._goes_on(times):
            times += 1
        try:
            yield
        finally:
            if alone:
                with suppress(OSError):
                    fcntl.flock(self._folder, fcntl.LOCK_UN)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # Nothing can be held here: as without it.
        return True

    def _is_busy(self, times: int) -> bool:
        """What SQLite asks while another writes, `times` having counted how often it did."""
        if not times and not self._begins:
            # A statement that is a transaction of its own, such as a sweep.
            self._until = time.monotonic() + self._seconds
        return self._goes_on(times)

    def _goes_on(self, times: int) -> bool:
        """Pause before another look; False when the time is over."""
        if time.monotonic() >= self._until:
            return False
        time.sleep(_OFTEN if times < _AFTER else _SELDOM)
        return True
