"""Notices that a record was opened in an emergency: to its holder, and to the attending doctor.

CSP R1111-43: whoever breaks the glass does not need anyone's leave, and everyone concerned is told afterwards. One
notice for each patient, professional and day, with nothing of the reason: it is read where the traces are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from fhir_server.access.audit import DCM, OVERRIDE, WITNESSED
from fhir_server.fhir.json import parse
from fhir_server.jobs import letters
from fhir_server.jobs.outbox import Notice, Outbox
from fhir_server.jobs.recipients import email, holder
from fhir_server.search.parameters.codes import spelling
from fhir_server.store.filters import Token, both
from fhir_server.store.protocol import Store

#: How far back traces are looked at: much longer than the job may be late.
BACK = timedelta(days=7)
_PAGE = 200


class EmergencyNotices:
    """The notices of one opened store."""

    def __init__(self, store: Store, outbox: Outbox, link: str) -> None:
        """`link` is the address of the page where a patient sees accesses."""
        self._store = store
        self._outbox = outbox
        self._link = link

    async def tell(self, now: datetime) -> int:
        """Tell of the emergencies that nobody was told of yet; how many notices were made."""
        told = 0
        async for trace in self._emergencies(now - BACK):
            who, day = _requestor(trace), str(trace.get("recorded", ""))[:10]
            for patient in _patients(trace):
                told += await self._tell(patient, f"emergency/{patient}/{who}/{day}")
        return told

    async def _tell(self, patient: str, key: str) -> int:
        told = 0
        to = await holder(self._store, patient)
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
        version = await self._store.read(*reference.split("/", 1))
        return parse(version.body) if version is not None and not version.deleted else {}

    async def _emergencies(self, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
        """Traces of emergencies that this server made itself, the newest first: others can be anybody's word."""
        where, after = both(Token("subtype", spelling(OVERRIDE[0], DCM), DCM), Token(WITNESSED)), None
        while True:
            page = await self._store.find({"AuditEvent": where}, after=after, count=_PAGE)
            for version in page.versions:
                trace = parse(version.body)
                if datetime.fromisoformat(trace["recorded"]) < since:
                    return
                yield trace
            after = page.next
            if after is None:
                return


def _requestor(trace: Mapping[str, Any]) -> str:
    who: Mapping[str, Any] = next(
        (agent.get("who", {}) for agent in trace.get("agent", ()) if agent.get("requestor")), {}
    )
    return str(who.get("reference") or who.get("identifier", {}).get("value", ""))


def _patients(trace: Mapping[str, Any]) -> list[str]:
    named = (entity.get("what", {}).get("reference", "") for entity in trace.get("entity", ()))
    return [reference.removeprefix("Patient/") for reference in named if _is_patient(reference)]


def _is_patient(reference: str) -> bool:
    # What was read of it is named with its version; whom it is about, without.
    return reference.startswith("Patient/") and reference.count("/") == 1
