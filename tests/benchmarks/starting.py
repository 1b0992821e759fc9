"""How long a start takes and what it holds: of a server with every national profile, of guides, and of a first judgement.

Each in a process of its own, the median of several.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.servers import ROOT, command, free_port, resident, running, serving, worked
from tests.benchmarks.timing import table
from tests.examples import shared_data

TIMES = 5

#: What judges a first resource by each national profile, in a process that has compiled nothing.
_FIRST = """
import time
began = time.perf_counter()
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from fhir_server.validation.shipped import supported
imported = time.perf_counter()
judge = Validator(Profiles())
urls = [url for urls in supported().values() for url in urls]
for url in urls:
    judge.conformance.schema(url)
print(imported - began, time.perf_counter() - imported, len(urls), sep=";")
"""


def starting(base: Path) -> Iterator[str]:
    """The table."""
    rows = [_serving(base, closed=False), _serving(base, closed=True), *_compiling(), *_guides(base)]
    yield table(("Start", "target", "median", "process CPU", "resident"), rows)


def _serving(base: Path, closed: bool) -> tuple[str, ...]:
    """From the command to the first answer, over a store that is there."""
    folder = base / f"start-{closed}"
    times, cpus, memory = [], [], 0.0
    for _ in range(TIMES + 1):
        port = free_port()
        options = () if closed else ("--open",)
        began = time.perf_counter()
        with running(*serving(folder, port, *options), port=port) as server:
            times.append(time.perf_counter() - began)
            cpus.append(worked(server))
            memory = resident(server)
    kind = "closed" if closed else "open"
    # The first makes the store.
    return (
        f"`fhir-server serve` until it answers, {kind}", "< 2 s", f"{statistics.median(times[1:]):.2f} s",
        f"{statistics.median(cpus[1:]):.2f} s", f"{memory:.0f} MB",
    )  # fmt: skip


def _compiling() -> Iterator[tuple[str, ...]]:
    """Every national profile compiled in one go; a server compiles each when the first resource claims it."""
    imports, all_of_them, count = [], [], "0"
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", _FIRST], cwd=ROOT, capture_output=True, text=True, check=True)
        first, second, count = done.stdout.strip().split(";")
        imports.append(float(first))
        all_of_them.append(float(second))
    yield f"all {count} national profiles compiled at once, cold", "< 2 s", _seconds(all_of_them), "", ""
    yield (
        "of which each, on the first resource that claims it",
        "",
        _seconds([x / int(count) for x in all_of_them]),
        "",
        "",
    )


def _seconds(times: list[float]) -> str:
    found = statistics.median(times)
    return f"{found:.2f} s" if found >= 0.1 else f"{found * 1000:.0f} ms"


def _guides(base: Path) -> Iterator[tuple[str, ...]]:
    """The national guides' packages added to an empty store."""
    data = shared_data()
    files = sorted((data / "ig").glob("*.tgz")) if data is not None else []
    if not files:
        return
    times = []
    for _ in range(3):
        shutil.rmtree(base / "guides", ignore_errors=True)
        done = command("profiles", "add", *map(str, files), "--data", str(base / "guides"))
        took = re.search(r"([\d.]+) s\.", done.stdout)
        assert took is not None, done.stdout + done.stderr
        times.append(float(took[1]))
    yield f"`profiles add` of {len(files)} guides together", "about 1 s", f"{statistics.median(times):.1f} s", "", ""
