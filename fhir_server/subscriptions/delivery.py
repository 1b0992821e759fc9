"""Tells subscribers, one event after the other each, however slow another is.

https://hl7.org/fhir/R4/subscription.html. An event has its number, and is kept, before it is sent: where a process
dies, the next one sends it again under the same number. Who fails is tried again, later and later, and then turned off.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fhir_server.access.grant import Grant
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, FhirError, Forbidden, Gone, NotFound, PreconditionFailed, Unavailable
from fhir_server.fhir.xml import to_xml
from fhir_server.interactions.exchange import FHIR_JSON, FHIR_XML, Request
from fhir_server.jobs.outbox import Notice, Outbox
from fhir_server.store.protocol import Drop, Keep
from fhir_server.subscriptions import kept, notification
from fhir_server.subscriptions.kept import Event, Queued
from fhir_server.subscriptions.matching import is_shown, rights_of
from fhir_server.subscriptions.model import ENGINE, XML, Wanted, mailbox
from fhir_server.subscriptions.sending import Failed, Sent, send

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
#: A mail tells of so many events at most, and the next is not before so many seconds are over.
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
        return await self._taken(entry, self._bundle(entry, kind, ()))

    async def _tell(self, entry: Entry, rights: Grant, found: Sequence[tuple[str, Queued]]) -> bool:
        """Tell of some versions in one notification; whether to go on with the next."""
        ready = await self._ready(entry, rights, found)
        if not ready:
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
        ready: list[tuple[Queued, bool]] = []
        for key, queued in found:
            shown = await is_shown(seen, queued.type, queued.id)
            if not shown and (not queued.number or not entry.wanted.topic):
                # Hidden, or deleted, since: it has no number yet, so that nothing tells that it was there.
                await self._done(entry.wanted.id, [key])
                continue
            ready.append((await self._numbered(entry.wanted.id, key, queued), shown))
        return ready

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

    async def _numbered(self, id: str, key: str, queued: Queued) -> Queued:
        entry = self._table.get(id)
        if queued.number or entry is None:
            return queued
        number = entry.state.numbered + 1
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

    async def _sent(self, entry: Entry, rights: Grant, ready: Sequence[tuple[Queued, bool]]) -> Sent:
        """The notification of versions: R4 puts its payload under the endpoint, and posts without one."""
        wanted = entry.wanted
        if wanted.topic:
            return self._bundle(entry, "event-notification", ready, await self._entries(entry, rights, ready))
        if not wanted.payload:
            return Sent("POST", wanted.endpoint, headers=entry.holder.headers, seconds=self._seconds(wanted))
        queued = ready[0][0]
        body = await self._version(entry, rights, queued)
        return self._with("PUT", f"{wanted.endpoint.rstrip('/')}/{queued.type}/{queued.id}", entry, body)

    async def _entries(self, entry: Entry, rights: Grant, ready: Sequence[tuple[Queued, bool]]) -> list[dict[str, Any]]:
        base, found = entry.holder.base, list[dict[str, Any]]()
        for queued, shown in ready if entry.wanted.content != "empty" else ():
            whole = shown and entry.wanted.content == "full-resource"
            try:
                tree = parse(await self._version(entry, rights, queued), 1000) if whole else None
            except (NotFound, Gone, Forbidden):
                continue
            if shown:
                found.append(notification.entry(base, queued, tree))
        return found

    def _bundle(
        self,
        entry: Entry,
        kind: notification.Kind,
        ready: Sequence[tuple[Queued, bool]],
        entries: Sequence[dict[str, Any]] = (),
    ) -> Sent:
        wanted, base = entry.wanted, entry.holder.base
        now = self._table.get(wanted.id) or entry
        told = [(one, shown and wanted.content != "empty") for one, shown in ready]
        numbered = max([one.number for one, _ in ready], default=now.state.numbered)
        said = notification.status(base, wanted.id, wanted.topic, wanted.status, kind, numbered, told)
        return self._with("POST", wanted.endpoint, entry, serialize(notification.bundle(wanted.id, said, entries)))

    def _with(self, method: str, url: str, entry: Entry, body: bytes) -> Sent:
        wanted = entry.wanted
        if wanted.payload in XML:
            body = to_xml(body)
        media_type = FHIR_XML if wanted.payload in XML else FHIR_JSON
        return Sent(method, url, body, media_type, entry.holder.headers, self._seconds(wanted))

    async def _version(self, entry: Entry, rights: Grant, queued: Queued) -> bytes:
        """A version as the subscriber would read it, traced as that."""
        path = (queued.type, queued.id, "_history", str(queued.version))
        return (await self._around.exchange(Request("GET", path), rights, entry.holder.base)).body

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
    if wanted.kind == "email":
        return _MAILED
    return max(wanted.max_count, 1) if wanted.topic else 1
