"""What patients are told of their apps: CSP R1111-39, every 90 days which they are, and when one asks anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.catalogue.apps import App, Purpose
from fhir_server.space.catalogue.opening import of
from tests.server.people import kept

TENSION = Purpose("suivi", "Suivre la tension", ("read",), scopes=("patient/Observation.rs",))
APP = App("tension", "tension", "Carnet Tension", "Organization/pub", "1.0", "EN_LIGNE", purposes=(TENSION,))
WIDER = Purpose("suivi", "Suivre la tension", ("read", "write"), scopes=("patient/Observation.crs",))


class Space:
    """A store with an app, and patients who accept it."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.folder = folder
        self.begun = datetime.now(UTC)

    async def patient(self, id: str, accepts: bool = True, **more: Any) -> None:
        telecom = [{"system": "phone", "value": "0199000000"}, {"system": "email", "value": f"{id}@example.org"}]
        await kept(self.house, {"resourceType": "Patient", "id": id, "telecom": telecom, **more})
        await of(self.house.services).consents.decide(id, APP, {"suivi"} if accepts else set(), f"Patient/{id}")

    async def after(self, days: float) -> list[Any]:
        """The messages that leave when the jobs are run that many days from now."""
        outbox = self.folder / "outbox"
        known = set(outbox.glob("*.eml")) if outbox.exists() else set()
        await self.house.clock(lambda: self.begun + timedelta(days=days, minutes=1)).run()
        found = set(outbox.glob("*.eml")) - known if outbox.exists() else set()
        return [message_from_bytes(file.read_bytes(), policy=default) for file in sorted(found)]


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir", notices_quiet="")) as house:
        await of(house.services).catalogue.save(APP)
        yield Space(house, tmp_path)


async def test_nobody_is_told_before_90_days_and_each_period_is_told_of_once(space: Space) -> None:
    await space.patient("a")
    assert await space.after(1) == []
    assert await space.after(89) == []
    [message] = await space.after(90)
    assert message["To"] == "a@example.org"
    # The name of an app tells of an illness as often as not: it stands on the page.
    assert "Tension" not in message.get_content()
    assert "https://fhir.example/mes-applications" in message.get_content()
    assert await space.after(91) == []
    assert await space.after(179) == []
    assert len(await space.after(180)) == 1


async def test_who_accepted_nothing_withdrew_gave_no_address_or_died_is_not_told(space: Space) -> None:
    await space.patient("refused", accepts=False)
    await space.patient("withdrawn")
    await of(space.house.services).consents.withdraw("withdrawn", APP, None, "Patient/withdrawn")
    await space.patient("unreachable", telecom=[{"system": "email", "value": "x@example.org", "use": "old"}])
    await space.patient("deceased", deceasedBoolean=True)
    assert await space.after(200) == []


async def test_a_patient_is_written_to_in_their_language_at_their_first_address(space: Space) -> None:
    english = [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en-GB"}]}, "preferred": True}]
    addresses = [
        {"system": "email", "value": "second@example.org", "rank": 2},
        {"system": "email", "value": "first@example.org", "rank": 1},
    ]
    await space.patient("a", communication=english, telecom=addresses)
    [message] = await space.after(90)
    assert message["To"] == "first@example.org"
    assert message["Subject"] == "Apps synchronised with your health space"


async def test_a_wider_version_is_told_of_when_it_comes_and_again_before_its_deadline(space: Space) -> None:
    await space.patient("a")
    deadline = space.begun.date() + timedelta(days=60)
    app = replace(APP, version="2.0", purposes=(WIDER,), reconsent_by=deadline)
    await of(space.house.services).catalogue.save(app)
    [first] = await space.after(1)
    assert first["Subject"] == "Votre accord est de nouveau demandé"
    assert await space.after(30) == []
    assert len(await space.after(54)) == 1
    assert await space.after(58) == []
    assert await space.after(70) == []


async def test_who_has_decided_on_the_new_version_is_not_asked_again(space: Space) -> None:
    await space.patient("a")
    deadline = space.begun.date() + timedelta(days=60)
    app = replace(APP, version="2.0", purposes=(WIDER,), reconsent_by=deadline)
    await of(space.house.services).catalogue.save(app)
    await of(space.house.services).consents.decide("a", app, {"suivi"}, "Patient/a")
    assert await space.after(1) == []
