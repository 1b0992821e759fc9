"""Whoever's record was opened in an emergency is told, and so is their attending doctor: CSP R1111-43."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from fhir_server.access.grant import Grant, Purpose
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.settings import Settings
from tests.server.people import kept

LINK = "https://fhir.example/mes-acces"


def reached(email: str) -> list[dict[str, str]]:
    return [{"system": "email", "value": email}]


class Space:
    """A store with a patient, their attending doctor, and another doctor who opens the record."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.folder = folder
        self.begun = datetime.now(UTC)

    async def opened_by(self, doctor: str, purpose: Purpose, id: str, own: bool = True) -> None:
        """The AuditEvent of one read of the patient's record, made by the server of its `own`, or written by somebody."""
        touched = Touched(noting=True)
        touched.patients["Patient/p1"] = None
        grant = Grant(subject=f"Practitioner/{doctor}", purpose=purpose, reason="Coma")
        tree = exchange_event(grant, touched, "read", "Patient", 200, "https://fhir.example/fhir")
        await (record(self.house.repository(), [tree]) if own else kept(self.house, {**tree, "id": id}))

    async def sent(self, after: timedelta = timedelta(0)) -> dict[str, str]:
        """Address → text of the messages that the jobs send."""
        outbox = self.folder / "outbox"
        known = set(outbox.glob("*.eml")) if outbox.exists() else set()
        await self.house.clock(lambda: self.begun + after).run()
        found = set(outbox.glob("*.eml")) - known if outbox.exists() else set()
        messages = [message_from_bytes(file.read_bytes(), policy=default) for file in found]
        return {str(one["To"]): f"{one['Subject']}\n{one.get_content()}" for one in messages}


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir", notices_quiet="")) as house:
        found = Space(house, tmp_path)
        await kept(house, {"resourceType": "Practitioner", "id": "own", "telecom": reached("own@example.org")})
        attended = [{"reference": "Practitioner/own"}]
        patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": "DEMO"}]}
        await kept(house, {**patient, "telecom": reached("p1@example.org"), "generalPractitioner": attended})
        yield found


async def test_the_holder_and_the_attending_doctor_are_told_without_the_reason(space: Space) -> None:
    await space.opened_by("d1", "BTG", "a1")
    sent = await space.sent()
    assert set(sent) == {"p1@example.org", "own@example.org"}
    assert LINK in sent["p1@example.org"]
    assert not any(word in text for text in sent.values() for word in ("Coma", "DEMO", "Patient/p1"))


async def test_one_emergency_is_told_of_once_however_much_is_read(space: Space) -> None:
    for number in range(3):
        await space.opened_by("d1", "BTG", f"a{number}")
    assert len(await space.sent()) == 2
    assert await space.sent(timedelta(hours=1)) == {}
    await space.opened_by("d2", "BTG", "other")
    assert len(await space.sent(timedelta(hours=2))) == 2


async def test_an_emergency_that_somebody_wrote_is_told_to_nobody(space: Space) -> None:
    await space.opened_by("d1", "BTG", "forged", own=False)
    assert await space.sent() == {}


async def test_care_as_usual_is_told_to_nobody(space: Space) -> None:
    await space.opened_by("d1", "TREAT", "a1")
    assert await space.sent() == {}


async def test_what_is_long_past_is_told_no_more(space: Space) -> None:
    await space.opened_by("d1", "BTG", "a1")
    assert await space.sent(timedelta(days=8)) == {}
