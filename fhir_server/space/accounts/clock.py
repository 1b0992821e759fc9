"""What time does to spaces: those nobody objected to open in waves, suspensions end, archives are let go.

CSP R1111-28, R1111-36. A wave is as many as the setting says for a day; the oldest notice first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.space.accounts import helped, rows
from fhir_server.space.accounts.erasing.erasing import Erasing
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.accounts.together import TOGETHER, move_together
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Not, both
from fhir_server.store.protocol import Sort, Version

_OLDEST = (Sort(rows.NEXT, "span"),)
#: What time makes of these is more than another state: `erasing` does it.
_NOT_ERASED = both(Not(rows.in_state("closed")), Not(rows.in_state("deceased")))


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is done as time passes."""
    waves = Waves(around.repository(), around.settings.space_wave)
    return (
        Job("space-waves", timedelta(days=1), waves.run),
        Job("space-erasing", timedelta(hours=1), Erasing(around).run),
        *helped.jobs(around),
    )


class Waves:
    """What is due to the spaces of one store."""

    def __init__(self, own: Repository, most: int) -> None:
        """`own` is the server's own sight; at most so many spaces move in one run."""
        self._own = own
        self._most = most

    async def run(self, now: datetime) -> int:
        """Have what is due by a moment happen; to how many spaces it did."""
        done = 0
        due = both(rows.due(round(now.timestamp() * 1_000_000)), _NOT_ERASED)
        while done < self._most:
            page = await self._own.find({"Basic": due}, sort=_OLDEST, count=min(TOGETHER, self._most - done))
            asked = Asked("due", "clock", now)
            moved = await move_together(self._own, {_patient_of(version): asked for version in page.versions})
            if not moved:
                return done
            done += moved
        return done


def _patient_of(version: Version) -> str:
    return str(parse(version.body)["subject"]["reference"]).removeprefix("Patient/")
