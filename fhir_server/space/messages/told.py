"""Patients are told that a message is waiting: of each that a professional sent, once, and nothing of what it says.

By a job that goes through what was committed since it last did: instants follow commits, so a crash loses none, and the
key of a notice is the message's, so that nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.space.messages.model import message_of
from fhir_server.space.messages.rows import FROM
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Filter, Missing, Range, Token, both
from fhir_server.store.protocol import Sort

#: Kind and key of the record: up to which instant, in µs since 1970, messages were told of.
_KEPT = ("messages-told", "until")
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

    async def tell(self, now: datetime) -> int:
        """Tell of what nobody was told of yet; how many notices were made."""
        repository, notices = self._around.repository(), self._around.service("notices")
        recent, told = _micros(now - _RECENT), 0
        kept = await self._around.records.get(*_KEPT)
        since = max(int(kept), recent) if kept is not None else recent
        where, after, until = _new(since, recent), None, since
        while True:
            page = await repository.find({"Communication": where}, [_OLDEST], after, _PAGE)
            for version in page.versions:
                patient = message_of(parse(version.body), repository.base).patient.rpartition("/")[2]
                told += await notices.tell(patient, "message", f"message {version.id}", at=now)
                until = max(until, version.at * 1000)
            if until != since:
                await self._around.records.put(*_KEPT, str(until).encode())
            after = page.next
            if after is None:
                return told


def _new(since: int, recent: int) -> Filter:
    sent = both(Range("sent", low_from=recent), Token(FROM, "professional"), Missing("received"))
    return both(Range("_lastUpdated", low_from=since), sent)


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
