"""Patients are told that a professional opened their record for the first time: CSP R1111-43, domain file §2.11.

By a job that goes on in the feed of traces from where it was, so that a process that dies loses none and tells of none
twice. Told of is what this server itself saw, and what was read: not what is filed, whom a professional looked up to do
so, and what was refused. Of emergencies people are told at once (`accesses.emergencies`). One notice a day tells of all
of it: a hospital's five hundred are no five hundred messages, and who comes later in the day is told of the next day.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from fhir_server.access.repository import Repository
from fhir_server.audit.reading import AuditRow, asked_by, from_audit_event
from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.accesses.shown import contexts
from fhir_server.space.accesses.words import deed
from fhir_server.space.notices.telling import Notices
from fhir_server.space.paris import PARIS
from fhir_server.space.record.labels import NOT_REPRESENTATIVES, codes
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed
from fhir_server.store.filters import Filter, Id, Refers, both
from fhir_server.store.protocol import Keep, Position, Sort

#: Names its place in the feed.
FEED_NAME = "accesses"
#: Kind of the records: key = patient and professional, whose first access was seen.
SEEN = "access-seen"
#: Kind of the records: key = day of Paris, patient and professional, of whom is told once that day is over.
LATER = "access-later"
#: What is no part of a record: who somebody is, the directory, and exchanges.
_NOT_OF_RECORDS = frozenset(
    {"Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Organization", "HealthcareService", "Location"}
    | {"Communication"}
)
_READING = frozenset({"open", "list"})
#: Operations that read; others file, or change what is chosen.
_OPERATIONS = frozenset({"$everything", "$summary", "$docref", "$lastn", "$document"})
_PAGE = 200
_PRIVATE = b"private"
_OLDEST = (Sort("_lastUpdated", "own"),)


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    return (Job("first-accesses", timedelta(seconds=20), FirstAccesses(around).tell),)


class FirstAccesses:
    """The first accesses to records of one opened store."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._repository = around.repository()
        self._feed = FeedReader(around.records, around.changes, FEED_NAME, ("AuditEvent",))
        self._notices: Notices = around.service("notices")

    async def tell(self, now: datetime) -> int:
        """Tell of the first accesses since it was last looked; how many were told of."""

        async def take(changed: Sequence[Changed]) -> Taken:
            return Taken(sum([await self._look(id, row, now) for id, row in await self._traces(changed)]))

        return await self._tell_later(now) + await self._feed.read(take)

    async def _traces(self, changed: Sequence[Changed]) -> list[tuple[str, AuditRow]]:
        """Ids and contents of the traces that were made, read at once: they never change."""
        made = [("AuditEvent", one.id) for one in changed if one.version == 1]
        with self._repository.together():
            await self._repository.ahead(made)
            found = [await self._repository.current(*key) for key in made]
        return [(one.id, from_audit_event(parse(one.body))) for one in found if one is not None and not one.deleted]

    async def _look(self, id: str, row: AuditRow, now: datetime) -> int:
        if not opens(row) or row.emergency:
            return 0
        told = 0
        for patient in row.patients:
            for professional in row.practitioners:
                told += await self._tell(id, row, patient, professional, now)
        return told

    async def _tell(self, id: str, row: AuditRow, patient: str, professional: str, now: datetime) -> bool:
        pair, records = f"{patient}\n{professional}", self._around.records
        if await records.get(SEEN, pair) is not None or not await self._is_own(id, professional):
            return False
        told, changes = False, [Keep(SEEN, pair, b"1")]
        if await first_access(self._repository, patient, professional) == id:
            private = await self._is_private(row)
            told = await self._tell_once_a_day(patient, private, now)
            if not told:
                changes.append(Keep(LATER, f"{_day(now)}\n{pair}", _PRIVATE if private else b""))
        # After it was told: who dies between tells under the same key once more.
        await records.apply(changes)
        return told

    async def _tell_once_a_day(self, patient: str, private: bool, now: datetime) -> bool:
        """Tell of what happened in a patient's space; False where they were told of such today, or there is nobody."""
        key = f"access/{patient}/{_day(now)}{'/private' if private else ''}"
        return bool(await self._notices.tell(patient, "access", key, private=private, at=now))

    async def _tell_later(self, now: datetime) -> int:
        """Tell of what came after the one notice of a day that is over; how many notices it became."""
        told, records = 0, self._around.records
        while rows := await records.list(LATER, count=_PAGE):
            over = [(key, value) for key, value in rows if key.partition("\n")[0] < _day(now)]
            for key, value in over:
                told += await self._tell_once_a_day(key.split("\n")[1], value == _PRIVATE, now)
                await records.take(LATER, key)
            if len(over) < _PAGE:
                break
        return told

    async def _is_own(self, id: str, professional: str) -> bool:
        """Whether this server itself saw it: other events can be anybody's word."""
        where = both(Id((id,)), asked_by(professional))
        return bool((await self._repository.find({"AuditEvent": where}, count=1)).versions)

    async def _is_private(self, row: AuditRow) -> bool:
        """Whether nothing was opened but what a minor keeps from who represents them."""
        found = [one for one in row.objects if one.partition("/")[0] not in _NOT_OF_RECORDS]
        return bool(found) and all([await self._is_kept(one) for one in found])

    async def _is_kept(self, reference: str) -> bool:
        type = reference.partition("/")[0]
        names = [reference] if type == "DocumentReference" else []
        if type == "Binary":
            names = [one for many in (await contexts([reference], self._repository)).values() for one in many]
        found = [await self._repository.current(*one.split("/", 1)) for one in names if one.startswith("DocumentRef")]
        return bool(found) and all(one is not None and NOT_REPRESENTATIVES in codes(parse(one.body)) for one in found)


def _day(now: datetime) -> str:
    return now.astimezone(PARIS).date().isoformat()


def opens(row: AuditRow) -> bool:
    """Whether by what a trace tells something of a record was read."""
    reads = deed(row.interaction) in _READING or row.interaction in _OPERATIONS
    return reads and not row.refused and any(one.partition("/")[0] not in _NOT_OF_RECORDS for one in row.objects)


async def first_access(repository: Repository, patient: str, professional: str) -> str:
    """Id of the trace of the first access of a professional to a patient's record, emergencies too; "" for none."""
    where: Filter = both(asked_by(professional), Refers("patient", f"Patient/{patient}"))
    async for id, row in _rows(repository, where):
        if row.emergency or opens(row):
            return id
    return ""


async def _rows(repository: Repository, where: Filter) -> AsyncIterator[tuple[str, AuditRow]]:
    after: Position | None = None
    while True:
        page = await repository.find({"AuditEvent": where}, _OLDEST, after, _PAGE)
        for version in page.versions:
            yield version.id, from_audit_event(parse(version.body))
        after = page.next
        if after is None:
            return
