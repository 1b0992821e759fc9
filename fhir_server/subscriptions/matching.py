"""Which Subscriptions a commit concerns: by their criteria, and by what their subscriber may see now.

https://hl7.org/fhir/R4/subscription.html. What a search would not show is not told of, nor that it was hidden.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.jobs.feed_reader import Taken
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import NOTHING, Filter
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Drop, Keep, Version
from fhir_server.subscriptions import kept
from fhir_server.subscriptions.criteria import compiled
from fhir_server.subscriptions.kept import Holder, Queued
from fhir_server.subscriptions.model import Wanted

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings
    from fhir_server.subscriptions.table import Entry, Table

#: Bytes of versions that are judged at once.
_MOST_BYTES = 8_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where criteria are read: no caller's, since what a caller may see is asked of each resource."""

    repository: _Registered
    base: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class _Registered:
    registry: Registry


class Matching:
    """Takes changes from the feed, and queues them for the Subscriptions that they concern."""

    def __init__(self, around: Surroundings, table: Table) -> None:
        """`table` has the Subscriptions."""
        self._around = around
        self._table = table
        self._told: set[str] = set()

    def told(self) -> set[str]:
        """Ids of those for which something was queued since this was last asked."""
        found, self._told = self._told, set()
        return found

    async def take(self, changed: Sequence[Changed]) -> Taken:
        """What is to be kept of changes, in the commit that moves the place in the feed."""
        for id in dict.fromkeys(one.id for one in changed if one.type == "Subscription"):
            await self._table.reload(id)
        live = [one for one in self._table.live() if any(_may(one, change) for change in changed)]
        if not live:
            return Taken()
        types = {one.type for one in live}
        versions = await self._versions([one for one in changed if one.type in types])
        done, made = 0, list[Keep | Drop]()
        for one in live:
            found = await self._concerning(one, versions)
            if found:
                done += len(found)
                made += kept.queue(one.wanted.id, await kept.counted(self._around.records, one.wanted.id), found)
                self._told.add(one.wanted.id)
        return Taken(done, tuple(made))

    async def _versions(self, changed: Sequence[Changed]) -> list[Version]:
        """Those of changes that made a resource, with what can be searched of it."""
        own, keys = self._around.repository(), [(c.type, c.id, c.version) for c in changed if c.method != "DELETE"]
        found: list[Version] = []
        at = 0
        while at < len(keys):
            part = await own.vread_many(keys[at : at + 200], _MOST_BYTES)
            found += [one for one in part if one is not None]
            at += max(len(part), 1)
        return found

    async def _concerning(self, entry: Entry, versions: Sequence[Version]) -> list[Queued]:
        """The versions that a Subscription is told of."""
        mine = [one for one in versions if one.type == entry.type and entry.lasts_at(one.at)]
        if not mine:
            return []
        try:
            rights = await rights_of(self._around, entry.holder)
            if rights is None:
                # Whoever tells it of events turns it off.
                self._told.add(entry.wanted.id)
                return []
            seen = await self._around.seen_by(rights, entry.holder.base)
            return [_queued(one) for one in mine if await matches(self._around, entry, seen, one)]
        except Unavailable:
            raise
        except FhirError as error:
            # One whose criteria cannot be judged any more holds up nobody.
            _log.warning("a subscription was not judged (%s)", type(error).__name__)
            return []


def _may(entry: Entry, change: Changed) -> bool:
    return change.type == entry.type and entry.lasts_at(change.at)


def _queued(version: Version) -> Queued:
    return Queued(version.type, version.id, version.version, version.at, version.method)


async def rights_of(around: Surroundings, holder: Holder) -> Grant | None:
    """What a subscriber may do now; None where nothing is left of what they were granted."""
    return await around.renewed(holder.held)


async def matches(around: Surroundings, entry: Entry, seen: Repository, version: Version) -> bool:
    """Whether a version is one that the subscriber's own search would have found, and they may see it now."""
    where = criteria_of(around, entry.wanted, entry.holder)
    visible = seen.visible({entry.type: where}).get(entry.type, NOTHING)
    index = unpack(version.own)
    if not await seen.sight.judge.satisfies(visible, version.type, version.id, index, version.at):
        return False
    return await is_shown(seen, version.type, version.id)


async def is_shown(seen: Repository, type: str, id: str) -> bool:
    """Whether a resource is there now, and the caller may read it."""
    return bool(await seen.there([(type, id)]))


def criteria_of(around: Surroundings, wanted: Wanted, holder: Holder) -> Filter:
    """The filter of a Subscription's criteria, by the search parameters in force."""
    return compiled(wanted.criteria, _Place(_Registered(around.registry), holder.base, around.settings))[1]
