"""Patients are told of what was invisible to them: to see a professional, and then that a document is there.

CSP R1111-53: two weeks after a document was made invisible to its patient they are asked to consult the professional,
and after a month they see it. Neither notice says what the document is, whose, or of what: there is a patient's address
and the page of their record. By a job that looks at the instants of the index, so that no document is touched and a
crash loses no notice.

Documents of one patient that become visible with the same minute, as those of one lot, are told of in one notice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_server.access.repository import Repository
from fhir_server.fhir.dates import moment
from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.space.acting import MINUTE, is_of_age
from fhir_server.space.notices.telling import Notices
from fhir_server.space.record.arrivals import patient_of
from fhir_server.space.record.invisible import a_month_after, hidden_since, visible_from
from fhir_server.space.record.labels import NOT_REPRESENTATIVES, codes
from fhir_server.space.record.rows import VISIBLE
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Filter, Range, Refers, Token, both

#: After how long a patient is asked to consult the professional.
REMINDED = timedelta(days=14)
#: How far back is looked for what has become visible: much longer than the job may be late.
BACK = timedelta(days=7)
_PAGE = 200
#: What is deleted or replaced is announced no more.
_CURRENT = Token("status", "current")


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    notices = Announcements(around.repository(), around.service("notices"))
    return (Job("announcements", timedelta(minutes=10), notices.tell),)


@dataclass(frozen=True, slots=True)
class _Due:
    """A document whose patient is to be told.

    Attributes:
        patient: id.
        visible: the minute from which the patient sees it, in µs since 1970: what a notice is kept by.
        since: when it was made invisible, in µs.
        kept: whether it is kept from who acts for a minor, too.
    """

    patient: str
    visible: int
    since: int
    kept: bool


class Announcements:
    """The notices of one opened store."""

    def __init__(self, repository: Repository, notices: Notices) -> None:
        """`repository` is the server's own sight."""
        self._repository = repository
        self._notices = notices

    async def tell(self, now: datetime) -> int:
        """Tell of what nobody was told of yet; how many notices were made."""
        # Rules see what time it is by the minute: a notice leaves when the document can be seen, and not before.
        at = _micros(now) // MINUTE * MINUTE
        reminded = _micros(now - REMINDED)
        told = 0
        async for one in self._between(at + 1, _micros(a_month_after(now - REMINDED))):
            if one.since <= reminded:
                told += await self._tell(one, now, "consult")
        async for one in self._between(_micros(now - BACK), at):
            told += await self._tell(one, now, "visible")
        return told

    async def _between(self, low: int, high: int) -> AsyncIterator[_Due]:
        where, after = visible_between(low, high), None
        while True:
            page = await self._repository.find({"DocumentReference": where}, after=after, count=_PAGE)
            for version in page.versions:
                if (found := _due(parse(version.body), self._repository.base)) is not None:
                    yield found
            after = page.next
            if after is None:
                return

    async def _tell(self, one: _Due, now: datetime, occasion: str) -> bool:
        key = f"invisible/{one.patient}/{one.visible}/{occasion}"
        return await self._notices.tell(one.patient, "document", key, occasion=occasion, private=one.kept, at=now)


async def awaited(repository: Repository, patient: str, own: bool, now: datetime) -> bool:
    """Whether a page of a patient's (id) record asks them to consult a professional: as long as a document is to come.

    Args:
        repository: the server's own sight.
        patient: whose record.
        own: whether it is they who look at the page. Others are told of a minor's, but for what is kept from them.
        now: what time it is.
    """
    if not own:
        version = await repository.current("Patient", patient)
        if version is None or version.deleted or is_of_age(parse(version.body), _micros(now)):
            return False
    reminded, at = _micros(now - REMINDED), _micros(now) // MINUTE * MINUTE
    where = visible_between(at + 1, _micros(a_month_after(now - REMINDED)))
    where = both(where, Refers("subject", f"Patient/{patient}"))
    page = await repository.find({"DocumentReference": where}, count=_PAGE)
    found = (_due(parse(version.body), repository.base) for version in page.versions)
    return any(one is not None and one.since <= reminded and (own or not one.kept) for one in found)


def visible_between(low: int, high: int) -> Filter:
    """Current documents that patients see from an instant on that lies between two (µs, both included)."""
    return both(Range(VISIBLE, low_from=low, low_to=high), _CURRENT)


def _due(tree: dict[str, object], base: str) -> _Due | None:
    visible, patient = visible_from(tree), patient_of(tree, base)
    if visible is None or patient is None:
        return None
    meta = tree.get("meta")
    written = moment(str(meta["lastUpdated"])) if isinstance(meta, dict) and "lastUpdated" in meta else visible
    return _Due(
        patient,
        -(-visible // MINUTE) * MINUTE,
        min(hidden_since(visible), written),
        NOT_REPRESENTATIVES in codes(tree),
    )


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
