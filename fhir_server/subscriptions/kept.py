"""What is kept of a Subscription beside its resource: rights and secrets, how far it is, what is still to be told.

kind                    key                        value
subscription-holder     a random name              `Holder`
subscription-state      id                         `State`
subscription-queued     id                         number of the last that was queued
subscription-queue      id, line feed, number      `Queued`
subscription-event      id, line feed, number      `Event`
subscription-socket     id                         number of the last event, of a Subscription by websocket
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from fhir_server.access.grant import Held
from fhir_server.store.protocol import Drop, Keep, Records

HOLDERS, STATES, COUNTS = "subscription-holder", "subscription-state", "subscription-queued"
QUEUE, EVENTS = "subscription-queue", "subscription-event"
#: Noted (`store.notes.NOTED`): by it the worker that holds a socket hears that there is something to tell.
SOCKETS = "subscription-socket"
#: How long what a Subscription needs is kept before one is stored that names it, in seconds.
UNCLAIMED_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose rights a Subscription is judged by, and the secrets of its channel.

    Attributes:
        held: what their grant was made of.
        base: the FHIR base it was for.
        headers: (name, value) of the channel's headers.
    """

    held: Held
    base: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """How far a Subscription is.

    Attributes:
        since: from which instant on it is told of commits, ms since 1970; 0 while it is off.
        numbered: number of the last event.
        failures: in a row.
        again: not before this, seconds since 1970.
        claimed: the holder that is kept for it.
    """

    since: int = 0
    numbered: int = 0
    failures: int = 0
    again: float = 0.0
    claimed: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """A version that concerns a Subscription and was not told yet; `number` of its event, 0 before it has one."""

    type: str
    id: str
    version: int
    at: int
    method: str
    number: int = 0

    @property
    def deleted(self) -> bool:
        """Whether it is a deletion."""
        return self.method == "DELETE"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was told, or is about to be: versions of one notification."""

    at: int
    of: list[Queued] = field(default_factory=list)


async def holder(records: Records, name: str) -> Holder | None:
    """What is kept under a name."""
    value = await records.get(HOLDERS, name) if name else None
    return None if value is None else msgspec.json.decode(value, type=Holder)


async def state(records: Records, id: str) -> State:
    """How far a Subscription is."""
    value = await records.get(STATES, id)
    return State() if value is None else msgspec.json.decode(value, type=State)


def keep_state(id: str, value: State) -> Keep:
    """The change that keeps how far a Subscription is."""
    return Keep(STATES, id, msgspec.json.encode(value))


async def queued(records: Records, id: str, count: int) -> list[tuple[str, Queued]]:
    """Key and value of the first of what was not told yet, in the order of commits."""
    found = await records.list(QUEUE, f"{id}\n", count=count)
    return [(key, msgspec.json.decode(value, type=Queued)) for key, value in found]


async def counted(records: Records, id: str) -> int:
    """Number of the last that was queued."""
    return int(await records.get(COUNTS, id) or b"0")


async def waiting(records: Records, id: str) -> int:
    """About how many were not told yet: those between that were hidden count too."""
    first = await queued(records, id, 1)
    return await counted(records, id) - int(first[0][0].rpartition("\n")[2]) + 1 if first else 0


def queue(id: str, last: int, found: Sequence[Queued]) -> list[Keep | Drop]:
    """The changes that queue versions after the number `last`."""
    kept: list[Keep | Drop] = [
        Keep(QUEUE, numbered(id, last + n), msgspec.json.encode(one)) for n, one in enumerate(found, 1)
    ]
    return [*kept, Keep(COUNTS, id, str(last + len(found)).encode())]


async def events(records: Records, id: str, first: int, last: int | None, count: int) -> list[Queued]:
    """The events of a Subscription from one number to another, both included, `count` at most."""
    found: list[Queued] = []
    after = numbered(id, first - 1) if first > 0 else ""
    for _, value in await records.list(EVENTS, f"{id}\n", after, count):
        found += msgspec.json.decode(value, type=Event).of
    return [one for one in found if last is None or one.number <= last]


def numbered(id: str, number: int) -> str:
    """The key of a number of a Subscription: keys of larger numbers come later."""
    return f"{id}\n{number:015d}"


async def emptied(records: Records, id: str, kind: str) -> None:
    """Drop all of a kind that is kept of a Subscription."""
    while found := await records.list(kind, f"{id}\n", count=500):
        await records.apply([Drop(kind, key) for key, _ in found])


def encoded(value: Holder | State | Queued | Event) -> bytes:
    """A value as it is kept."""
    return msgspec.json.encode(value)
