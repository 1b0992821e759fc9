"""A mail gateway over a server of its own, and what another mail server does with it: aiosmtplib speaks, not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.messages.mail.doors import Doors, listening
from fhir_server.space.messages.mail.incoming import Incoming
from fhir_server.space.messages.mail.outgoing import Outgoing
from fhir_server.space.messages.mail.traces import Traces
from tests.server.people import a_care_team, kept
from tests.space.messages.mail.making import DOCTOR, INS, PATIENT

BASE = "http://fhir.test/fhir"
HOSPITAL = "secretariat@chu.mssante.fr"


def a_mailbox(address: str, type: str = "PER") -> dict[str, Any]:
    """The telecom of a mailbox, as the Annuaire has it."""
    return {
        "extension": [
            {
                "url": "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata",
                "extension": [
                    {"url": "type", "valueCode": type},
                    {"url": "listeRouge", "valueBoolean": False},
                ],
            }
        ],
        "system": "email",
        "value": address,
    }


def a_patient(id: str = "p1", ins: str = INS, **more: Any) -> dict[str, Any]:
    """A patient whose traits are those of the CDA documents of tests."""
    return {
        "resourceType": "Patient",
        "id": id,
        "active": True,
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.10", "value": ins, "use": "official"}],
        "name": [{"use": "official", "family": "DEMO", "given": ["NATHALIE", "MARIE"]}],
        "gender": "female",
        "birthDate": "1969-05-02",
        **more,
    }


def a_doctor(id: str = "d1", address: str = DOCTOR, rpps: str = "99700218896") -> dict[str, Any]:
    """A doctor with a mailbox."""
    return {
        "resourceType": "Practitioner",
        "id": id,
        "active": True,
        "identifier": [
            {"system": "https://rpps.esante.gouv.fr", "value": rpps},
            {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{rpps}"},
        ],
        "name": [{"family": "DUPONT", "given": ["Anne"]}],
        "telecom": [a_mailbox(address)],
    }


@dataclass
class Caught:
    """A way for mails that keeps them, and fails as it is told."""

    mails: list[tuple[str, str, bytes]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    attempts: list[bytes] = field(default_factory=list)

    def carry(self, sender: str, to: str, raw: bytes) -> None:
        self.attempts.append(raw)
        if self.failures:
            raise self.failures.pop(0)
        self.mails.append((sender, to, raw))


@dataclass
class Gateway:
    """An opened gateway: its server, ports, and what leaves it."""

    house: House
    smtp: int
    lmtp: int
    way: Caught
    outgoing: Outgoing

    @asynccontextmanager
    async def connection(self, **more: Any) -> AsyncIterator[aiosmtplib.SMTP]:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=self.smtp, start_tls=False, timeout=60, **more)
        await client.connect()
        try:
            yield client
        finally:
            client.close()

    async def send(self, mail: EmailMessage | bytes, sender: str = DOCTOR, to: str = PATIENT) -> str:
        """What is answered to a mail: "250 …", or the refusal of whichever command it was."""
        raw = mail if isinstance(mail, bytes) else mail.as_bytes()
        async with self.connection() as client:
            try:
                _, said = await client.sendmail(sender, [to], raw)
            except aiosmtplib.SMTPRecipientsRefused as error:
                return f"{error.recipients[0].code} {error.recipients[0].message}"
            except aiosmtplib.SMTPResponseException as error:
                return f"{error.code} {error.message}"
            return f"250 {said}"

    async def all(self, type: str) -> list[dict[str, Any]]:
        """All resources of a type that are there, oldest first."""
        from fhir_server.store.filters import EVERYTHING

        found = await self.house.repository().find({type: EVERYTHING}, count=1_000)
        return [json.loads(one.body) for one in reversed(found.versions)]


@asynccontextmanager
async def gateway(folder: Path, *resources: dict[str, Any], **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway over a new server with a patient and a doctor who cares for them, and `resources`."""
    chosen = Settings(data=folder, base_url=BASE, audit="on", **settings)
    async with opened(chosen) as house:
        people = (a_patient(), a_doctor(), a_care_team("p1", "Practitioner/d1"))
        await kept(house, *people, *resources, base=BASE)
        doors = Doors(Incoming(house.services), chosen, Traces(house.services).refused)
        ports = [("127.0.0.1", 0, False), ("127.0.0.1", 0, True)]
        servers = await listening(doors, ports)
        way = Caught()
        smtp, lmtp = (one.sockets[0].getsockname()[1] for one in servers)
        try:
            yield Gateway(house, smtp, lmtp, way, Outgoing(house.services, way))
        finally:
            for one in servers:
                one.close()
            await asyncio.sleep(0)
