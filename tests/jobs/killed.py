"""A process that dies in a job: `python -m tests.jobs.killed FOLDER SECONDS`; it says when it is half way."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fhir_server.jobs.clock import Clock, Job
from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.protocol import Records

STEPS = 10
DAY = timedelta(days=1)
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def a_job(records: Records, dies_at: int = -1) -> Job:
    """Ten steps, of which it keeps how many are done; at one of them it goes on for ever."""

    async def run(now: datetime) -> int:
        done = int(await records.get("steps", "done") or b"0")
        for step in range(done, STEPS):
            if step == dies_at:
                print("half way", flush=True)
                await asyncio.sleep(600)
            await records.put("steps", "done", str(step + 1).encode())
            await records.put(
                "steps", f"{step}", b"once" if await records.get("steps", f"{step}") is None else b"twice"
            )
        return STEPS - done

    return Job("steps", DAY, run)


async def main(folder: Path, seconds: float) -> None:
    engine = open_engine(folder / "fhir.sqlite")
    await Clock(engine.records, [a_job(engine.records, 5)], lambda: BEGUN, lease_seconds=seconds).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
