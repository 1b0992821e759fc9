"""When each job is due: the job clock.

Jobs are told what time it is; they never look by themselves, so that a test or an operator may run them as of another
day.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fhir_server.fhir.outcome import FhirError
from fhir_server.jobs import runs
from fhir_server.jobs.runs import Run
from fhir_server.store.leases import LEASE_SECONDS, Holding, Lease, holding
from fhir_server.store.protocol import Records

#: How often the clock is looked at, in seconds.
LOOK_SECONDS = 30
#: A job that is looked at each time is written down so often at most, when it had nothing to do.
_WRITTEN_DOWN = timedelta(minutes=10)

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
        run: does it, being told the time; says how much it did. Where a process died in it, another begins it again: it
            keeps in the records how far it is, or does no harm when done twice.
    """

    name: str
    every: timedelta
    run: Callable[[datetime], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands.

    Attributes:
        name: of the job.
        run: how it went.
        due: when it is due next; None for what is looked at each time.
        holding: who does it now; None when nobody does.
    """

    name: str
    run: Run
    due: datetime | None
    holding: Holding | None


class Clock:
    """Runs jobs when they are due, on one worker at a time."""

    def __init__(
        self, records: Records, jobs: Sequence[Job], now: Now = system, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        """`now` says what time it is; after `lease_seconds` another goes on with what a worker that died was at."""
        self._records = records
        self._jobs = jobs
        self._now = now
        self._lease_seconds = lease_seconds

    async def run(self) -> dict[str, int]:
        """Do what is due; job → how much was done.

        A job that fails keeps no other from being done, and is tried again at the next look.
        """
        done: dict[str, int] = {}
        for job in self._jobs:
            count = await self._attempt(job)
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

    async def standings(self) -> list[Standing]:
        """How each job stands, in their order."""
        found = []
        for job in self._jobs:
            run = await runs.of(self._records, job.name)
            due = (self._now() if run.last is None else run.last + job.every) if job.every else None
            found.append(Standing(job.name, run, due, await holding(self._records, _leased(job))))
        return found

    async def _attempt(self, job: Job) -> int | None:
        try:
            return await self._when_due(job)
        except FhirError as error:
            # A store that is busy or read-only is asked again at the next look.
            _log.warning("job %s: put off (%s)", job.name, type(error).__name__)
            await self._failed(job, error)
        except Exception as error:
            # Only what kind of mistake it is: its words may hold a person's data.
            _log.error("job %s failed: %s", job.name, type(error).__name__)
            await self._failed(job, error)
        return None

    async def _when_due(self, job: Job) -> int | None:
        if not job.every:
            return await self._do(job)
        if not await self._due(job):
            return None

        async def work() -> int | None:
            # Another worker may have done it between the look and the lease.
            return await self._do(job) if await self._due(job) else None

        return await Lease(self._records, _leased(job), self._lease_seconds).hold(work)

    async def _do(self, job: Job) -> int:
        now = self._now()
        count = await job.run(now)
        if job.every or count or not await self._is_written_down(job, now):
            await runs.keep(self._records, job.name, Run(now, count))
        return count

    async def _is_written_down(self, job: Job, now: datetime) -> bool:
        before = await runs.of(self._records, job.name)
        return not before.failed and before.last is not None and before.last <= now < before.last + _WRITTEN_DOWN

    async def _failed(self, job: Job, error: Exception) -> None:
        with suppress(FhirError):
            before = await runs.of(self._records, job.name)
            await runs.keep(self._records, job.name, Run(before.last, before.done, type(error).__name__, self._now()))

    async def _due(self, job: Job) -> bool:
        last = (await runs.of(self._records, job.name)).last
        # Done "later" than now: the machine's clock was wrong then, and is not waited for.
        return last is None or last > self._now() or self._now() >= last + job.every


def _leased(job: Job) -> str:
    return f"job {job.name}"
