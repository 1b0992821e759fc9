"""Notices that a record was opened in an emergency: to its holder, and to the attending doctor.

CSP R1111-43: whoever breaks the glass does not need anyone's leave, and everyone concerned is told afterwards. One
notice for each patient, professional and day, with nothing of the reason: it is read where the AuditEvents are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.audit.reading import AuditReader
from fhir_server.fhir.json import parse
from fhir_server.jobs import letters
from fhir_server.jobs.clock import Job
from fhir_server.jobs.outbox import Notice, Outbox
from fhir_server.jobs.recipients import email, holder
from fhir_server.space.service import Surroundings

#: How far back AuditEvents are looked at: much longer than the job may be late.
BACK = timedelta(days=7)


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is told as time passes."""
    notices = EmergencyNotices(around.repository(), around.outbox, around.address("/mes-acces"))
    return (Job("emergencies", timedelta(minutes=10), notices.tell),)


class EmergencyNotices:
    """The notices of one opened store."""

    def __init__(self, repository: Repository, outbox: Outbox, link: str) -> None:
        """`link` is the address of the page where a patient sees accesses."""
        self._repository = repository
        self._outbox = outbox
        self._link = link

    async def tell(self, now: datetime) -> int:
        """Tell of the emergencies that nobody was told of yet; how many notices were made."""
        told = 0
        async for row in AuditReader(self._repository).emergencies(now - BACK):
            for patient in row.patients:
                told += await self._tell(patient, f"emergency/{patient}/{row.requestor}/{row.recorded[:10]}")
        return told

    async def _tell(self, patient: str, key: str) -> int:
        told = 0
        to = await holder(self._repository, patient)
        if to is not None:
            subject, text = letters.emergency(to.language, self._link)
            told += await self._outbox.put(Notice(f"{key}/holder", to.email, subject, text))
        for doctor in await self._attending(patient):
            subject, text = letters.emergency_to_doctor()
            told += await self._outbox.put(Notice(f"{key}/{doctor}", doctor, subject, text))
        return told

    async def _attending(self, patient: str) -> list[str]:
        """E-mail addresses of the doctors who attend a patient."""
        named = (
            one.get("reference", "") for one in (await self._read(f"Patient/{patient}")).get("generalPractitioner", ())
        )
        found = [email(await self._read(reference)) for reference in named if reference.startswith("Practitioner/")]
        return [address for address in found if address]

    async def _read(self, reference: str) -> dict[str, Any]:
        version = await self._repository.current(*reference.split("/", 1))
        return parse(version.body) if version is not None and not version.deleted else {}
