"""Tells subscribers, one event after the other each, however slow another is.

https://hl7.org/fhir/R4/subscription.html. An event has its number, and is kept, before it is sent: where a process
dies, the next one sends it again under the same number. Who fails is tried again, later and later, and then turned off.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, FhirError, Forbidden, Gone, NotFound, PreconditionFailed, Unavailable
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.jobs.outbox import Notice, Outbox
from fhir_server.store.protocol import Drop, Keep
from fhir_server.subscriptions import kept, notification, telling
from fhir_server.subscriptions.kept import Event, Queued
from fhir_server.subscriptions.model import ENGINE, Wanted, mailbox
from fhir_server.subscriptions.sending import Failed, Sent, send
from fhir_server.subscriptions.sights import rights_of, shown

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings
    from fhir_server.subscriptions.table import Entry, Table

#: After how many seconds a notification that was not taken is sent again, each time; after the last the Subscription is
#: turned off. Two days in all: as long as a week-end's failure.
BACK_OFF = (1, 5, 15, 60, 300, 900, 3_600, 3_600, 4 * 3_600, 8 * 3_600, 12 * 3_600, 18 * 3_600)
#: From so many failures in a row on the Subscription says that it is in error.
IN_ERROR = 3
#: Who fails while more than so many wait is turned off at once.
MOST_WAITING = 100_000
_DAY = 86_400
#: A mail tells of so many events at most, and so many are numbered for a socket at once; the next mail is not before so
#: many seconds are over.
_MAILED, MAIL_SECONDS = 100, 3_600


@dataclass(frozen=True, slots=True)
class Pace:
    """How failures are borne.

    Attributes:
        back_off: as `BACK_OFF`.
        seconds: how long a receiver may take.
        words: subject and text of a mail: nothing of what it is about.
    """

    back_off: tuple[float, ...] = BACK_OFF
    seconds: float = 10.0
    words: tuple[str, str] = ("Something is new", "Something that you follow has changed.")


class Delivery:
    """Tells the Subscriptions of a table."""

    def __init__(self, around: Surroundings, table: Table, pace: Pace) -> None:
        """Nothing is sent yet."""
        self._around = around
        self._table = table
        self._pace = pace
        #: When each was last told something.
        self._spoken: dict[str, float] = {}

    async def attend(self, id: str) -> None:
        """Activate a Subscription that asks for it, and tell it all that waits, until something fails.

        Raises:
            FhirError: the store did not answer.
        """
        while (entry := self._table.get(id)) is not None and entry.state.again <= time.time():
            rights = await rights_of(self._around, entry.holder)
            if rights is None:
                await self._state(entry, "off", "The authorization that it was made with has ended.")
                return
            if entry.wanted.status == "requested":
                if not await self._activate(entry):
                    return
                continue
            if not await self._go_on(entry, rights):
                return

    async def _go_on(self, entry: Entry, rights: Grant) -> bool:
        """Tell of what waits first; whether to go on with the next."""
        id = entry.wanted.id
        # Before it is looked: what comes meanwhile wakes it again.
        self._table.asleep(id)
        found = await kept.queued(self._around.records, id, _at_once(entry.wanted))
        if not found:
            if self.is_due(entry) and not await self._said(entry, "heartbeat"):
                self._table.wake(id)
            return False
        self._table.wake(id)
        return await self._tell(entry, rights, found)

    async def end(self, entry: Entry) -> None:
        """Turn off a Subscription whose end is reached."""
        await self._state(entry, "off", "Its end is reached.")

    def is_due(self, entry: Entry) -> bool:
        """Whether a Subscription is to be told that it is still attended to."""
        if (
            not entry.wanted.heartbeat
            or entry.wanted.kind != "rest-hook"
            or not entry.since
            or entry.wanted.status == "requested"
        ):
            return False
        last = self._spoken.setdefault(entry.wanted.id, time.monotonic())
        return time.monotonic() - last >= entry.wanted.heartbeat

    async def _activate(self, entry: Entry) -> bool:
        """Whether it was: who is told of a topic takes a handshake first."""
        if entry.wanted.topic and entry.wanted.kind == "rest-hook" and not await self._said(entry, "handshake"):
            return False
        at = await self._state(entry, "active")
        now = self._table.get(entry.wanted.id)
        if at and now is not None and not now.since:
            await self._table.keep(entry.wanted.id, replace(now.state, since=at))
        return bool(at)

    async def _said(self, entry: Entry, kind: notification.Kind) -> bool:
        """Tell a Subscription to a topic something that is no event; whether it was taken."""
        now = self._table.get(entry.wanted.id) or entry
        return await self._taken(entry, self._posted(entry, telling.said(entry, kind, (), now.state.numbered)))

    async def _tell(self, entry: Entry, rights: Grant, found: Sequence[tuple[str, Queued]]) -> bool:
        """Tell of some versions in one notification; whether to go on with the next."""
        ready = await self._ready(entry, rights, found)
        if not ready or entry.wanted.kind == "websocket":
            # Whichever worker holds its socket hears of the numbers, and tells.
            return True
        if entry.wanted.kind == "email":
            await self._mailed(entry, ready[-1][0], [key for key, _ in found])
            return False
        try:
            sent = await self._sent(entry, rights, ready)
        except Unavailable:
            raise
        except (NotFound, Gone, Forbidden):
            sent = None
        if sent is not None and not await self._taken(entry, sent):
            return False
        await self._done(entry.wanted.id, [key for key, _ in found])
        if entry.wanted.status == "error":
            await self._state(entry, "active")
        return True

    async def _ready(
        self, entry: Entry, rights: Grant, found: Sequence[tuple[str, Queued]]
    ) -> list[tuple[Queued, bool]]:
        """Those that are told of, numbered, and whether each may be named."""
        seen = await self._around.seen_by(rights, entry.holder.base)
        may = await shown(seen, [queued for _, queued in found])
        ready = [(key, queued, (queued.type, queued.id, queued.version) in may) for key, queued in found]
        hidden = [key for key, queued, may in ready if not may and not (queued.number and entry.wanted.topic)]
        if hidden:
            # Hidden, or deleted, since: they have no number yet, so that nothing tells that they were there.
            await self._done(entry.wanted.id, hidden)
        left = [one for one in ready if one[0] not in hidden]
        numbered = await self._numbered(entry, [(key, queued) for key, queued, _ in left])
        return [(queued, may) for queued, (_, _, may) in zip(numbered, left, strict=True)]

    async def _mailed(self, entry: Entry, last: Queued, keys: Sequence[str]) -> None:
        """Have a mail say that there is something: of one commit with what it told of."""
        id, to = entry.wanted.id, mailbox(entry.wanted.endpoint)
        now = self._table.get(id)
        if now is None or to is None:
            return
        notice = Notice(f"subscription {entry.wanted.holder} {last.number}", to, *self._pace.words)
        await self._table.keep(
            id,
            replace(now.state, failures=0, again=time.time() + MAIL_SECONDS),
            *Outbox.kept(notice),
            *(Drop(kept.QUEUE, key) for key in keys),
        )

    async def _taken(self, entry: Entry, sent: Sent) -> bool:
        try:
            await send(sent, self._around.settings.subscription_loopback)
        except Failed as failed:
            await self._failed(entry.wanted.id, str(failed))
            return False
        self._spoken[entry.wanted.id] = time.monotonic()
        return True

    async def _numbered(self, of: Entry, found: Sequence[tuple[str, Queued]]) -> list[Queued]:
        """The same, each with its number: kept before it is sent, in one commit."""
        id, entry = of.wanted.id, self._table.get(of.wanted.id)
        if entry is None:
            return [queued for _, queued in found]
        by_socket, lasts = of.wanted.kind == "websocket", self._around.settings.subscription_days * _DAY
        number, made, changes = entry.state.numbered, list[Queued](), list[Keep | Drop]()
        for key, queued in found:
            if not queued.number:
                number += 1
                queued = replace(queued, number=number)
                event = kept.encoded(Event(int(time.time() * 1000), [queued]))
                changes.append(Drop(kept.QUEUE, key) if by_socket else Keep(kept.QUEUE, key, kept.encoded(queued)))
                changes.append(Keep(kept.EVENTS, kept.numbered(id, number), event, lasts))
            made.append(queued)
        if changes:
            changes += [Keep(kept.SOCKETS, id, str(number).encode(), lasts)] if by_socket else []
            await self._table.keep(id, replace(entry.state, numbered=number), *changes)
        return made

    async def _sent(self, entry: Entry, rights: Grant, ready: Sequence[tuple[Queued, bool]]) -> Sent:
        """The notification of versions: R4 puts its payload under the endpoint, and posts without one."""
        wanted = entry.wanted
        if wanted.topic:
            return self._posted(entry, await telling.told(self._around, entry, rights, ready, entry.state.numbered))
        if not wanted.payload:
            return Sent("POST", wanted.endpoint, headers=entry.holder.headers, seconds=self._seconds(wanted))
        queued = ready[0][0]
        body, media_type = telling.encoded(wanted, await telling.version(self._around, entry, rights, queued))
        url = telling.put_under(wanted.endpoint, queued)
        return Sent("PUT", url, body, media_type, entry.holder.headers, self._seconds(wanted))

    def _posted(self, entry: Entry, what: telling.Body) -> Sent:
        wanted = entry.wanted
        return Sent("POST", wanted.endpoint, *what, entry.holder.headers, self._seconds(wanted))

    def _seconds(self, wanted: Wanted) -> float:
        return min(wanted.timeout or self._pace.seconds, self._pace.seconds)

    async def _done(self, id: str, keys: Sequence[str]) -> None:
        if (entry := self._table.get(id)) is not None:
            drops = [Drop(kept.QUEUE, key) for key in keys]
            await self._table.keep(id, replace(entry.state, failures=0, again=0.0), *drops)

    async def _failed(self, id: str, words: str) -> None:
        if (entry := self._table.get(id)) is None:
            return
        failures = entry.state.failures + 1
        if failures > len(self._pace.back_off) or await kept.waiting(self._around.records, id) > MOST_WAITING:
            await self._state(entry, "off", f"Turned off after {failures} failures. {words}")
            return
        again = time.time() + self._pace.back_off[failures - 1]
        await self._table.keep(id, replace(entry.state, failures=failures, again=again))
        if failures == IN_ERROR and entry.wanted.status == "active":
            await self._state(entry, "error", words)

    async def _state(self, entry: Entry, status: str, error: str = "") -> int:
        """Have a Subscription say how it stands; the instant (ms) of that version, 0 where it was changed meanwhile."""
        own = self._around.repository()
        version = await own.current("Subscription", entry.wanted.id)
        if version is None or version.deleted or version.version != entry.wanted.version:
            return 0
        tree = {**parse(version.body), "status": status, "error": error}
        if not error:
            del tree["error"]
        pinned = {"if-match": f'W/"{version.version}"'}
        request = Request("PUT", ("Subscription", entry.wanted.id), (), serialize(tree), FHIR_JSON, pinned)
        try:
            answer = await self._around.exchange(request, ENGINE, entry.holder.base)
        except Unavailable:
            raise
        except (Conflict, PreconditionFailed, FhirError):
            return 0
        await self._table.reload(entry.wanted.id)
        return answer.at or 0


def _at_once(wanted: Wanted) -> int:
    """How many events one notification tells of at most."""
    if wanted.kind != "rest-hook":
        return _MAILED
    return max(wanted.max_count, 1) if wanted.topic else 1
