"""People are told what was recorded of their space where notices tell nobody: by a professional, or of its deletion.

Who was helped by a professional is written to by post: they may have no account yet.

From the feed, so that a crash between the two loses no letter; one may be printed twice then. Domain file §2.2, §4.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.access.trees import tree_of
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.accounts.informing import Informing
from fhir_server.space.accounts.life import from_basic
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    return (Job("space-helped", timedelta(minutes=1), Helped(around).tell),)


class Helped:
    """The spaces of one store that professionals help with."""

    def __init__(self, around: Surroundings) -> None:
        """Letters are files of the data folder, as those that tell of a space."""
        self._around = around
        self._informing = Informing(around, around.settings.data / "letters")
        self._feed = FeedReader(around.records, around.changes, "space-helped", ("Basic",))

    async def tell(self, now: datetime) -> int:
        """Write to those for whom something was recorded since the last time; how many letters."""

        async def take(changed: Sequence[Changed]) -> Taken:
            return Taken(sum([await self._tell(one) for one in changed]))

        return await self._feed.read(take)

    async def _tell(self, one: Changed) -> bool:
        life = from_basic(tree_of(await self._around.repository().current("Basic", one.id)))
        if life is None or life.role != "professional":
            return life is not None and await self._informing.of_deletion(life)
        await self._informing.by_professional(life)
        return True
