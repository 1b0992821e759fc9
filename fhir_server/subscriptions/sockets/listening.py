"""One Subscription on one socket: how far it was told, and telling what is new."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from fhir_server.fhir.outcome import FhirError, Forbidden, Gone, NotFound
from fhir_server.subscriptions import kept, telling
from fhir_server.subscriptions.kept import Queued
from fhir_server.subscriptions.sights import shown
from fhir_server.subscriptions.sockets.binding import Authority, bindable
from fhir_server.subscriptions.sockets.link import Over
from fhir_server.subscriptions.table import Entry

if TYPE_CHECKING:
    from fhir_server.access.grant import Grant
    from fhir_server.subscriptions.surroundings import Surroundings

#: Events that are read at once.
_AT_ONCE = 100
#: Seconds after which rights are judged though nothing is told.
_JUDGED = 15.0
Tell = Callable[[str], Awaitable[None]]


class Listening:
    """One of them.

    Attributes:
        by: whose right it is.
        last: number of the last event that was told, or passed over.
        awake: whether there may be something to tell.
        stale: whether the Subscription may say something else.
        judged: when its right was judged last, by the monotonic clock.
    """

    def __init__(self, around: Surroundings, by: Authority, entry: Entry, last: int) -> None:
        """What comes after the event `last` is told."""
        self.by = by
        self.last = last
        self.awake = True
        self.stale = False
        self.judged = time.monotonic()
        self._around = around
        self._entry = entry
        self._spoken = time.monotonic()
        #: When its access token ends, in seconds since 1970.
        self._until = 0.0

    def greeting(self) -> str:
        """What binding is answered."""
        wanted = self._entry.wanted
        if not wanted.topic:
            return f"bound {wanted.id}"
        return telling.said(self._entry, "handshake", (), self.last)[0].decode()

    def wait(self) -> float:
        """Seconds after which it is to be gone on with, though nothing wakes it."""
        times = [_JUDGED - (time.monotonic() - self.judged), self._until - time.time()]
        if beat := self._beat():
            times.append(beat - (time.monotonic() - self._spoken))
        return max(min(times), 0.05)

    async def go_on(self, tell: Tell) -> None:
        """Tell what is new, as long as the right to it lasts.

        Raises:
            Over: the right has ended, or the Subscription.
            FhirError: the store did not answer; what was not told is told the next time.
        """
        if not self.awake and not self.stale and self.wait() > 0.05:
            return
        await self._judge()
        # Before it is read: whatever comes meanwhile wakes it again.
        self.awake = False
        try:
            await self._tell_new(tell)
        except FhirError:
            self.awake = True
            raise
        beat = self._beat()
        if beat and time.monotonic() - self._spoken >= beat:
            await self._say(tell, telling.said(self._entry, "heartbeat", (), self.last)[0].decode())

    async def _tell_new(self, tell: Tell) -> None:
        id = self._entry.wanted.id
        while found := await kept.events(self._around.records, id, self.last + 1, None, _AT_ONCE):
            await self._tell(found, tell)
            self.last = max(one.number for one in found)

    def _beat(self) -> int:
        return self._entry.wanted.heartbeat if self._entry.wanted.topic else 0

    async def _judge(self) -> None:
        self._until = await self._around.lasts(self.by.token)
        if self._until <= time.time():
            raise Over("The authorization has ended.")
        # Not before it was read: what it says then is newer than what woke it.
        self.stale = False
        entry = await bindable(self._around, self.by, self._entry.wanted.id)
        if entry is None:
            raise Over("The subscription has ended.")
        self._entry = entry
        self.judged = time.monotonic()

    async def _tell(self, found: Sequence[Queued], tell: Tell) -> None:
        holder, base = self._entry.holder, self._entry.holder.base
        grants = [await self._around.renewed(held) for held in dict.fromkeys((holder.held, self.by.held))]
        rights = [one for one in grants if one is not None]
        if len(rights) < len(grants):
            # Whoever attends to subscriptions turns it off.
            return
        may = {(one.type, one.id, one.version) for one in found}
        for grant in rights:
            # By what it was made with, and by what is listened with: neither is shown more through the other.
            may &= await shown(await self._around.seen_by(grant, base), found)
        ready = [(one, (one.type, one.id, one.version) in may) for one in found]
        if self._entry.wanted.topic:
            await self._notify(ready, rights[-1], tell)
            return
        for _, named in ready:
            if named:
                await self._say(tell, f"ping {self._entry.wanted.id}")

    async def _notify(self, ready: telling.Ready, rights: Grant, tell: Tell) -> None:
        most = max(self._entry.wanted.max_count, 1)
        for at in range(0, len(ready), most):
            try:
                body, _ = await telling.told(self._around, self._entry, rights, ready[at : at + most], self.last)
            except (NotFound, Gone, Forbidden):
                continue
            await self._say(tell, body.decode())

    async def _say(self, tell: Tell, text: str) -> None:
        await tell(text)
        self._spoken = time.monotonic()
