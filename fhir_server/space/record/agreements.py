"""Patients are told that a professional said they agreed to something of their record: CSP L1111-19.

By a job that looks at the Consents, so that a crash between the choice and the notice loses none. The notice says where
it can be looked at and taken back, and nothing of whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.jobs.clock import Job
from fhir_server.space.notices.telling import Notices
from fhir_server.space.record.choices import AGREED, from_consent
from fhir_server.space.record.rows import KINDS
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Range, Token, both, either

#: How far back is looked: much longer than the job may be late.
BACK = timedelta(days=7)
_PAGE = 200


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    notices = Agreements(around.repository(), around.service("notices"))
    return (Job("agreements", timedelta(minutes=10), notices.tell),)


class Agreements:
    """The notices of one opened store."""

    def __init__(self, repository: Repository, notices: Notices) -> None:
        """`repository` is the server's own sight."""
        self._repository = repository
        self._notices = notices

    async def tell(self, now: datetime) -> int:
        """Tell of the agreements that nobody was told of yet; how many notices were made."""
        since = int((now - BACK).timestamp() * 1_000_000)
        kinds = either([Token("category", kind, KINDS) for kind in AGREED])
        where = both(kinds, Range("_lastUpdated", low_from=since))
        told, after = 0, None
        while True:
            page = await self._repository.find({"Consent": where}, after=after, count=_PAGE)
            for version in page.versions:
                told += await self._tell(parse(version.body), f"agreement/{version.id}/{version.version}", now)
            after = page.next
            if after is None:
                return told

    async def _tell(self, tree: dict[str, object], key: str, now: datetime) -> bool:
        choice = from_consent(tree)
        if choice is None or not choice.chosen or not choice.performer.startswith("Practitioner"):
            return False
        return await self._notices.tell(choice.patient, "access", key, occasion="agreement", at=now)
