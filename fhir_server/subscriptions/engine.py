"""Attends to subscriptions: one worker at a time reads what was committed, and tells whom it concerns."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fhir_server.fhir.outcome import FhirError
from fhir_server.jobs.feed_reader import FeedReader
from fhir_server.store.leases import Lease, inherited
from fhir_server.subscriptions.delivery import Delivery, Pace
from fhir_server.subscriptions.matching import Matching
from fhir_server.subscriptions.model import Narrow, as_said
from fhir_server.subscriptions.table import Table

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings

#: Names the lease, and the place in the feed.
NAME = "subscriptions"
#: Seconds between two looks at the feed: with subscriptions in force, and without.
SOON, LATE = 0.1, 1.0
#: Subscribers told at once, in all and of one client.
AT_ONCE, AT_ONCE_EACH = 64, 32
_log = logging.getLogger(__name__)


async def attend(around: Surroundings, pace: Pace | None = None, narrow: Narrow = as_said) -> None:
    """Attend to subscriptions whenever no other worker does, until cancelled."""
    while True:
        try:
            await inherited(around.records, NAME)
            await Lease(around.records, NAME).hold(Engine(around, pace or Pace(), narrow).run)
        except FhirError as error:
            _log.warning("subscriptions: put off (%s)", type(error).__name__)
        except Exception as error:
            # Only what kind of mistake it is: its words may hold a person's data.
            _log.error("subscriptions failed: %s", type(error).__name__)
        await asyncio.sleep(LATE)


class Engine:
    """The work of one worker."""

    def __init__(self, around: Surroundings, pace: Pace, narrow: Narrow = as_said) -> None:
        """Nothing is read yet."""
        self._table = Table(around, narrow)
        self._matching = Matching(around, self._table)
        self._delivery = Delivery(around, self._table, pace)
        self._feed = FeedReader(around.records, around.changes, NAME, ())
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._each: dict[str, int] = {}
        #: Whose turn was since the last look.
        self._turned: set[str] = set()
        self._ended = False

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            FhirError: the store did not answer; all that was not done is done by whoever begins next.
        """
        await self._table.load()
        try:
            while True:
                await self.look()
                await asyncio.sleep(SOON if self._table.all() else LATE)
        finally:
            self._ended = True
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def look(self) -> None:
        """Take what was committed, and begin to tell those whom it concerns.

        Raises:
            FhirError: the store did not answer.
        """
        await self._feed.read(self._matching.take)
        for id in self._matching.told():
            self._table.wake(id)
        await self._end_those_over()
        for one in self._table.all():
            if self._delivery.is_due(one):
                self._table.wake(one.wanted.id)
        # One turn each between two looks, in which all that waits is told: what cannot go on is not tried without end.
        self._turned = {*self._tasks}
        self._begin()

    async def _end_those_over(self) -> None:
        now = datetime.now(UTC)
        for one in self._table.all():
            if one.wanted.end is not None and one.wanted.end <= now:
                await self._delivery.end(one)

    def _begin(self) -> None:
        for id in self._table.awake():
            if len(self._tasks) >= AT_ONCE:
                return
            entry = self._table.get(id)
            if entry is None or id in self._turned or entry.state.again > time.time():
                continue
            client = entry.holder.held.client or ""
            if self._each.get(client, 0) < AT_ONCE_EACH:
                self._each[client] = self._each.get(client, 0) + 1
                self._turned.add(id)
                self._tasks[id] = asyncio.create_task(self._attended(id, client))

    async def _attended(self, id: str, client: str) -> None:
        try:
            await self._delivery.attend(id)
        except FhirError as error:
            _log.warning("a subscription was not told (%s)", type(error).__name__)
        except Exception as error:
            _log.error("a subscription was not told: %s", type(error).__name__)
        finally:
            del self._tasks[id]
            self._each[client] -= 1
            if not self._each[client]:
                del self._each[client]
            if not self._ended:
                # Whoever waits for a place has it now, and not at the next look.
                self._begin()
