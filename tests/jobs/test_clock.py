"""Jobs are done when they are due, once, by whichever worker is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Unavailable
from fhir_server.jobs.clock import Clock, Job
from fhir_server.store.protocol import Records
from tests.engines import an_engine

DAY = timedelta(days=1)


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    engine = an_engine(tmp_path)
    yield engine.records
    await engine.close()


class Days:
    """A clock's hands that a test moves."""

    def __init__(self) -> None:
        self.today = datetime(2026, 1, 1, tzinfo=UTC)
        self.done: list[datetime] = []

    def __call__(self) -> datetime:
        return self.today

    async def work(self, now: datetime) -> int:
        await asyncio.sleep(0.01)
        self.done.append(now)
        return 3


async def test_a_job_is_done_at_first_and_then_when_its_time_has_come(records: Records) -> None:
    days = Days()
    clock = Clock(records, [Job("sweep", DAY, days.work)], days)
    assert await clock.run() == {"sweep": 3}
    assert await clock.run() == {}
    days.today += DAY - timedelta(seconds=1)
    assert await clock.run() == {}
    days.today += timedelta(seconds=1)
    assert await clock.run() == {"sweep": 3}
    assert days.done == [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]


async def test_of_many_workers_one_does_it(records: Records) -> None:
    days = Days()
    clocks = [Clock(records, [Job("sweep", DAY, days.work)], days) for _ in range(8)]
    assert sorted(map(len, await asyncio.gather(*(clock.run() for clock in clocks)))) == [0] * 7 + [1]
    assert len(days.done) == 1


async def test_a_job_that_failed_is_tried_again_and_the_clock_goes_on(records: Records) -> None:
    tried, done = 0, asyncio.Event()

    async def fails_once(now: datetime) -> int:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise Unavailable("The store is busy.")
        done.set()
        return 1

    clock = Clock(records, [Job("sweep", DAY, fails_once)])
    attending = asyncio.create_task(clock.attend(0.01))
    async with asyncio.timeout(120):
        await done.wait()
    attending.cancel()
    assert tried == 2


async def test_a_day_that_is_only_supposed_counts_for_nothing(records: Records) -> None:
    days = Days()
    jobs = [Job("sweep", DAY, days.work)]
    supposed = Clock(records, jobs, lambda: datetime(2030, 1, 1, tzinfo=UTC))
    assert await supposed.as_of_now() == {"sweep": 3}
    # Done again when asked again, and due by the real clock as it was.
    assert await supposed.as_of_now() == {"sweep": 3}
    assert await Clock(records, jobs, days).run() == {"sweep": 3}
    assert await supposed.as_of_now() == {"sweep": 3}
    assert await Clock(records, jobs, days).run() == {}


async def test_a_job_done_by_a_clock_that_was_wrong_is_not_waited_for(records: Records) -> None:
    days = Days()
    jobs = [Job("sweep", DAY, days.work)]
    await Clock(records, jobs, lambda: datetime(2030, 1, 1, tzinfo=UTC)).run()
    assert await Clock(records, jobs, days).run() == {"sweep": 3}


@pytest.mark.parametrize("error", [Unavailable("The store is busy."), KeyError("recorded"), ValueError("not a date")])
async def test_a_job_that_fails_keeps_no_other_from_being_done(records: Records, error: Exception) -> None:
    days = Days()

    async def fails(now: datetime) -> int:
        raise error

    clock = Clock(
        records,
        [Job("broken", DAY, fails), Job("always broken", timedelta(0), fails), Job("sweep", DAY, days.work)],
        days,
    )
    assert await clock.run() == {"sweep": 3}
