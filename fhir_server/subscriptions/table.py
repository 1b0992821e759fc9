"""The Subscriptions that are in force, as the worker that attends to them remembers them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fhir_server.fhir.json import parse
from fhir_server.store.filters import Or, Token
from fhir_server.store.protocol import Drop, Keep, Position, Version
from fhir_server.subscriptions import kept
from fhir_server.subscriptions.criteria import type_of
from fhir_server.subscriptions.kept import Holder, State
from fhir_server.subscriptions.model import Narrow, Narrowing, Wanted, as_said, wanted
from fhir_server.subscriptions.writing import claimed

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings

_IN_FORCE = ("requested", "active", "error")


@dataclass(frozen=True, slots=True)
class Entry:
    """One Subscription.

    Attributes:
        wanted: what it says.
        holder: whose rights it is judged by.
        state: how far it is.
        narrowing: what else it is held to.
    """

    wanted: Wanted
    holder: Holder
    state: State
    narrowing: Narrowing = field(default_factory=Narrowing)

    @property
    def type(self) -> str:
        """Of what it is told of."""
        return type_of(self.wanted.criteria)

    @property
    def since(self) -> int:
        """From which instant on it is told of commits, in ms since 1970; 0: it is not yet."""
        return self.state.since

    def lasts_at(self, ms: int) -> bool:
        """Whether it is told of what is committed at an instant."""
        end = self.wanted.end
        return 0 < self.since <= ms and self.narrowing.start <= ms and (end is None or ms < end.timestamp() * 1000)


class Table:
    """Those in force, by id.

    Attributes:
        state: another number whenever one came, went or says something else.
    """

    def __init__(self, around: Surroundings, narrow: Narrow = as_said) -> None:
        """Nothing is read before `load`."""
        self._around = around
        self._narrow = narrow
        self._entries: dict[str, Entry] = {}
        #: In the order in which they were woken.
        self._awake: dict[str, None] = {}
        self.state = 0

    async def load(self) -> None:
        """Read all of them."""
        own = self._around.repository()
        after: Position | None = None
        where = Or(tuple(Token("status", one) for one in _IN_FORCE))
        self._entries.clear()
        while True:
            page = await own.find({"Subscription": where}, after=after, count=200)
            for version in page.versions:
                await self._take(version)
            after = page.next
            if after is None:
                return

    async def reload(self, id: str) -> None:
        """Read one of them anew."""
        version = await self._around.repository().current("Subscription", id)
        if version is None or version.deleted:
            await self._forget(id, for_good=True)
        else:
            await self._take(version)

    def get(self, id: str) -> Entry | None:
        """The one of that id."""
        return self._entries.get(id)

    def all(self) -> list[Entry]:
        """Every subscription in force, in no order that means anything."""
        return list(self._entries.values())

    def wake(self, id: str) -> None:
        """Something is to be told to one of them."""
        self._awake.setdefault(id)

    def awake(self) -> list[str]:
        """Ids of those to whom something is to be told, who was woken first before the others."""
        return [id for id in self._awake if id in self._entries]

    def asleep(self, id: str) -> None:
        """Nothing is to be told to one of them."""
        self._awake.pop(id, None)

    async def keep(self, id: str, state: State, *changes: Keep | Drop) -> None:
        """Keep how far one of them is, with further changes; nothing, where it is not in force any more."""
        if (found := self._entries.get(id)) is None:
            return
        # Here first: whoever goes on from it meanwhile begins with what is about to be kept.
        self._entries[id] = replace(found, state=state)
        await self._around.records.apply([*changes, kept.keep_state(id, state)])

    async def _take(self, version: Version) -> None:
        records, found = self._around.records, wanted(version)
        holder = await kept.holder(records, found.holder)
        if found.status not in _IN_FORCE or holder is None:
            # Without what its rights are judged by it reaches nothing.
            await self._forget(found.id, for_good=False)
            return
        there = self._entries.get(found.id)
        state = there.state if there is not None else await kept.state(records, found.id)
        since = state.since or (found.at if found.status != "requested" else 0)
        new = replace(state, since=since, claimed=found.holder)
        if state.claimed != found.holder:
            # Its owner wrote it anew: it is tried at once.
            new = replace(new, failures=0, again=0.0)
        narrowing = self._narrow(parse(version.body), holder.base)
        self._entries[found.id] = Entry(found, holder, new, narrowing)
        self.state += 1
        self._awake.setdefault(found.id)
        if new != state:
            kept_now = [claimed(found.holder, holder), kept.keep_state(found.id, new)]
            old = [Drop(kept.HOLDERS, state.claimed)] if state.claimed not in ("", found.holder) else []
            await records.apply([*kept_now, *old])

    async def _forget(self, id: str, for_good: bool) -> None:
        records = self._around.records
        there = self._entries.pop(id, None)
        self.state += 1
        self._awake.pop(id, None)
        state = there.state if there is not None else await kept.state(records, id)
        if state == State():
            return
        await kept.emptied(records, id, kept.QUEUE)
        if not for_good:
            await records.apply([kept.keep_state(id, replace(state, since=0, failures=0, again=0.0))])
            return
        await kept.emptied(records, id, kept.EVENTS)
        drops = [Drop(kept.STATES, id), Drop(kept.COUNTS, id), Drop(kept.SOCKETS, id)]
        await records.apply([*drops, *([Drop(kept.HOLDERS, state.claimed)] if state.claimed else [])])
