"""When each job is due: the job clock.

Jobs are told what time it is; they never look by themselves, so that a test or an operator may run them as of another
day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.protocol import Records

#: How long a worker that died in a job keeps others from it, in seconds.
LEASE_SECONDS = 600
#: How often the clock is looked at, in seconds.
LOOK_SECONDS = 30

Now = Callable[[], datetime]


def system() -> datetime:
    """The time it is, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done again and again.

    Attributes:
        name: names it in the records.
        every: at least this long after it was done last; zero for what is looked at each time, by every worker.
        run: does it, being told the time; says how much it did.
    """

    name: str
    every: timedelta
    run: Callable[[datetime], Awaitable[int]]


class Clock:
    """Runs jobs when they are due, on one worker at a time."""

    def __init__(self, records: Records, jobs: Sequence[Job], now: Now = system) -> None:
        """`now` says what time it is."""
        self._records = records
        self._jobs = jobs
        self._now = now

    async def run(self) -> dict[str, int]:
        """Do what is due; job → how much was done. A job that fails is tried again at the next look."""
        done: dict[str, int] = {}
        for job in self._jobs:
            if not job.every:
                done[job.name] = await job.run(self._now())
            elif await self._due(job) and await self._records.add("job-lease", job.name, b"1", LEASE_SECONDS):
                try:
                    # Another worker may have done it between the look and the lease.
                    if await self._due(job):
                        done[job.name] = await self._do(job)
                finally:
                    await self._records.take("job-lease", job.name)
        return done

    async def attend(self, every_seconds: float = LOOK_SECONDS) -> None:
        """Do what is due, again and again, until it is cancelled."""
        while True:
            # A store that is busy or read-only is asked again at the next look.
            with suppress(FhirError):
                await self.run()
            await asyncio.sleep(every_seconds)

    async def _do(self, job: Job) -> int:
        now = self._now()
        done = await job.run(now)
        await self._records.put("job", job.name, now.isoformat().encode())
        return done

    async def _due(self, job: Job) -> bool:
        last = await self._records.get("job", job.name)
        return last is None or self._now() >= datetime.fromisoformat(last.decode()) + job.every
