"""Notices that a record was opened in an emergency: to its holder, and to the attending doctor.

CSP R1111-43: whoever breaks the glass does not need anyone's leave, and everyone concerned is told afterwards. One
notice for each patient, professional and day, with nothing of the reason: it is read where the AuditEvents are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.audit.reading import AuditReader
from fhir_server.jobs.clock import Job
from fhir_server.space.notices.telling import Notices
from fhir_server.space.service import Surroundings

#: How far back AuditEvents are looked at: much longer than the job may be late.
BACK = timedelta(days=7)


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    notices = EmergencyNotices(around.repository(), around.service("notices"))
    return (Job("emergencies", timedelta(minutes=10), notices.tell),)


class EmergencyNotices:
    """The notices of one opened store."""

    def __init__(self, repository: Repository, notices: Notices) -> None:
        """`repository` is the server's own sight."""
        self._repository = repository
        self._notices = notices

    async def tell(self, now: datetime) -> int:
        """Tell of the emergencies that nobody was told of yet; how many notices were made."""
        told = 0
        async for row in AuditReader(self._repository).emergencies(now - BACK):
            for patient in row.patients:
                told += await self._tell(patient, f"emergency/{patient}/{row.requestor}/{row.recorded[:10]}", now)
        return told

    async def _tell(self, patient: str, key: str, now: datetime) -> int:
        told = 0
        told += await self._notices.tell(patient, "access", f"{key}/holder", occasion="emergency", at=now)
        for doctor in await self._attending(patient):
            told += await self._notices.tell_professional(doctor, "emergency-attending", f"{key}/{doctor}", now)
        return told

    async def _attending(self, patient: str) -> list[str]:
        """The doctors who attend a patient."""
        tree = await referred(self._repository, f"Patient/{patient}")
        named = (str(one.get("reference", "")) for one in tree.get("generalPractitioner", ()))
        return [one for one in named if one.startswith("Practitioner/") and one.count("/") == 1]
