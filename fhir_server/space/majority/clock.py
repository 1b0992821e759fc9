"""Who has come of age is looked for by the day of birth, and their space handed over.

By the clock of Paris, 29 February included (`acting.of_age_from`). A look reads those whose birthday it is alone; one
that was interrupted is done again, and those who were handed over are passed by. A birth date that is corrected, so
that somebody is of age at once, is met in the feed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.acting import MAJORITY, is_of_age, of_age_from
from fhir_server.space.majority.handing import HandingOver
from fhir_server.space.paris import PARIS
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import Range

#: Kind and key of the record: up to when those who came of age were looked for, as ISO 8601.
_KEPT = ("majority-looked", "until")
#: What is made up for at first, and where the server was down.
_BACK = timedelta(days=30)
#: Days of birth are looked for so widely: they begin at other instants in other zones.
_WIDE = timedelta(days=2)
_PAGE = 200
#: Spaces of one run: the next goes on.
MOST = 500


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is done as time passes."""
    looking = Looking(around)
    return (
        Job("majority", timedelta(minutes=10), looking.run),
        Job("majority-corrected", timedelta(minutes=1), looking.corrected),
    )


class Looking:
    """Looks for who has come of age in one store."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._handing = HandingOver(around)
        self._feed = FeedReader(around.records, around.changes, "majority", ("Patient",))

    async def run(self, now: datetime) -> int:
        """Hand over the spaces of those who came of age since the last look; how many."""
        records = self._around.records
        kept = await records.get(*_KEPT)
        since = now - _BACK if kept is None else max(datetime.fromisoformat(kept.decode()), now - _BACK)
        done = 0
        async for tree in self._born(since, now):
            done += await self._handing.hand_over(tree, now)
            if done >= MOST:
                return done
        await records.put(*_KEPT, now.isoformat().encode())
        return done

    async def corrected(self, now: datetime) -> int:
        """Hand over the spaces of those who are of age since their birth date was corrected; how many."""

        async def take(changed: Sequence[Changed]) -> Taken:
            return Taken(sum([await self._corrected(one, now) for one in changed]))

        return await self._feed.read(take)

    async def _corrected(self, one: Changed, now: datetime) -> bool:
        own, micros = self._around.repository(), int(now.timestamp() * 1_000_000)
        version = await own.current("Patient", one.id)
        if one.version < 2 or version is None or version.deleted:
            return False
        tree = parse(version.body)
        if not is_of_age(tree, micros):
            # Taken for of age by a mistaken date: handed over in their time.
            await self._handing.take_back(one.id)
            return False
        before = await own.vread("Patient", one.id, one.version - 1)
        return not is_of_age(parse(before.body), micros) and await self._handing.hand_over(tree, now)

    async def _born(self, since: datetime, now: datetime) -> AsyncIterator[dict[str, Any]]:
        """Patients who came of age after an instant and by another."""
        own, after = self._around.repository(), None
        first, last = (_micros(_years_before(at) + by) for at, by in ((since, -_WIDE), (now, _WIDE)))
        # Of a month or a year of birth alone it is the last day that counts.
        where = Range("birthdate", high_from=first, high_to=last)
        while True:
            page = await own.find({"Patient": where}, after=after, count=_PAGE)
            for version in page.versions:
                tree = parse(version.body)
                majority = of_age_from(tree)
                if majority is not None and since < majority <= now:
                    yield tree
            after = page.next
            if after is None:
                return


def _years_before(at: datetime) -> datetime:
    day = at.astimezone(PARIS)
    return datetime(day.year - MAJORITY, day.month, min(day.day, 28), tzinfo=UTC) + timedelta(days=max(day.day - 28, 0))


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000
