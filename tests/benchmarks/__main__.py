"""`python -m tests.benchmarks`: fill a store, measure each scenario beside its ceiling, print the README's tables."""

from __future__ import annotations

import argparse
import gzip
import platform
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.scenarios import PATIENTS_PER_THOUSAND, Filled, create, read, search, sorted_search, transaction
from tests.benchmarks.servers import Figure, command, free_port, measure, running
from tests.examples import shared_data

SIZES = (10_000, 100_000, 1_000_000)


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fhir-bench-") as folder:
        base = Path(folder)
        print(f"{platform.processor() or platform.machine()}, {platform.system()} {platform.release()}, ", end="")
        print(f"Python {platform.python_version()}; {options.resources:,} resources\n")
        filled = fill(base / "main", options.resources)
        print(f"Filled by `seed` at {filled.rate:,.0f} resources/s.\n", flush=True)
        scenarios(filled, base, options.seconds)
        if options.load:
            load(base)
        if options.curve:
            curve(base, options.seconds, options.million, filled)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--resources", type=int, default=100_000, help="in the store that is measured")
    parser.add_argument("--seconds", type=float, default=4.0, help="each measurement takes")
    parser.add_argument("--no-load", dest="load", action="store_false", help="leave out loading Synthea bundles")
    parser.add_argument("--no-curve", dest="curve", action="store_false", help="leave out the curve over sizes")
    parser.add_argument("--million", action="store_true", help="carry the curve on to 1,000,000 resources")
    return parser.parse_args()


def fill(folder: Path, resources: int) -> Filled:
    """A store with about so many invented resources."""
    patients = max(20, round(resources / 1000 * PATIENTS_PER_THOUSAND))
    began = time.monotonic()
    done = command("seed", "--patients", str(patients), "--data", str(folder))
    if done.returncode:
        raise SystemExit(done.stderr)
    written = int(re.search(r"([\d,]+) resources written", done.stdout)[1].replace(",", ""))  # type: ignore[index]
    return Filled(folder, patients, written, written / (time.monotonic() - began))


def scenarios(filled: Filled, base: Path, seconds: float) -> None:
    """The table of scenarios, ours beside the ceiling."""
    print("| Scenario | connections | ours /s | p50 ms | p99 ms | ceiling /s | p50 ms | p99 ms | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for scenario in (read(filled), search(filled), sorted_search(filled), create(filled), transaction(filled)):
        # Each side writes to a copy of its own, so that both start from the same store.
        ours, theirs = _copy(filled, base / "ours"), _copy(filled, base / "theirs")
        port, other = free_port(), free_port()
        serve = ("-m", "fhir_server.cli.main", "serve", "--open", "--port", str(port), "--data", str(ours))
        bare = ("-m", "tests.benchmarks.ceiling", f"sqlite:///{theirs / 'fhir.sqlite'}", str(other))
        results: dict[int, list[Figure | None]] = {1: [None, None], 32: [None, None]}
        with running(*serve, port=port):
            for connections in results:
                results[connections][0] = measure(port, scenario.ours, connections, seconds)
        if scenario.ceiling:
            writes = base / "writes"
            writes.write_bytes(scenario.writes)
            with running(*bare, str(writes), port=other):
                for connections in results:
                    results[connections][1] = measure(other, scenario.ceiling, connections, seconds)
        for connections, (own, ceiling) in results.items():
            print(_row(scenario.name, connections, own, ceiling), flush=True)
        shutil.rmtree(ours)
        shutil.rmtree(theirs)
    print()


def _row(name: str, connections: int, own: Figure | None, ceiling: Figure | None) -> str:
    assert own is not None
    cells = [name, str(connections), f"{own.rate:,.0f}", f"{own.p50:.2f}", f"{own.p99:.2f}"]
    if ceiling:
        cells += [f"{ceiling.rate:,.0f}", f"{ceiling.p50:.2f}", f"{ceiling.p99:.2f}", f"{own.rate / ceiling.rate:.2f}"]
    else:
        cells += ["", "", "", ""]
    return f"| {' | '.join(cells)} |"


def _copy(filled: Filled, target: Path) -> Path:
    return Path(shutil.copytree(filled.folder, target))


def load(base: Path) -> None:
    """How fast `load` takes Synthea's bundles in."""
    data = shared_data()
    if data is None or not (data / "synthea").is_dir():
        print("Loading was not measured: no Synthea bundles beside the checkout.\n")
        return
    bundles = base / "bundles"
    bundles.mkdir()
    for file in sorted((data / "synthea").glob("*.json.gz")):
        body = gzip.decompress(file.read_bytes())
        for copy in range(6):
            # A blank more makes it another file, with ids of its own.
            (bundles / f"{copy}-{file.stem}").write_bytes(body + b" " * copy)
    done = command("load", str(bundles), "--data", str(base / "loaded"))
    print(f"Loading {len(list(bundles.iterdir()))} Synthea bundles: {done.stdout.strip()}")
    print(done.stderr.strip()[-2000:] if done.returncode else "", file=sys.stderr)
    print(flush=True)


def curve(base: Path, seconds: float, million: bool, filled: Filled) -> None:
    """The cost of a request as the store grows: p50 at one connection, in milliseconds."""
    print("| Resources | read p50 ms | p99 ms | one patient's documents p50 ms | p99 ms |")
    print("|---|---|---|---|---|")
    for size in SIZES if million else SIZES[:2]:
        store = filled if abs(filled.resources - size) < size / 4 else fill(base / f"size-{size}", size)
        port = free_port()
        serve = ("-m", "fhir_server.cli.main", "serve", "--open", "--port", str(port), "--data", str(store.folder))
        with running(*serve, port=port):
            one, many = (measure(port, s.ours, 1, seconds) for s in (read(store), search(store)))
        print(f"| {store.resources:,} | {one.p50:.2f} | {one.p99:.2f} | {many.p50:.2f} | {many.p99:.2f} |", flush=True)
        if store is not filled:
            shutil.rmtree(store.folder)
    print()


if __name__ == "__main__":
    main()
