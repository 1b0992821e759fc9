"""How jobs went is seen from outside: in the list, and in what is scraped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fhir_server.changes.engine import followed
from fhir_server.fhir.outcome import Unavailable
from fhir_server.jobs.clock import Clock, Job
from fhir_server.jobs.runs import RUN, Run, Successes
from fhir_server.store.engine import Engine
from tests.engines import an_engine

DAY = timedelta(days=1)
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    opened = an_engine(tmp_path)
    yield opened
    await opened.close()


class Sweep:
    """A job that fails where a test says so."""

    def __init__(self) -> None:
        self.now = BEGUN
        self.fails: Exception | None = None

    async def run(self, now: datetime) -> int:
        if self.fails is not None:
            raise self.fails
        return 3

    def clock(self, engine: Engine, every: timedelta = DAY) -> Clock:
        return Clock(engine.records, [Job("sweep", every, self.run)], lambda: self.now)


async def test_a_job_says_how_it_went_and_when_it_is_due(engine: Engine) -> None:
    sweep = Sweep()
    clock = sweep.clock(engine)
    [before] = await clock.standings()
    assert (before.run, before.due, before.holding) == (Run(), BEGUN, None)
    await clock.run()
    [done] = await clock.standings()
    assert (done.run, done.due) == (Run(BEGUN, 3), BEGUN + DAY)
    sweep.now, sweep.fails = BEGUN + DAY, KeyError("a person's name")
    await clock.run()
    [failed] = await clock.standings()
    assert failed.run == Run(BEGUN, 3, "KeyError", BEGUN + DAY)
    sweep.fails = None
    await clock.run()
    [again] = await clock.standings()
    assert again.run == Run(BEGUN + DAY, 3)


async def test_what_an_earlier_server_wrote_down_counts(engine: Engine) -> None:
    await engine.records.put(RUN, "sweep", BEGUN.isoformat().encode())
    sweep = Sweep()
    assert await sweep.clock(engine).run() == {}
    sweep.now = BEGUN + DAY
    assert await sweep.clock(engine).run() == {"sweep": 3}


async def test_a_job_that_is_looked_at_each_time_is_seldom_written_down_for_nothing(engine: Engine) -> None:
    async def nothing(now: datetime) -> int:
        return 0

    sweep = Sweep()
    clock = Clock(engine.records, [Job("sweep", timedelta(0), nothing)], lambda: sweep.now)
    last = []
    for minutes in (0, 5, 9, 10, 11):
        sweep.now = BEGUN + timedelta(minutes=minutes)
        await clock.run()
        [standing] = await clock.standings()
        assert standing.due is None and standing.run.last is not None
        last.append((standing.run.last - BEGUN).seconds // 60)
    assert last == [0, 0, 0, 10, 10]


async def test_every_worker_knows_how_long_ago_a_job_succeeded(engine: Engine) -> None:
    own, follower = followed(engine)
    known = Successes(own.records, follower, ["sweep", "never"])
    await follower.follow()
    assert known.ages() == {}
    sweep = Sweep()
    sweep.now = datetime.now(UTC) - timedelta(hours=1)
    await sweep.clock(engine).run()
    await follower.follow()
    assert set(known.ages()) == {"sweep"}
    assert 3_600 <= known.ages()["sweep"] < 3_600 + 600
    sweep.now, sweep.fails = datetime.now(UTC) + DAY, Unavailable("The store is busy.")
    await asyncio.gather(sweep.clock(engine).run())
    await follower.follow()
    assert known.ages()["sweep"] >= 3_600
