"""Patients and professionals are told that a message is waiting: of each, once, and nothing of what it says or by whom.

A professional is told of what a patient wrote to them, or to a role of theirs, where the mail gateway does not bring it
to their mailbox. An establishment is nobody who could be told.

By a job that goes through what was committed since it last did: instants follow commits, so a crash loses none, and the
key of a notice is the message's, so that nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.access.trees import referred
from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.space.messages.mail import in_use
from fhir_server.space.messages.mail.mailboxes import mailbox_of
from fhir_server.space.messages.model import Message, local, message_of
from fhir_server.space.messages.rows import FROM
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Filter, Missing, Range, Token, both, either
from fhir_server.store.protocol import Keep, Sort

#: Kind and key of the record: up to which instant, in µs since 1970, messages were told of.
_KEPT = ("messages-told", "until")
#: Kind of the record that says that the end of a gateway, by when it was last there, was looked at.
_GONE = "messages-gateway-gone"
#: Of what was sent longer ago nobody is told: a restored export, or invented people.
_RECENT = timedelta(days=2)
_PAGE = 200
_OLDEST = Sort("_lastUpdated", "own")


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    told = Announced(around)
    return (Job("messages", timedelta(seconds=10), told.tell),)


class Announced:
    """The notices of the messages of one server."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._brings = False

    async def tell(self, now: datetime) -> int:
        """Tell of what nobody was told of yet; how many notices were made."""
        repository = self._around.repository()
        recent, told = _micros(now - _RECENT), 0
        since = max(await self._since(now, recent), recent)
        where, after, until = _new(since, recent), None, since
        while True:
            page = await repository.find({"Communication": where}, [_OLDEST], after, _PAGE)
            for version in page.versions:
                told += await self._told(message_of(parse(version.body), repository.base), now)
                until = max(until, version.at * 1000)
            if until != since:
                await self._around.records.put(*_KEPT, str(until).encode())
            after = page.next
            if after is None:
                return told

    async def _since(self, now: datetime, first: int) -> int:
        """From which instant on to look, in µs since 1970: `first` where nobody looked yet."""
        records = self._around.records
        kept = await records.get(*_KEPT)
        since, alive = int(kept) if kept is not None else first, await in_use.last(records)
        self._brings = in_use.brings(alive, _micros(now))
        if self._brings or alive is None:
            return since
        # What was written since the gateway was last there it never brought: looked at once more.
        from_then = Keep(*_KEPT, str(min(since, alive)).encode())
        noted = Keep(_GONE, str(alive), b"", _RECENT.total_seconds(), new=True)
        return min(since, alive) if await records.apply([noted, from_then]) else since

    async def _told(self, message: Message, now: datetime) -> int:
        key, notices = f"message {message.id}", self._around.service("notices")
        if message.side == "professional":
            return int(await notices.tell(message.patient.rpartition("/")[2], "message", key, at=now))
        found = [await self._reached_by(one) for one in message.recipients]
        told = [
            await notices.tell_professional(one, "reply", f"{key}/{one}", now) for one in dict.fromkeys(found) if one
        ]
        return sum(told)

    async def _reached_by(self, recipient: str) -> str:
        """The professional ("Practitioner/1") of a recipient; "" for none, and for who has it as a mail."""
        tree = await referred(self._around.repository(), recipient)
        mailed = self._brings and bool(mailbox_of(tree))
        who = recipient if recipient.startswith("Practitioner/") else local(tree.get("practitioner"))
        return "" if mailed or not who.startswith("Practitioner/") else who


def _new(since: int, recent: int) -> Filter:
    side = either([Token(FROM, "professional"), Token(FROM, "patient")])
    sent = both(Range("sent", low_from=recent), side, Missing("received"))
    return both(Range("_lastUpdated", low_from=since), sent)


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
