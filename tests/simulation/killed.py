"""A simulation that ends itself as `kill -9` does, at the n-th time that it would write down how far it is.

`python -m tests.simulation.killed FOLDER SCALE MONTH N PROCESSES`
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.simulation.course import month_number
from fhir_server.simulation.journal import Journal, Standing
from fhir_server.simulation.running import simulated
from tests.simulation.stores import wanted


async def main(folder: Path, scale: float, last: str, dies_at: int, processes: int) -> None:
    keep, count = Journal.keep, 0

    async def dying(self: Journal, standing: Standing) -> None:
        nonlocal count
        count += 1
        if count == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        await keep(self, standing)

    Journal.keep = dying  # type: ignore[method-assign]
    async with opened(Settings(data=folder)) as house:
        await simulated(house, wanted(scale), month_number(last), processes, lambda month, phase: None)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
