"""Which Subscriptions a commit concerns: by their criteria, and by what their subscriber may see now.

https://hl7.org/fhir/R4/subscription.html. What a search would not show is not told of, nor that it was hidden.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.jobs.feed_reader import Taken
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import NOTHING, Filter, Index, both
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Drop, Keep, Version
from fhir_server.subscriptions import kept
from fhir_server.subscriptions.criteria import compiled, interactions
from fhir_server.subscriptions.kept import Queued
from fhir_server.subscriptions.lookup import Lookup
from fhir_server.subscriptions.sights import Sights, shown

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings
    from fhir_server.subscriptions.table import Entry, Table

#: Bytes of versions that are judged at once.
_MOST_BYTES = 8_000_000
#: Versions judged before others have their turn: a few milliseconds.
_AT_ONCE = 100
#: A version, and what can be searched of it; of a deletion, of what it ended.
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


@dataclass(frozen=True, slots=True)
class _Found:
    """What satisfies the criteria of a Subscription, as its subscriber's own search would find it."""

    entry: Entry
    seen: Repository
    of: list[Queued]


class Matching:
    """Takes changes from the feed, and queues them for the Subscriptions that they concern."""

    def __init__(self, around: Surroundings, table: Table) -> None:
        """`table` has the Subscriptions."""
        self._around = around
        self._table = table
        self._told: set[str] = set()
        #: Id → version, state of the search parameters, and the filter of its criteria by them.
        self._compiled: dict[str, tuple[tuple[int, int], Filter]] = {}
        #: Of which state of the table and of the search parameters `_lookup` is.
        self._looked_up = (-1, -1)
        self._lookup = Lookup(())
        self._judged = 0

    def told(self) -> set[str]:
        """Ids of those for which something was queued since this was last asked."""
        found, self._told = self._told, set()
        return found

    async def take(self, changed: Sequence[Changed]) -> Taken:
        """What is to be kept of changes, in the commit that moves the place in the feed."""
        for id in dict.fromkeys(one.id for one in changed if one.type == "Subscription"):
            await self._table.reload(id)
        self._look_up()
        types = self._lookup.types()
        concerning: dict[str, list[Made]] = {}
        for version, index in await self._versions([one for one in changed if one.type in types]):
            for id in self._lookup.perhaps(version.type, version.id, index):
                concerning.setdefault(id, []).append((version, index))
        found = await self._visible(await self._satisfying(concerning))
        lasts = await self._around.records.get_each([(kept.COUNTS, one.entry.wanted.id) for one in found])
        made: list[Keep | Drop] = []
        for one, last in zip(found, lasts, strict=True):
            made += kept.queue(one.entry.wanted.id, int(last or b"0"), one.of)
            self._told.add(one.entry.wanted.id)
        return Taken(sum(len(one.of) for one in found), tuple(made))

    def _look_up(self) -> None:
        state = (self._table.state, self._around.registry.generation)
        if state == self._looked_up:
            return
        entries = self._table.all()
        there = {one.wanted.id for one in entries}
        self._compiled = {id: one for id, one in self._compiled.items() if id in there}
        self._lookup = Lookup((one.wanted.id, one.type, self._criteria(one)) for one in entries)
        self._looked_up = state

    def _criteria(self, entry: Entry) -> Filter:
        """The filter of a Subscription's criteria, by the search parameters in force."""
        wanted, registry = entry.wanted, self._around.registry
        by, (known, found) = (wanted.version, registry.generation), self._compiled.get(wanted.id, ((0, 0), NOTHING))
        if by != known:
            place = _Place(_Registered(registry), entry.holder.base, self._around.settings)
            try:
                found = both(compiled(wanted.criteria, wanted.filters, place)[1], entry.narrowing.where)
            except FhirError as error:
                # One whose criteria cannot be read any more holds up nobody.
                _log.warning("a subscription was not judged (%s)", type(error).__name__)
                found = NOTHING
            self._compiled[wanted.id] = (by, found)
        return found

    async def _versions(self, changed: Sequence[Changed]) -> list[Made]:
        """Those of changes that are told of, with what can be searched of each."""
        own = self._around.repository()
        keys = [(c.type, c.id, c.version) for c in changed if c.method != "DELETE"]
        found: list[Made] = []
        at = 0
        while at < len(keys):
            part = await own.vread_many(keys[at : at + 200], _MOST_BYTES)
            found += [(one, unpack(one.own)) for one in part if one is not None]
            await asyncio.sleep(0)
            at += max(len(part), 1)
        ended = [(c.type, c.id, c.version) for c in changed if c.method == "DELETE"]
        gone = await own.ended(ended) if ended else ()
        found += [(one, unpack(one.own)) for one in gone if one is not None]
        # As they were committed: the feed's order is told of too.
        order = {(c.type, c.id, c.version): n for n, c in enumerate(changed)}
        return sorted(found, key=lambda made: order[made[0].type, made[0].id, made[0].version])

    async def _satisfying(self, concerning: dict[str, list[Made]]) -> list[_Found]:
        sights, found = Sights(self._around), list[_Found]()
        for id, versions in concerning.items():
            entry = self._table.get(id)
            if entry is None or not entry.since:
                continue
            wanted = interactions(entry.wanted.criteria) & entry.narrowing.interactions
            mine = [one for one in versions if entry.lasts_at(one[0].at) and _made(one[0]) in wanted]
            try:
                if mine and (one := await self._of(entry, sights, mine)) is not None and one.of:
                    found.append(one)
            except Unavailable:
                raise
            except FhirError as error:
                _log.warning("a subscription was not judged (%s)", type(error).__name__)
        return found

    async def _of(self, entry: Entry, sights: Sights, versions: Sequence[Made]) -> _Found | None:
        """What satisfies the criteria of one Subscription."""
        seen = await sights.of(entry.holder)
        if seen is None:
            # Whoever tells it of events turns it off.
            self._told.add(entry.wanted.id)
            return None
        # As the subscriber's own search would find them: what it may not see is in no answer.
        visible = seen.visible({entry.type: self._criteria(entry)}).get(entry.type, NOTHING)
        found: list[Queued] = []
        for version, index in versions:
            if await seen.sight.judge.satisfies(visible, version.type, version.id, index, version.at):
                found.append(Queued(version.type, version.id, version.version, version.at, version.method))
            self._judged += 1
            if self._judged % _AT_ONCE == 0:
                # What is matched is in memory: requests have their turn between.
                await asyncio.sleep(0)
        return _Found(entry, seen, found)

    async def _visible(self, found: Sequence[_Found]) -> list[_Found]:
        """Of each what its subscriber may read, asked once of each authorization."""
        by_sight: dict[int, list[_Found]] = {}
        for one in found:
            by_sight.setdefault(id(one.seen), []).append(one)
        left: list[_Found] = []
        for some in by_sight.values():
            together = list(dict.fromkeys(queued for one in some for queued in one.of))
            try:
                may = await shown(some[0].seen, together)
            except Unavailable:
                raise
            except FhirError as error:
                _log.warning("subscriptions were not judged (%s)", type(error).__name__)
                continue
            for one in some:
                if of := [queued for queued in one.of if (queued.type, queued.id, queued.version) in may]:
                    left.append(_Found(one.entry, one.seen, of))
        return left


def _made(version: Version) -> str:
    """What made a version: an update may create."""
    if version.deleted:
        return "delete"
    return "create" if version.version == 1 or version.method == "POST" else "update"
