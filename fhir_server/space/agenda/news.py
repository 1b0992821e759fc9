"""People are told when software adds, moves or calls off an appointment: NOTIF_APPOINTMENT, domain file §2.11.

By a job that goes on in the feed of changes from where it was, so that a process that dies loses no change and tells of
none twice. Not told of is what people do themselves (their own entries, and what an app did in their name), what is
over, what an appointment becomes while it takes place, and what is loaded: that is no news.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fhir_server.audit.reading import WITNESSED_HERE, from_audit_event
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Gone, NotFound
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.agenda.model import AUTHOR, PATIENT, actors, tags, times
from fhir_server.space.notices.telling import Notices
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import END, Refers, both
from fhir_server.store.protocol import Sort

#: Names its place in the feed.
FEED_NAME = "appointments"
#: Statuses of an Appointment that is still to come, and of one that will not take place. Of all others it is taking
#: place, or over: whoever is there knows.
COMING = frozenset({"proposed", "pending", "waitlist", "booked"})
OFF = frozenset({"cancelled", "entered-in-error"})
#: Who acts for themself, or for somebody, and need not be told of what they did.
_PATIENTS_SIDE = ("Patient/", "RelatedPerson/")
_OLDEST = (Sort("_lastUpdated", "own"),)
Tree = Mapping[str, Any]


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    return (Job("appointments", timedelta(seconds=20), News(around).tell),)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What people are told when it changes: when, how certain, and with whom and where; times in µs since 1970."""

    start: int
    end: int | None
    status: str
    company: frozenset[str]


class News:
    """What becomes of the appointments of one opened store."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._repository = around.repository()
        self._feed = FeedReader(around.records, around.changes, FEED_NAME, ("Appointment",))
        self._notices: Notices = around.service("notices")

    async def tell(self, now: datetime) -> int:
        """Tell of what changed since it was last looked; how many notices it became."""

        async def take(changed: Sequence[Changed]) -> Taken:
            return Taken(sum([await self._tell(one, now) for one in changed]))

        return await self._feed.read(take)

    async def _tell(self, one: Changed, now: datetime) -> int:
        after = None if one.method == "DELETE" else await self._version(one.id, one.version)
        before = await self._version(one.id, one.version - 1)
        if any(PATIENT in tags(tree, AUTHOR) for tree in (before, after) if tree is not None):
            return 0
        base, at = self._repository.base, int(now.timestamp() * 1_000_000)
        named = {who for tree in (before, after) if tree is not None for who in actors(tree, base)}
        concerned = [
            who for who in sorted(named) if who.startswith("Patient/") and is_news(before, after, who, base, at)
        ]
        if not concerned or await self._is_their_own(one):
            return 0
        told = 0
        for who in concerned:
            id = who.removeprefix("Patient/")
            told += await self._notices.tell(id, "appointment", f"appointment/{one.id}/{one.version}/{id}", at=now)
        return told

    async def _version(self, id: str, number: int) -> Tree | None:
        """What an appointment was; None where it was not there, or deleted."""
        with suppress(NotFound, Gone):
            return parse((await self._repository.vread("Appointment", id, number)).body)
        return None

    async def _is_their_own(self, one: Changed) -> bool:
        """Whether the patient's side made a version, or nobody did.

        The trace of a write is of one commit with it. What is there under an id of the sender's choice without one is
        an administrator's: it was loaded.
        """
        where = both(WITNESSED_HERE, Refers("entity", f"Appointment/{one.id}", str(one.version)))
        found = (await self._repository.find({"AuditEvent": where}, _OLDEST, count=1)).versions
        if not found:
            return one.version == 1 and one.method != "POST"
        return from_audit_event(parse(found[0].body)).requestor.startswith(_PATIENTS_SIDE)


def is_news(before: Tree | None, after: Tree | None, patient: str, base: str, now: int) -> bool:
    """Whether a patient ("Patient/1") is told of what an Appointment became.

    Args:
        before: what it was; None where it was not there.
        after: what it is; None where it was deleted.
        patient: whom it concerns.
        base: the server's own.
        now: µs since 1970.
    """
    was, will = _meeting(before, patient, base), _meeting(after, patient, base)
    if will is not None:
        return will != was and max(will.start, was.start if was is not None else will.start) > now
    return was is not None and was.start > now and _is_off(after, patient, base)


def _meeting(tree: Tree | None, patient: str, base: str) -> Meeting | None:
    """What is to come for them; None for nothing."""
    if tree is None or tree.get("status") not in COMING:
        return None
    named = frozenset(actors(tree, base))
    if patient not in named:
        return None
    when = times(tree)
    company = frozenset(one for one in named if not one.startswith("Patient/"))
    # What has no time yet is still to come.
    return Meeting(END if when.start is None else when.start, when.end, str(tree["status"]), company)


def _is_off(tree: Tree | None, patient: str, base: str) -> bool:
    return tree is None or tree.get("status") in OFF or patient not in set(actors(tree, base))
