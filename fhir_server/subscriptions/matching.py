"""Which Subscriptions a commit concerns: by their criteria, and by what their subscriber may see now.

https://hl7.org/fhir/R4/subscription.html. What a search would not show is not told of, nor that it was hidden.
"""

from __future__ import annotations

import asyncio
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
from fhir_server.store.filters import NOTHING, Filter, Index
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Drop, Keep, Version
from fhir_server.subscriptions import kept
from fhir_server.subscriptions.criteria import compiled, interactions
from fhir_server.subscriptions.kept import Holder, Queued

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings
    from fhir_server.subscriptions.table import Entry, Table

#: Bytes of versions that are judged at once.
_MOST_BYTES = 8_000_000
#: Versions judged before others have their turn: a few milliseconds.
_AT_ONCE = 100
#: A version, and what can be searched of it.
Made = tuple[Version, Index]
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
        #: Id → version, state of the search parameters, and the filter of its criteria by them.
        self._compiled: dict[str, tuple[tuple[int, int], Filter]] = {}

    def told(self) -> set[str]:
        """Ids of those for which something was queued since this was last asked."""
        found, self._told = self._told, set()
        return found

    async def take(self, changed: Sequence[Changed]) -> Taken:
        """What is to be kept of changes, in the commit that moves the place in the feed."""
        for id in dict.fromkeys(one.id for one in changed if one.type == "Subscription"):
            await self._table.reload(id)
        kinds = {one.type for one in changed}
        live = [one for one in self._table.live() if one.type in kinds]
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

    def _criteria(self, entry: Entry) -> Filter:
        """The filter of a Subscription's criteria, by the search parameters in force."""
        wanted, registry = entry.wanted, self._around.registry
        by, (known, found) = (wanted.version, registry.generation), self._compiled.get(wanted.id, ((0, 0), NOTHING))
        if by != known:
            place = _Place(_Registered(registry), entry.holder.base, self._around.settings)
            found = compiled(wanted.criteria, wanted.filters, place)[1]
            self._compiled[wanted.id] = (by, found)
        return found

    async def _versions(self, changed: Sequence[Changed]) -> list[Made]:
        """Those of changes that made a resource, with what can be searched of it."""
        own, keys = self._around.repository(), [(c.type, c.id, c.version) for c in changed if c.method != "DELETE"]
        found: list[Made] = []
        at = 0
        while at < len(keys):
            part = await own.vread_many(keys[at : at + 200], _MOST_BYTES)
            found += [(one, unpack(one.own)) for one in part if one is not None]
            await asyncio.sleep(0)
            at += max(len(part), 1)
        return found

    async def _concerning(self, entry: Entry, versions: Sequence[Made]) -> list[Queued]:
        """The versions that a Subscription is told of."""
        wanted = interactions(entry.wanted.criteria)
        mine = [one for one in versions if _may(entry, one[0]) and _made(one[0]) in wanted]
        if not mine:
            return []
        try:
            rights = await rights_of(self._around, entry.holder)
            if rights is None:
                # Whoever tells it of events turns it off.
                self._told.add(entry.wanted.id)
                return []
            seen = await self._around.seen_by(rights, entry.holder.base)
            # As the subscriber's own search would find them: what it may not see is in no answer.
            visible = seen.visible({entry.type: self._criteria(entry)}).get(entry.type, NOTHING)
            found = await _satisfying(seen, visible, mine)
            there = await seen.there([(one.type, one.id) for one in found])
            return [_queued(one) for one in found if (one.type, one.id) in there]
        except Unavailable:
            raise
        except FhirError as error:
            # One whose criteria cannot be judged any more holds up nobody.
            _log.warning("a subscription was not judged (%s)", type(error).__name__)
            return []


def _made(version: Version) -> str:
    """What made a version: an update may create."""
    return "create" if version.version == 1 or version.method == "POST" else "update"


def _queued(version: Version) -> Queued:
    return Queued(version.type, version.id, version.version, version.at, version.method)


async def rights_of(around: Surroundings, holder: Holder) -> Grant | None:
    """What a subscriber may do now; None where nothing is left of what they were granted."""
    return await around.renewed(holder.held)


def _may(entry: Entry, version: Version) -> bool:
    return version.type == entry.type and entry.lasts_at(version.at)


async def _satisfying(seen: Repository, visible: Filter, versions: Sequence[Made]) -> list[Version]:
    judge, found = seen.sight.judge, list[Version]()
    for n, (version, index) in enumerate(versions, 1):
        if await judge.satisfies(visible, version.type, version.id, index, version.at):
            found.append(version)
        if n % _AT_ONCE == 0 or n == len(versions):
            # What is matched is in memory: requests have their turn between.
            await asyncio.sleep(0)
    return found


async def is_shown(seen: Repository, type: str, id: str) -> bool:
    """Whether a resource is there now, and the caller may read it."""
    return bool(await seen.there([(type, id)]))
