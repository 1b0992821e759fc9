"""How each job went last, kept in the records; and how long ago it last succeeded, as every worker hears of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from fhir_server.changes.follower import Follower
from fhir_server.changes.outdated import Outdated
from fhir_server.store.protocol import Records

#: Kind of the records: key = name of the job, value = `Run`.
RUN = "job"


class Run(msgspec.Struct, frozen=True):
    """How a job went.

    Attributes:
        last: when it was last done; None when it never was.
        done: how much it did then.
        failed: what kind of failure came since then; "" when none did. Never its words, which may hold a person's data.
        failed_at: when; None likewise.
    """

    last: datetime | None = None
    done: int = 0
    failed: str = ""
    failed_at: datetime | None = None


async def of(records: Records, job: str) -> Run:
    """How the job of that name went."""
    return _run(await records.get(RUN, job))


async def keep(records: Records, job: str, run: Run) -> None:
    """Write down how it went."""
    await records.put(RUN, job, msgspec.json.encode(run))


def _run(value: bytes | None) -> Run:
    if value is None:
        return Run()
    if not value.startswith(b"{"):
        # Earlier servers wrote down the time alone.
        return Run(datetime.fromisoformat(value.decode()))
    return msgspec.json.decode(value, type=Run)


class Successes:
    """When each job last succeeded, on whichever worker, as this one has heard."""

    def __init__(self, records: Records, follower: Follower, jobs: Sequence[str]) -> None:
        """Nothing is known before the first look; `jobs` are the names of what is run."""
        self._records = records
        self._jobs = list(jobs)
        self._last: dict[str, datetime] = {}
        self._outdated = Outdated()
        follower.subscribe(self._outdated.hear, kinds=(RUN,), then=self._renew)

    def ages(self) -> Mapping[str, float]:
        """Job → seconds since it last succeeded; those that never did are not there."""
        now = datetime.now(UTC)
        return {job: (now - last).total_seconds() for job, last in sorted(self._last.items())}

    async def _renew(self) -> None:
        taken = self._outdated.take()
        try:
            values = await self._records.get_each([(RUN, job) for job in self._jobs])
        except BaseException:
            self._outdated.back(taken)
            raise
        found = zip(self._jobs, map(_run, values), strict=True)
        self._last = {job: run.last for job, run in found if run.last is not None}
