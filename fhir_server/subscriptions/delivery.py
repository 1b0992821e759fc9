"""Tells subscribers, one event after the other each, however slow another is.

https://hl7.org/fhir/R4/subscription.html. An event has its number, and is kept, before it is sent: where a process
dies, the next one sends it again under the same number. Who fails is tried again, later and later, and then turned off.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, FhirError, Forbidden, Gone, NotFound, PreconditionFailed, Unavailable
from fhir_server.fhir.xml import to_xml
from fhir_server.interactions.exchange import FHIR_JSON, FHIR_XML, Request
from fhir_server.store.protocol import Drop, Keep
from fhir_server.subscriptions import kept
from fhir_server.subscriptions.kept import Event, Queued
from fhir_server.subscriptions.matching import is_shown, rights_of
from fhir_server.subscriptions.model import ENGINE, XML
from fhir_server.subscriptions.sending import Failed, Sent, send

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings
    from fhir_server.subscriptions.table import Entry, Table

#: After how many seconds a notification that was not taken is sent again, each time; after the last the Subscription is
#: turned off. Two days in all: as long as a week-end's failure.
BACK_OFF = (1, 5, 15, 60, 300, 900, 3_600, 3_600, 4 * 3_600, 8 * 3_600, 12 * 3_600, 18 * 3_600)
#: From so many failures in a row on the Subscription says that it is in error.
IN_ERROR = 3
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Pace:
    """How failures are borne.

    Attributes:
        back_off: as `BACK_OFF`.
        seconds: how long a receiver may take.
    """

    back_off: tuple[float, ...] = BACK_OFF
    seconds: float = 10.0


class Delivery:
    """Tells the Subscriptions of a table."""

    def __init__(self, around: Surroundings, table: Table, pace: Pace) -> None:
        """Nothing is sent yet."""
        self._around = around
        self._table = table
        self._pace = pace

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
                await self._activate(entry)
                return
            # Before it is looked: what comes meanwhile wakes it again.
            self._table.asleep(id)
            found = await kept.queued(self._around.records, id, 1)
            if not found:
                return
            self._table.wake(id)
            if not await self._tell(entry, rights, *found[0]):
                return

    async def end(self, entry: Entry) -> None:
        """Turn off a Subscription whose end is reached."""
        await self._state(entry, "off", "Its end is reached.")

    async def _activate(self, entry: Entry) -> None:
        at = await self._state(entry, "active")
        now = self._table.get(entry.wanted.id)
        if at and now is not None and not now.since:
            await self._table.keep(entry.wanted.id, replace(now.state, since=at))

    async def _tell(self, entry: Entry, rights: Grant, key: str, queued: Queued) -> bool:
        """Tell of one version; whether to go on with the next."""
        id, seen = entry.wanted.id, await self._around.seen_by(rights, entry.holder.base)
        if not await is_shown(seen, queued.type, queued.id):
            # Hidden, or deleted, since: it has no number yet, so that nothing tells that it was there.
            await self._table.keep(id, entry.state, Drop(kept.QUEUE, key))
            return True
        queued = await self._numbered(entry, key, queued)
        try:
            sent = await self._sent(entry, rights, queued)
        except Unavailable:
            raise
        except (NotFound, Gone, Forbidden):
            await self._told(id, key)
            return True
        try:
            await send(sent, self._around.settings.subscription_loopback)
        except Failed as failed:
            await self._failed(id, str(failed))
            return False
        await self._told(id, key)
        if entry.wanted.status == "error":
            await self._state(entry, "active")
        return True

    async def _numbered(self, entry: Entry, key: str, queued: Queued) -> Queued:
        if queued.number:
            return queued
        id, number = entry.wanted.id, entry.state.numbered + 1
        named = replace(queued, number=number)
        event = kept.encoded(Event(int(time.time() * 1000), [named]))
        lasts = self._around.settings.subscription_days * _DAY
        await self._table.keep(
            id,
            replace(entry.state, numbered=number),
            Keep(kept.QUEUE, key, kept.encoded(named)),
            Keep(kept.EVENTS, kept.numbered(id, number), event, lasts),
        )
        return named

    async def _sent(self, entry: Entry, rights: Grant, queued: Queued) -> Sent:
        """The notification of a version: R4 puts its payload under the endpoint, and posts without one."""
        wanted, headers = entry.wanted, entry.holder.headers
        if not wanted.payload:
            return Sent("POST", wanted.endpoint, headers=headers, seconds=self._pace.seconds)
        path = (queued.type, queued.id, "_history", str(queued.version))
        answer = await self._around.exchange(Request("GET", path), rights, entry.holder.base)
        url = f"{wanted.endpoint.rstrip('/')}/{queued.type}/{queued.id}"
        if wanted.payload in XML:
            return Sent("PUT", url, to_xml(answer.body), FHIR_XML, headers, self._pace.seconds)
        return Sent("PUT", url, answer.body, FHIR_JSON, headers, self._pace.seconds)

    async def _told(self, id: str, key: str) -> None:
        if (entry := self._table.get(id)) is not None:
            await self._table.keep(id, replace(entry.state, failures=0, again=0.0), Drop(kept.QUEUE, key))

    async def _failed(self, id: str, words: str) -> None:
        if (entry := self._table.get(id)) is None:
            return
        failures = entry.state.failures + 1
        if failures > len(self._pace.back_off):
            await self._state(entry, "off", f"Turned off after {failures} failures. {words}")
            return
        again = time.time() + self._pace.back_off[failures - 1]
        await self._table.keep(id, replace(entry.state, failures=failures, again=again))
        if failures == IN_ERROR:
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
