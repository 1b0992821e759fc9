"""What a worker of the agenda does until it is killed: slots are made, people told and reminded. For `test_killed`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.agenda.reminders.keeping import DUE
from fhir_server.store.filters import EVERYTHING
from tests.space.record.callers import BASE

#: Of the jobs: noon of a winter's day, when the reminders are due.
NOON = datetime(2027, 3, 1, 11, tzinfo=UTC)
#: So much is done before the process dies.
SOME = 10


def settings(folder: Path) -> Settings:
    return Settings(data=folder, base_url=BASE)


async def work(house: House, name: str) -> int:
    """How much one of the jobs did at noon."""
    [job] = [one for one in house.services.jobs() if one.name == name]
    return await job.run(NOON)


async def left(house: House) -> dict[str, int]:
    """How far each job is: slots that there are, notices that were told, reminders that wait."""
    records = house.services.records
    return {
        "availability": await house.repository().count({"Slot": EVERYTHING}),
        "appointments": len(await records.list("noticed", "appointment/", count=1_000)),
        "agenda-reminders": len(await records.list(DUE, count=1_000)),
    }


async def _until_killed(folder: Path, name: str) -> None:
    """Kill this very process, as nothing can be put right after, once the job has done some of what there is to do."""
    async with opened(settings(folder)) as house:
        began = (await left(house))[name]
        at_work = asyncio.create_task(work(house, name))
        while not at_work.done():
            if abs((await left(house))[name] - began) >= SOME:
                os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(_until_killed(Path(sys.argv[1]), sys.argv[2]))
