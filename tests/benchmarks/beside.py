"""Common requests, launches, pages and memory, of this build and of another, in turns of one run.

Turns are short and the builds take them one after the other, so that what others do on the machine falls on both alike;
a figure is the median of its turns, and processor time the least. Each build fills a store of its own, with the same
people.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.engine import fill
from tests.benchmarks.scenarios import Filled, create, search, sorted_search, transaction
from tests.benchmarks.servers import (
    ROOT,
    Figure,
    free_port,
    get,
    measure,
    measured,
    of_its_own,
    resident,
    running,
    serving,
)
from tests.benchmarks.smart import LAUNCH, REDIRECT
from tests.benchmarks.timing import table, told

CONNECTIONS = (1, 32)
TURNS = 5
#: Seconds after a start until what it puts off is made.
SETTLED = 3.0
#: Run in each build: who gets in, as JSON. What is kept differs from build to build, the names it is made by do not.
_PREPARE = """
import asyncio, json, sys
from pathlib import Path
from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.smart import lifetimes
from fhir_server.smart.people.accounts import Account
from tests.benchmarks import smart

lifetimes.ACCESS = 86_400

async def main(folder, base):
    space = await smart._prepared(folder, base)
    async with opened(Settings(data=folder, base_url=base)) as house:
        clerk = Account("desk", "desk", "Alix DEMO", "Person/alix", duties=("administrator",))
        await house.authorization.accounts.add(clerk)
        desk = await house.authorization.sessions.begin(clerk.id, "two-factors")
        files = await house.repository().find({"Task": smart.EVERYTHING}, count=200)
        some = await house.repository().find({"DocumentReference": smart.EVERYTHING}, count=1000)
    names = [f"DocumentReference/{v.id}" for v in some.versions]
    kept = [v.id for v in files.versions if b"ens-task-referencing" in v.body]
    print(json.dumps({"cookie": space.cookie, "tokens": space.tokens, "reports": space.reports, "desk": desk, "files": kept, "names": names}))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@dataclass(frozen=True, slots=True)
class Build:
    """One of the builds that are measured.

    Attributes:
        folder: its checkout.
        filled: its store.
        port: that it serves on.
        known: cookies, tokens and addresses of its people.
    """

    folder: Path
    filled: Filled
    port: int
    known: dict[str, Any]

    @property
    def base(self) -> str:
        return _base(self.port)


#: One turn: what a server of the build, with that process id, gives at so many connections in so many seconds.
Turn = Callable[[Build, int, int, float], Figure]
Measured = dict[tuple[str, int], list[list[Figure]]]


def beside(base: Path, other: Path, resources: int, seconds: float) -> Iterator[str]:
    """The tables of requests and of memory, the build in the folder `other` first."""
    builds = [_prepared(base / name, folder, resources) for name, folder in (("then", other.resolve()), ("now", ROOT))]
    rates: Measured = {}
    memory = [
        *_served("open", builds, _OPEN, rates, seconds, "--open", FHIR_AUDIT="off"),
        *_served("closed", builds, _CLOSED, rates, seconds, FHIR_AUDIT="auto"),
    ]
    yield table(_RATES, [_compared(*what, *figures) for what, figures in rates.items()])
    yield table(("A worker's memory", "resident before", "now", "ratio", "of its own before", "now", "ratio"), memory)


_RATES = ("One request", "connections", "before /s", "now /s", "ratio", "before CPU", "now CPU", "ratio CPU")


def _prepared(store: Path, folder: Path, resources: int) -> Build:
    filled, port = fill(store, resources, folder), free_port()
    done = subprocess.run(
        [sys.executable, "-c", _PREPARE, str(filled.folder), _base(port)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return Build(folder, filled, port, json.loads(done.stdout))


def _base(port: int) -> str:
    return f"http://127.0.0.1:{port}/fhir"


def _served(
    kind: str, builds: list[Build], turns: dict[str, Turn], rates: Measured, seconds: float, *options: str, **more: str
) -> Iterator[tuple[str, ...]]:
    """Measure `turns` into `rates`, of a server of each build; the rows of what those hold at first and at last."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                running(
                    *serving(one.filled.folder, one.port, *options),
                    port=one.port,
                    build=one.folder,
                    PYTHONPATH=str(one.folder),
                    FHIR_BASE_URL=one.base,
                    **more,
                )
            )
            for one in builds
        ]
        time.sleep(SETTLED)
        yield _held(f"{kind}, {SETTLED:.0f} s after its start", servers)
        for name, turn in turns.items():
            for connections in CONNECTIONS:
                found: list[list[Figure]] = [[] for _ in builds]
                for _ in range(TURNS):
                    for one, server, figures in zip(builds, servers, found, strict=True):
                        figures.append(turn(one, server, connections, seconds / TURNS))
                rates[name, connections] = found
        yield _held(f"{kind}, after all of these requests", servers)


def _sent(requests: Callable[[Build], list[bytes]]) -> Turn:
    def turn(build: Build, server: int, connections: int, seconds: float) -> Figure:
        return measure(build.port, requests(build), connections, seconds, server)

    return turn


def _launched(build: Build, server: int, connections: int, seconds: float) -> Figure:
    order = {
        "client": "app",
        "redirect": REDIRECT,
        "scope": LAUNCH,
        "base": build.base,
        "cookie": build.known["cookie"],
    }
    return measured("flows", build.port, connections, seconds, server, kind="launch", **order)


def _reports(build: Build) -> list[bytes]:
    tokens = build.known["tokens"]
    return [get(f"/fhir/DocumentReference/{id}", tokens[patient]) for patient, id in build.known["reports"]]


def _page(build: Build, path: str) -> bytes:
    cookies = f"session={build.known['desk']}; browser={'b' * 43}"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{build.port}\r\nAccept: text/html\r\nCookie: {cookies}\r\n\r\n".encode()


_OPEN: dict[str, Turn] = {
    "read": _sent(lambda one: [get(f"/fhir/{name}") for name in one.known["names"]]),
    "one patient's documents, 20 a page": _sent(lambda one: search(one.filled).ours),
    "type and date, sorted, all patients": _sent(lambda one: sorted_search(one.filled).ours),
    "create": _sent(lambda one: create(one.filled).ours),
    "transaction of 10": _sent(lambda one: transaction(one.filled).ours),
}
_CLOSED: dict[str, Turn] = {
    "read with a patient's token, traced": _sent(_reports),
    "launch: authorize, continue, code → token": _launched,
    "the desk of referencing": _sent(lambda one: [_page(one, "/referencement")]),
    "a file of it": _sent(lambda one: [_page(one, f"/referencement/{id}") for id in one.known["files"]]),
}


def _compared(name: str, connections: int, before: list[Figure], now: list[Figure]) -> tuple[str, ...]:
    was, is_now = (statistics.median(one.rate for one in figures) for figures in (before, now))
    cost, costs = (min(one.cpu for one in figures) for figures in (before, now))
    errors = sum(one.errors for one in (*before, *now))
    return (
        name + (f" ({errors} refused)" if errors else ""), str(connections), f"{was:,.0f}", f"{is_now:,.0f}",
        f"{is_now / was:.2f}" if was else "", told(cost), told(costs), f"{cost / costs:.2f}" if costs else "",
    )  # fmt: skip


def _held(name: str, servers: list[int]) -> tuple[str, ...]:
    cells: list[str] = []
    for told_of in (resident, of_its_own):
        before, now = map(told_of, servers)
        cells += [f"{before:.0f} MB", f"{now:.0f} MB", f"{now / before:.2f}" if before else ""]
    return name, *cells
