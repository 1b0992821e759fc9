"""Processes that write to one file take turns: https://sqlite.org/wal.html#concurrency ("only one writer at a time")."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import apsw
import pytest

from fhir_server.store.embedded.connections import open_writer
from fhir_server.store.embedded.turnstile import Turnstile

Opened = Callable[[float], tuple[apsw.Connection, Turnstile]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens further connections to one file, each as another process would."""
    with ExitStack() as stack:

        def one(seconds: float) -> tuple[apsw.Connection, Turnstile]:
            connection = stack.enter_context(closing(open_writer(tmp_path / "store.sqlite", seconds)))
            turnstile = stack.enter_context(closing(Turnstile(tmp_path / "store.sqlite", connection, seconds)))
            return connection, turnstile

        yield one


def is_held(folder: Path) -> bool:
    """Whether somebody waits to write to a file of the folder."""
    seen = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(seen, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(seen)
    return False


def test_who_waits_comes_before_who_has_just_written(opened: Opened, tmp_path: Path) -> None:
    (busy, mine), (other, theirs) = opened(30), opened(30)
    order: list[str] = []

    def waits() -> None:
        theirs.begin()
        order.append("waited")
        other.execute("COMMIT")

    mine.begin()
    waiting = threading.Thread(target=waits)
    waiting.start()
    while not is_held(tmp_path):
        pass
    busy.execute("COMMIT")
    mine.begin()
    order.append("again")
    busy.execute("COMMIT")
    waiting.join()
    assert order == ["waited", "again"]


def test_waiting_ends_when_its_time_is_over_and_the_next_finds_the_file_free(opened: Opened, tmp_path: Path) -> None:
    (busy, mine), (other, theirs) = opened(30), opened(0.05)
    mine.begin()
    with pytest.raises(apsw.BusyError):
        theirs.begin()
    with pytest.raises(apsw.BusyError):
        # A statement that is a transaction of its own waits as long.
        other.execute("CREATE TABLE other(x)")
    assert not is_held(tmp_path)
    busy.execute("CREATE TABLE mine(x)")
    busy.execute("COMMIT")
    theirs.begin()
    other.execute("COMMIT")


_HOLDS = "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX); print(1, flush=True); time.sleep(60)"


def test_a_process_that_is_killed_while_it_waits_holds_up_nobody(opened: Opened, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLDS, str(tmp_path)], stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        assert is_held(tmp_path)
        killed.kill()
    connection, turnstile = opened(30)
    turnstile.begin()
    connection.execute("COMMIT")
