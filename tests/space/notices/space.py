"""A server whose people are told: resources, accounts, and what their messages say, read back from the outbox."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from fhir_server.app import House
from fhir_server.smart.people.accounts import Account
from fhir_server.space.notices.telling import Notices
from tests.server.people import kept

#: Noon in Paris, of a winter's day.
NOON = datetime(2026, 12, 1, 11, tzinfo=UTC)
CAREGIVER = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"


def reached(*emails: str, phone: str = "") -> list[dict[str, str]]:
    points = [{"system": "email", "value": one} for one in emails]
    return [*points, *([{"system": "phone", "value": phone, "use": "mobile"}] if phone else [])]


def a_patient(id: str = "a", born: str = "1970-01-01", **more: Any) -> dict[str, Any]:
    telecom = reached(f"{id}@example.org")
    return {"resourceType": "Patient", "id": id, "birthDate": born, "telecom": telecom, **more}


def related(id: str, to: str, code: str = "PRS", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "patient": {"reference": f"Patient/{to}"},
        "relationship": [{"coding": [{"system": CAREGIVER, "code": code}]}],
        "telecom": reached(f"{id}@example.org"),
        **more,
    }


@dataclass
class Space:
    """An opened server, and the messages that were read of its outbox."""

    house: House
    read: set[str] = field(default_factory=set)

    @property
    def notices(self) -> Notices:
        found: Notices = self.house.services.service("notices")
        return found

    async def keep(self, *trees: dict[str, Any]) -> None:
        await kept(self.house, *trees)

    async def account(self, subject: str, *wards: str, open: bool = True) -> Account:
        account = Account(subject.replace("/", "-"), subject, subject, subject, wards=wards, open=open)
        assert await self.house.authorization.accounts.add(account)
        return account

    async def look(self, at: datetime = NOON) -> list[EmailMessage]:
        """The e-mails that the jobs send when they are done at an instant."""
        for job in self.house.services.jobs():
            if job.name in ("notices", "outbox"):
                await job.run(at)
        files = [one for one in self._files(".eml") if one.name not in self.read]
        self.read |= {one.name for one in files}
        found = [message_from_bytes(one.read_bytes(), policy=default) for one in files]
        return sorted(found, key=lambda one: (str(one["To"]), str(one["Subject"])))  # type: ignore[return-value]

    async def told(self, at: datetime = NOON) -> list[tuple[str, str]]:
        """(address, subject) of the same."""
        return [(str(one["To"]), str(one["Subject"])) for one in await self.look(at)]

    def texted(self) -> list[dict[str, str]]:
        """Every SMS of the outbox."""
        return [json.loads(one.read_text()) for one in self._files(".sms")]

    def _files(self, end: str) -> list[Any]:
        folder = self.house.settings.data / "outbox"
        return sorted(folder.glob(f"*{end}")) if folder.exists() else []


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
