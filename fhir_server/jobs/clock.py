"""When each job is due: the job clock.

Jobs are told what time it is; they never look by themselves, so that a test or an operator may run them as of another
day.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.protocol import Records

#: How long a worker that died in a job keeps others from it, in seconds.
LEASE_SECONDS = 600
#: How often the clock is looked at, in seconds.
LOOK_SECONDS = 30

Now = Callable[[], datetime]
_log = logging.getLogger(__name__)


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
        """Do what is due; job → how much was done.

        A job that fails keeps no other from being done, and is tried again at the next look.
        """
        done: dict[str, int] = {}
        for job in self._jobs:
            count = await self._attempt(job, self._when_due)
            if count is not None:
                done[job.name] = count
        return done

    async def as_of_now(self) -> dict[str, int]:
        """Do every job as of the time it is by this clock, due or not; job → how much was done.

        When each is due by the real clock is not touched: a day that is only supposed silences nothing until then.
        """
        return {job.name: await job.run(self._now()) for job in self._jobs}

    async def attend(self, every_seconds: float = LOOK_SECONDS) -> None:
        """Do what is due, again and again, until it is cancelled."""
        while True:
            await self.run()
            await asyncio.sleep(every_seconds)

    async def _attempt(self, job: Job, act: Callable[[Job], Awaitable[int | None]]) -> int | None:
        try:
            return await act(job)
        except FhirError as error:
            # A store that is busy or read-only is asked again at the next look.
            _log.warning("job %s: put off (%s)", job.name, type(error).__name__)
        except Exception as error:
            # Only what kind of mistake it is: its words may hold a person's data.
            _log.error("job %s failed: %s", job.name, type(error).__name__)
        return None

    async def _when_due(self, job: Job) -> int | None:
        if not job.every:
            return await job.run(self._now())
        if not await self._due(job) or not await self._records.add("job-lease", job.name, b"1", LEASE_SECONDS):
            return None
        try:
            # Another worker may have done it between the look and the lease.
            return await self._do(job) if await self._due(job) else None
        finally:
            await self._records.take("job-lease", job.name)

    async def _do(self, job: Job) -> int:
        now = self._now()
        done = await job.run(now)
        await self._records.put("job", job.name, now.isoformat().encode())
        return done

    async def _due(self, job: Job) -> bool:
        known = await self._records.get("job", job.name)
        if known is None:
            return True
        last = datetime.fromisoformat(known.decode())
        # Done "later" than now: the machine's clock was wrong then, and is not waited for.
        return last > self._now() or self._now() >= last + job.every
