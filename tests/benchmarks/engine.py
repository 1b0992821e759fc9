"""The engine: each scenario beside its ceiling, loading, and the cost of a request as the store grows."""

from __future__ import annotations

import gzip
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.scenarios import PATIENTS_PER_THOUSAND, Filled, create, read, search, sorted_search, transaction
from tests.benchmarks.servers import ROOT, Figure, command, free_port, measure, running, serving
from tests.benchmarks.timing import table, told
from tests.examples import shared_data

SIZES = (10_000, 100_000, 1_000_000)


def engine(filled: Filled, base: Path, seconds: float) -> Iterator[str]:
    """The tables of scenarios and of loading."""
    yield scenarios(filled, base, seconds)
    yield load(base)


def fill(folder: Path, resources: int, build: Path = ROOT) -> Filled:
    """A store of a build with about so many invented resources."""
    patients = max(20, round(resources / 1000 * PATIENTS_PER_THOUSAND))
    began = time.monotonic()
    done = command("seed", "--patients", str(patients), "--data", str(folder), build=build)
    if done.returncode:
        raise SystemExit(done.stderr)
    written = int(re.search(r"([\d,]+) resources written", done.stdout)[1].replace(",", ""))  # type: ignore[index]
    return Filled(folder, patients, written, written / (time.monotonic() - began))


def scenarios(filled: Filled, base: Path, seconds: float) -> str:
    """The table of scenarios, ours beside the ceiling."""
    rows: list[tuple[str, ...]] = []
    for scenario in (read(filled), search(filled), sorted_search(filled), create(filled), transaction(filled)):
        # Each side writes to a copy of its own, so that both start from the same store.
        ours, theirs = _copy(filled, base / "ours"), _copy(filled, base / "theirs")
        port, other = free_port(), free_port()
        bare = ("-m", "tests.benchmarks.ceiling", f"sqlite:///{theirs / 'fhir.sqlite'}", str(other))
        results: dict[int, list[Figure | None]] = {1: [None, None], 32: [None, None]}
        with running(*serving(ours, port, "--open"), port=port) as server:
            for connections in results:
                results[connections][0] = measure(port, scenario.ours, connections, seconds, server)
        if scenario.ceiling:
            writes = base / "writes"
            writes.write_bytes(scenario.writes)
            with running(*bare, str(writes), port=other) as server:
                for connections in results:
                    results[connections][1] = measure(other, scenario.ceiling, connections, seconds, server)
        rows += [_row(scenario.name, connections, *pair) for connections, pair in results.items()]
        shutil.rmtree(ours)
        shutil.rmtree(theirs)
    return table((*_HEAD, "ceiling /s", "p50 ms", "p99 ms", "CPU", "ratio", "ratio CPU"), rows)


_HEAD = ("Scenario", "connections", "ours /s", "p50 ms", "p99 ms", "CPU")


def _row(name: str, connections: int, own: Figure | None, ceiling: Figure | None) -> tuple[str, ...]:
    assert own is not None
    if ceiling is None:
        return name, str(connections), *_cells(own), *[""] * 6
    ratios = f"{own.rate / ceiling.rate:.2f}", f"{ceiling.cpu / own.cpu:.2f}" if own.cpu else ""
    return name, str(connections), *_cells(own), *_cells(ceiling), *ratios


def _cells(found: Figure) -> tuple[str, ...]:
    return f"{found.rate:,.0f}", f"{found.p50:.2f}", f"{found.p99:.2f}", told(found.cpu)


def _copy(filled: Filled, target: Path) -> Path:
    return Path(shutil.copytree(filled.folder, target))


def load(base: Path) -> str:
    """How fast `load` takes Synthea's bundles in."""
    data = shared_data()
    if data is None or not (data / "synthea").is_dir():
        return "Loading was not measured: no Synthea bundles beside the checkout."
    bundles = base / "bundles"
    bundles.mkdir()
    for file in sorted((data / "synthea").glob("*.json.gz")):
        body = gzip.decompress(file.read_bytes())
        for copy in range(6):
            # A blank more makes it another file, with ids of its own.
            (bundles / f"{copy}-{file.stem}").write_bytes(body + b" " * copy)
    done = command("load", str(bundles), "--data", str(base / "loaded"))
    print(done.stderr.strip()[-2000:] if done.returncode else "", file=sys.stderr)
    return f"Loading {len(list(bundles.iterdir()))} Synthea bundles: {' '.join(done.stdout.split())}"


def curve(base: Path, seconds: float, million: bool, filled: Filled) -> str:
    """The cost of a request as the store grows: p50 at one connection, in milliseconds."""
    rows = []
    for size in SIZES if million else SIZES[:2]:
        store = filled if abs(filled.resources - size) < size / 4 else fill(base / f"size-{size}", size)
        port = free_port()
        with running(*serving(store.folder, port, "--open"), port=port):
            one, many = (measure(port, s.ours, 1, seconds) for s in (read(store), search(store)))
        cells = (one.p50, one.p99, many.p50, many.p99)
        rows.append((f"{store.resources:,}", *(f"{cell:.2f}" for cell in cells)))
        if store is not filled:
            shutil.rmtree(store.folder)
    return table(("Resources", "read p50 ms", "p99 ms", "one patient's documents p50 ms", "p99 ms"), rows)
