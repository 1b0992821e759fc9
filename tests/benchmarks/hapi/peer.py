"""HAPI as a peer: what it is built of, its database, its process, and what is posted to it.

https://hapifhir.io/hapi-fhir/docs/server_jpa/introduction.html. It is tuned as its operators would: no subscriptions, no
full text, mass ingestion, a pool of 32; PostgreSQL has a gigabyte of buffers and is told to ANALYZE once it is filled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.calls import Tree
from tests.benchmarks.servers import free_port

_HERE = Path(__file__).parent
_JAR = "target/hapi-beside-1.jar"
#: Entries of a transaction by which it is filled, and transactions at once.
_TOGETHER, _AT_ONCE = 200, 4
#: Seconds until it must answer: it makes its tables and its search parameters first.
_STARTING = 240
_OWNER = "postgres"
#: In which turn a type is put, the last one when it is none of these.
_RANKS = {"Patient": 0, "Practitioner": 0, "Schedule": 1}


@dataclass(frozen=True, slots=True)
class Peer:
    """A HAPI that runs.

    Attributes:
        port: that it serves FHIR on, under `/fhir`.
        database: what `psql` is given to reach its database.
    """

    port: int
    database: tuple[str, ...]

    def fill(self, trees: Iterable[Tree]) -> tuple[int, float]:
        """Put resources under their ids, what others refer to first; how many, and in how many seconds.

        HAPI keeps a reference to what is not there yet as words, and finds nothing by it.
        """
        began = time.perf_counter()
        ranks: list[list[Tree]] = [[], [], []]
        for tree in trees:
            ranks[_RANKS.get(tree["resourceType"], 2)].append(tree)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for rank in ranks:
                list(pool.map(self._put, [rank[at : at + _TOGETHER] for at in range(0, len(rank), _TOGETHER)]))
        return sum(map(len, ranks)), time.perf_counter() - began

    def analyze(self) -> None:
        """Have PostgreSQL look at what it holds, as its own job would in time."""
        subprocess.run([*self.database, "-qc", "VACUUM ANALYZE"], check=True, stdout=subprocess.DEVNULL)

    def _put(self, trees: Sequence[Tree]) -> None:
        rows = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in trees
        ]
        body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": rows}).encode()
        headers = {"Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{self.port}/fhir", body, headers), timeout=300
        ) as answer:
            answer.read()


def entries(port: int, path: str, token: str = "") -> list[dict[str, Any]]:
    """The resources of the first page that a server answers a search with."""
    headers = {"Accept": "application/fhir+json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers), timeout=300
    ) as answer:
        return [one["resource"] for one in json.load(answer).get("entry", [])]


@contextmanager
def running(folder: Path, memory: str) -> Iterator[Peer]:
    """HAPI over a new database, for as long as the block lasts.

    Args:
        folder: where it is built, or was.
        memory: the most that Java may take, as `-Xmx` says it.
    """
    _built(folder)
    port, there = free_port(), Path(tempfile.mkdtemp(prefix="fhir-bench-hapi-"))
    try:
        with _postgresql(there) as at, _java(folder, port, at, memory, there / "java.log"):
            yield Peer(port, ("psql", "-h", "127.0.0.1", "-p", str(at), "-U", _OWNER, "hapi"))
    finally:
        shutil.rmtree(there, ignore_errors=True)


def _built(folder: Path) -> None:
    jar, sources = folder / _JAR, (_HERE / "pom.xml", *(_HERE / "src").rglob("*.java"))
    if jar.exists() and jar.stat().st_mtime > max(one.stat().st_mtime for one in sources):
        return
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_HERE / "pom.xml", folder)
    shutil.copytree(_HERE / "src", folder / "src", dirs_exist_ok=True)
    subprocess.run(["mvn", "-q", "-B", "package"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _postgresql(there: Path) -> Iterator[int]:
    """A database of its own; PostgreSQL is not run by root."""
    port, data = free_port(), there / "data"
    who = {"user": _OWNER} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(there, _OWNER)
    subprocess.run(
        [_program("initdb"), "-D", data, "-A", "trust", "-U", _OWNER, "-E", "UTF8", "--locale=C"],
        check=True, stdout=subprocess.DEVNULL, **who,
    )  # fmt: skip
    said = f"listen_addresses=127.0.0.1 port={port} unix_socket_directories={there} shared_buffers=1GB max_wal_size=8GB"
    options = [part for one in said.split() for part in ("-c", one)]
    with (there / "postgresql.log").open("wb") as log:
        process = subprocess.Popen([_program("postgres"), "-D", data, *options], stdout=log, stderr=log, **who)
    try:
        ask = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", _OWNER, "-qc", "CREATE DATABASE hapi"]
        for _ in range(100):
            if subprocess.run(ask, check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _program(name: str) -> str:
    """Where Debian keeps what only PostgreSQL's owner runs, the newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(found[0]) if found else name


@contextmanager
def _java(folder: Path, port: int, database: int, memory: str, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["java", f"-Xmx{memory}", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
             f"{_JAR}:target/dependency/*", "beside.Server", str(port),
             f"jdbc:postgresql://127.0.0.1:{database}/hapi?user={_OWNER}"],
            cwd=folder, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        _wait(port, process, log)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _STARTING
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError):
            entries(port, "/fhir/Patient?_count=1")
            return
        time.sleep(0.5)
    raise SystemExit(f"HAPI did not start:\n{log.read_text(errors='replace')[-3000:]}")
