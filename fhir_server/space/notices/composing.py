"""What is due is written: one message for all that somebody is to be told at once, and one an hour at most.

Whether somebody is told is judged again when it is written: who died, closed their account, acts no longer or wants it
no more gets nothing. What waits is taken and the message kept to be sent in one commit, so that a process that dies
between loses none and no two write the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from fhir_server.jobs.clock import Job
from fhir_server.jobs.outbox import Channel, Notice
from fhir_server.space.notices import people, waiting
from fhir_server.space.notices.occasions import KINDS, OCCASIONS
from fhir_server.space.notices.people import Person
from fhir_server.space.notices.preferences import preferences
from fhir_server.space.notices.quiet import after_quiet
from fhir_server.space.notices.unsubscribing import WayOut, path
from fhir_server.space.notices.waiting import Waiting
from fhir_server.space.notices.wording import Addresses, written
from fhir_server.space.service import Surroundings
from fhir_server.store.protocol import Drop, Keep

#: Kind of the records: key = person and channel, value = when they were last written to.
LAST = "notice-last"
#: How often somebody is written to at most, by one channel.
PACE = timedelta(hours=1)
#: For whom there is no address is looked again so often, and so long.
_LOOKED, _AWAITED = timedelta(days=1), timedelta(days=7)


class _Row(NamedTuple):
    """Something that is due, as it is kept."""

    key: str
    value: bytes
    one: Waiting

    @property
    def taken(self) -> Keep:
        """The change that takes it away."""
        return waiting.taken(self.key, self.value)

    @property
    def at_once(self) -> bool:
        """Whether it is written at any hour, and alone."""
        return OCCASIONS[self.one.occasion].at_once and self.one.channel == "email"


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is done as time passes, after all that services have told."""
    return (Job("notices", timedelta(0), Composing(around).compose),)


class Composing:
    """Writes the messages of one opened server."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._records = around.records

    async def compose(self, now: datetime) -> int:
        """Write what is due; how many messages were made."""
        made, after = 0, ""
        while rows := await waiting.due(self._records, now, after):
            groups: dict[tuple[str, Channel], list[_Row]] = {}
            for row in map(_Row._make, rows):
                groups.setdefault((row.one.person, row.one.channel), []).append(row)
            for (person, channel), some in groups.items():
                made += await self._write(person, channel, some, now)
            after = rows[-1][0]
        return made

    async def _write(self, person: str, channel: Channel, rows: Sequence[_Row], now: datetime) -> int:
        """What is due to one person by one channel; how many messages it became."""
        kept, somebody = await self._still(person, channel, rows, now)
        if somebody is None or somebody.reach is None or not kept:
            return 0
        place = somebody.reach.by(channel)
        if not place:
            await self._wait(kept, now + _LOOKED, now)
            return 0
        made = 0
        for row in (one for one in kept if one.at_once):
            made += await self._send(somebody, place, [row], [], now)
        others = [one for one in kept if not one.at_once]
        if not others:
            return made
        last = await self._records.get(LAST, f"{person}\n{channel}")
        before = None if last is None else datetime.fromisoformat(last.decode())
        # Written to "later" than now: the machine's clock was wrong then, and is not waited for.
        free = now if before is None or before > now else max(now, before + PACE)
        if (free := after_quiet(free, self._around.settings.notices_quiet)) > now:
            await self._wait(others, free)
            return made
        keep = Keep(
            LAST, f"{person}\n{channel}", now.isoformat().encode(), 2 * PACE.total_seconds(), last is None, last
        )
        return made + await self._send(somebody, place, others, [keep], now)

    async def _still(
        self, person: str, channel: Channel, rows: Sequence[_Row], now: datetime
    ) -> tuple[list[_Row], Person | None]:
        """Those of the rows that the person is still to be told of, and the person; the others are taken away."""
        chosen, kept, somebody = await preferences(self._records, person), [], None
        known: dict[tuple[str, bool], Person | None] = {}
        for row in rows:
            about = (row.one.patient, row.one.private)
            if about not in known:
                known[about] = await self._told(row.one, now)
            found = known[about]
            wanted = row.at_once or chosen.wants(OCCASIONS[row.one.occasion].kind, channel)
            if found is None or found.reach is None or not wanted:
                await self._records.apply([row.taken])
            else:
                kept.append(row)
                somebody = found
        return kept, somebody

    async def _told(self, one: Waiting, now: datetime) -> Person | None:
        if not one.patient:
            return await people.professional(self._around, one.person, now)
        found = await people.told_of(self._around, one.patient, one.private, now)
        return next((person for person in found if person.reference == one.person), None)

    async def _wait(self, rows: Sequence[_Row], until: datetime, now: datetime | None = None) -> None:
        """Have the rows wait; with `now`, those that have waited for an address for long are given up."""
        for row in rows:
            given_up = now is not None and row.one.is_older(_AWAITED, now)
            await self._records.apply([row.taken, *([] if given_up else [row.one.kept(until)])])

    async def _send(
        self, person: Person, place: str, rows: Sequence[_Row], also: Sequence[Keep], now: datetime
    ) -> bool:
        """Make one message of the rows, and leave it in the outbox; False when another process did."""
        assert person.reach is not None
        channel = rows[0].one.channel
        kinds = {OCCASIONS[row.one.occasion].kind for row in rows if not row.at_once}
        way = WayOut(person.reference, channel, tuple(one for one in KINDS if one in kinds))
        out = self._around.address(await path(self._records, way, now)) if kinds else ""
        to = Addresses(self._around.address(""), self._around.address("/mes-notifications"), out)
        told = [(row.one.occasion, row.one.acts) for row in rows]
        subject, text = written(told, person.reach.language, channel, to)
        names = "\n".join(sorted(row.one.name for row in rows))
        key = f"notice/{sha256(names.encode()).hexdigest()[:40]}"
        notice = Notice(key, place, subject, text, channel=channel, headers=_headers(out))
        changes: list[Keep | Drop] = [*(row.taken for row in rows), *also, *self._around.outbox.kept(notice)]
        return await self._records.apply(changes)


def _headers(out: str) -> tuple[tuple[str, str], ...]:
    """RFC 2369 and RFC 8058 §3.1, whose one click is for https alone."""
    if not out:
        return ()
    click = (("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),) if out.startswith("https:") else ()
    return (("List-Unsubscribe", f"<{out}>"), *click)
