"""What is said on one websocket: it binds to Subscriptions, and is told of their events until it ends.

R4 subscription.html, websocket: `bind [id]` is answered `bound [id]`, each event is `ping [id]`. Of a topic the answer
is a handshake, and events are notification Bundles (http://hl7.org/fhir/uv/subscriptions-backport, `bind-with-token`).
Rights are judged anew each time something is told; with the token by which somebody listens, all of it ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.notes import Noted
from fhir_server.subscriptions.sockets.binding import Authority, bindable, taken
from fhir_server.subscriptions.sockets.link import UNSUPPORTED, Link, Over
from fhir_server.subscriptions.sockets.listening import Listening
from fhir_server.subscriptions.sockets.places import Places

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings

#: Subscriptions of one socket, and messages of one client in a minute.
MOST_BOUND, MOST_HEARD = 100, 120
#: Seconds within which a socket is bound to something, else it ends.
UNBOUND_SECONDS = 20.0
#: Seconds before what failed is tried again, and between two looks at a socket that is bound to nothing.
_AGAIN = 1.0
_MINUTE = 60.0
_log = logging.getLogger(__name__)


class Conversation:
    """One of them.

    Attributes:
        who: whose place it has.
    """

    def __init__(
        self,
        around: Surroundings,
        link: Link,
        by: Authority | None,
        places: Places,
        who: str,
        listening: dict[str, set[Conversation]],
    ) -> None:
        """`by` is of the handshake; None where it had no token. `listening` is the worker's, by Subscription."""
        self.who = who
        self._around = around
        self._link = link
        self._by = by
        self._places = places
        self._listening = listening
        self._bound: dict[str, Listening] = {}
        self._woken = asyncio.Event()
        #: What is heard and what is told take turns: what follows `bound` comes after it.
        self._turn = asyncio.Lock()
        self._began = time.monotonic()
        self._heard: list[float] = []

    async def hold(self) -> None:
        """Talk until either side has had enough."""
        works: list[Coroutine[Any, Any, None]] = [self._hear(), self._tell()]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if isinstance(error, Over):
                    await self._link.end(error.code, error.words)
                elif error is not None:
                    _log.error("a socket failed: %s", type(error).__name__)
                    await self._link.end(1011, "The server failed.")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for id in self._bound:
                self._listening[id].discard(self)
                if not self._listening[id]:
                    del self._listening[id]

    def wake(self, id: str, has_changed: bool = False) -> None:
        """There is something to tell of a Subscription, or it says something else."""
        found = self._bound.get(id)
        if found is not None:
            found.awake, found.stale = True, found.stale or has_changed
            self._woken.set()

    def wake_all(self) -> None:
        """Anything may have changed."""
        for id in self._bound:
            self.wake(id, has_changed=True)

    def judge_if(self, change: Noted) -> None:
        """Judge at once where a change may have ended what somebody listens by."""
        for one in self._bound.values():
            if one.by.hangs_on(change):
                one.judged = 0.0
                self._woken.set()

    async def _hear(self) -> None:
        while (text := await self._link.heard()) is not None:
            now = time.monotonic()
            self._heard = [*(at for at in self._heard if now - at < _MINUTE), now]
            if len(self._heard) > MOST_HEARD:
                raise Over("Too many messages.")
            word, _, rest = text.strip().partition(" ")
            said = _WORDS.get(word)
            if said is None:
                raise Over("Messages are: bind [id], and bind-with-token [token].", UNSUPPORTED)
            async with self._turn:
                await said(self, rest.strip())

    async def _bind(self, id: str) -> None:
        if self._by is None:
            raise Over("This socket has no token: bind-with-token has one.")
        await self._bind_each(self._by, (id,))

    async def _bind_with_token(self, token: str) -> None:
        asked = await taken(self._around.records, token) if 0 < len(token) <= 512 else None
        if asked is None:
            raise Over(_NO_TOKEN)
        if self._by is None and not self._bound:
            if not self._places.move(self.who, asked.by.owner):
                raise Over("Too many sockets.")
            self.who = asked.by.owner
        await self._bind_each(asked.by, asked.ids)

    async def _bind_each(self, by: Authority, ids: tuple[str, ...]) -> None:
        if await self._around.lasts(by.token) <= time.time():
            raise Over(_ENDED)
        if len({*self._bound, *ids}) > MOST_BOUND:
            raise Over(f"A socket is bound to {MOST_BOUND} subscriptions at most.")
        for id in ids:
            # Listening before it is read: what is numbered meanwhile wakes it, and is told.
            self._listening.setdefault(id, set()).add(self)
            try:
                entry = await bindable(self._around, by, id)
                if entry is None:
                    raise Over(_NONE)
                # Bound again, it goes on from where it was, by the newer right.
                before = self._bound.get(id)
                found = Listening(self._around, by, entry, before.last if before else entry.state.numbered)
                self._bound[id] = found
            finally:
                if id not in self._bound:
                    self._listening[id].discard(self)
                    if not self._listening[id]:
                        del self._listening[id]
            await self._link.tell(found.greeting())
        self._woken.set()

    async def _tell(self) -> None:
        while True:
            self._woken.clear()
            try:
                for one in list(self._bound.values()):
                    async with self._turn:
                        await one.go_on(self._link.tell)
            except FhirError as error:
                _log.warning("a socket was not told (%s)", type(error).__name__)
                await asyncio.sleep(_AGAIN)
                continue
            if not self._bound and time.monotonic() - self._began > UNBOUND_SECONDS:
                raise Over("Nothing was bound.")
            wait = min([one.wait() for one in self._bound.values()], default=_AGAIN)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()


_NONE = "There is no such subscription by websocket, or it is not yours."
_NO_TOKEN = "The token is none, or was used."  # noqa: S105 - words
_ENDED = "The authorization has ended."
_WORDS: dict[str, Callable[[Conversation, str], Coroutine[Any, Any, None]]] = {
    "bind": Conversation._bind,
    "bind-with-token": Conversation._bind_with_token,
}
