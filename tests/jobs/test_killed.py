"""A job whose process is killed is gone on with by another, once its lease has ended and not before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from fhir_server.jobs.clock import Clock
from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.leases import holding
from tests.jobs.killed import BEGUN, STEPS, a_job


async def test_a_job_that_was_killed_goes_on_elsewhere_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.jobs.killed", str(tmp_path), "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:  # noqa: ASYNC220
        assert worker.stdout is not None
        assert await asyncio.to_thread(worker.stdout.readline) == "half way\n"
        engine = open_engine(tmp_path / "fhir.sqlite")
        records = engine.records
        clock = Clock(records, [a_job(records)], lambda: BEGUN)
        # It works longer than its lease would last, and keeps it.
        first = await holding(records, "job steps")
        assert first is not None
        async with asyncio.timeout(120):
            while (  # noqa: ASYNC110 - another process tells nothing
                now := await holding(records, "job steps")
            ) is not None and now.until <= first.until:
                await asyncio.sleep(0.2)
        assert now is not None
        assert await clock.run() == {}
        [standing] = await clock.standings()
        assert standing.holding == now
        worker.kill()
    async with asyncio.timeout(120):
        while await holding(records, "job steps") is not None:
            assert await records.get("steps", "done") == b"5"
            await asyncio.sleep(0.2)
    assert await clock.run() == {"steps": STEPS - 5}
    assert [await records.get("steps", str(step)) for step in range(STEPS)] == [b"once"] * STEPS
    await engine.close()
