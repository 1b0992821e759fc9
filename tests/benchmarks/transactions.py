"""How the work of a transaction grows with its entries, half of which refer to the other half by search criteria."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.heavy import ALL

SIZES = (750, 1_500, 3_000)
#: Run in each build: the entries are judged and written without HTTP, after what is compiled once is compiled.
_CODE = """
import asyncio, json, sys, tempfile, time
from pathlib import Path
from tests.server.calls import serving

async def main():
    first, meant = (bytes.fromhex(line) for line in sys.stdin.read().split())
    with tempfile.TemporaryDirectory() as folder:
        async with serving(Path(folder)) as server:
            assert (await server.post("", first)).status == 200
            started = time.process_time()
            answer = await server.post("", meant)
            assert answer.status == 200, answer.json
            print(time.process_time() - started)

asyncio.run(main())
"""


def transactions(builds: list[tuple[str, Path]]) -> str:
    """The table: processor time of one transaction, by its entries and the build."""
    head = "".join(f" | {name}" for name, _ in builds)
    lines = [f"| Transaction of{head} |", "|---|" + "---|" * len(builds)]
    for entries in SIZES:
        cells = [f"{_seconds(build, entries):,.2f} s" for _, build in builds]
        lines.append(f"| {entries:,} entries, half of them with conditional references | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _seconds(build: Path, entries: int) -> float:
    heavy = ALL[0].calls
    first = heavy(0.01)[-1].body.replace(b"/ids", b"/others")
    meant = heavy(entries / 3_200)[-1].body
    done = subprocess.run(
        [sys.executable, "-c", _CODE],
        cwd=build,
        env=os.environ | {"PYTHONPATH": str(build)},
        input=f"{first.hex()}\n{meant.hex()}",
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])
