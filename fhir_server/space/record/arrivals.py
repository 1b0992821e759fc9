"""Patients are told that a document arrived: domain file §2.11, NOTIF_DOCUMENT.

By a job that goes on in the feed of changes from where it was, so that a process that dies loses no document and tells
of none twice. Told of is what somebody else files; not what the patient's side files itself, what is invisible to the
patient (`announcements`), and what comes under an id that its sender chose: what is loaded or restored is no news.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.access.trees import tree_of
from fhir_server.fhir import references
from fhir_server.jobs.clock import Job
from fhir_server.jobs.feed_reader import FeedReader, Taken
from fhir_server.space.notices.telling import Notices
from fhir_server.space.record.labels import NOT_PATIENT, NOT_REPRESENTATIVES, codes
from fhir_server.space.service import Surroundings
from fhir_server.store.changes import Changed

#: Names its place in the feed.
FEED_NAME = "documents"
#: Types of authors who are of the patient's side.
_OWN = frozenset({"Patient", "RelatedPerson", "Device"})


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    return (Job("arrivals", timedelta(seconds=20), Arrivals(around).tell),)


class Arrivals:
    """The documents that arrive in one opened store."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._repository = around.repository()
        self._feed = FeedReader(around.records, around.changes, FEED_NAME, ("DocumentReference",))
        self._notices: Notices = around.service("notices")

    async def tell(self, now: datetime) -> int:
        """Tell of what arrived since it was last looked; how many documents were told of."""

        async def take(changed: Sequence[Changed]) -> Taken:
            return Taken(sum([await self._tell(one, now) for one in changed]))

        return await self._feed.read(take)

    async def _tell(self, one: Changed, now: datetime) -> bool:
        if one.version != 1 or one.method != "POST":
            return False
        version = await self._repository.current("DocumentReference", one.id)
        tree = tree_of(version)
        base, labels = self._repository.base, codes(tree)
        patient = patient_of(tree, base)
        if patient is None or tree.get("status") != "current" or NOT_PATIENT in labels or _is_own(tree, base):
            return False
        private = NOT_REPRESENTATIVES in labels
        return await self._notices.tell(patient, "document", f"document/{one.id}", private=private, at=now)


def patient_of(tree: dict[str, object], base: str) -> str | None:
    """The id of the patient whom a document is about; None where it names none of this server."""
    subject = tree.get("subject")
    said = subject.get("reference") if isinstance(subject, dict) else None
    about = references.parse(said, base) if isinstance(said, str) else None
    if about is None or not about.local or about.type != "Patient":
        return None
    return about.target.removeprefix("Patient/")


def _is_own(tree: dict[str, object], base: str) -> bool:
    """Whether the patient's side filed it: it then names no author beside them (`writing`)."""
    authors = tree.get("author")
    said = [str(one.get("reference", "")) for one in authors] if isinstance(authors, list) else []
    named = [references.parse(one, base) for one in said]
    return bool(named) and all(one is not None and one.type in _OWN for one in named)
