"""A patient is told once that a professional opened their record for the first time: CSP R1111-43, domain file §2.11."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.jobs.feed_reader import FEED
from fhir_server.settings import Settings
from fhir_server.space.notices import centre
from fhir_server.space.record.first_accesses import FEED_NAME, SEEN
from tests.server.people import kept

NOW = datetime(2026, 12, 1, 11, tzinfo=UTC)
DOCUMENT = "DocumentReference/d1"


class Space:
    """A server with a patient, whose traces were followed before anything was read."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def trace(self, *touched: str, interaction: str = "read", own: bool = True, **more: Any) -> None:
        """The trace of one exchange of a professional, made by the server of its `own`, or written by somebody."""
        noted = Touched(noting=True)
        noted.patients["Patient/p1"] = None
        noted.objects = dict.fromkeys((f"{one}/_history/1" for one in touched), ("Patient/p1",))
        status, who = more.pop("status", 200), more.pop("subject", "Practitioner/d1")
        grant = Grant(subject=who, purpose=more.pop("purpose", None))
        tree = exchange_event(grant, noted, interaction, "DocumentReference", status, "https://fhir.example/fhir")
        await (record(self.house.repository(), [tree]) if own else kept(self.house, {**tree, "id": "x"}))

    async def told(self) -> int:
        """How often the patient was told by now."""
        for job in self.house.services.jobs():
            if job.name == "first-accesses":
                await job.run(NOW)
        lines = await centre.lines(self.house.engine.records, "Patient/p1", "", 50)
        return sum(one.told.occasion == "access" for one in lines)


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir")) as house:
        await kept(house, {"resourceType": "Patient", "id": "p1", "birthDate": "1970-01-01"})
        found = Space(house)
        assert await found.told() == 0
        yield found


@pytest.mark.parametrize(
    "touched, more, told",
    [
        ((DOCUMENT,), {}, 1),
        (("Binary/b1",), {}, 1),
        (("Condition/c1",), {"interaction": "search-type"}, 1),
        (("Patient/p1", "Condition/c1"), {"interaction": "$everything"}, 1),
        # What a professional merely files, and what they look up to do so.
        ((DOCUMENT,), {"interaction": "create"}, 0),
        ((DOCUMENT, "List/l1", "Binary/b1"), {"interaction": "transaction"}, 0),
        ((DOCUMENT,), {"interaction": "update"}, 0),
        ((DOCUMENT,), {"interaction": "patch"}, 0),
        (("Patient/p1",), {"interaction": "search-type"}, 0),
        (("Patient/p1",), {}, 0),
        ((), {"interaction": "search-type"}, 0),
        # No part of the record, not shown, told of otherwise, not a professional, and not seen by this server.
        (("Communication/m1",), {}, 0),
        ((DOCUMENT,), {"status": 404}, 0),
        ((DOCUMENT,), {"purpose": "BTG"}, 0),
        ((DOCUMENT,), {"subject": "Patient/p1"}, 0),
        ((DOCUMENT,), {"subject": "RelatedPerson/r1"}, 0),
        ((DOCUMENT,), {"own": False}, 0),
    ],
)
async def test_told_of_is_what_was_read_of_the_record(
    space: Space, touched: tuple[str, ...], more: dict[str, Any], told: int
) -> None:
    await space.trace(*touched, **more)
    assert await space.told() == told


async def test_once_for_each_professional_however_much_they_read(space: Space) -> None:
    await space.trace(DOCUMENT, interaction="create")
    for _ in range(3):
        await space.trace(DOCUMENT)
    assert await space.told() == 1
    await space.trace(DOCUMENT)
    assert await space.told() == 1
    await space.trace(DOCUMENT, subject="Practitioner/d2")
    assert await space.told() == 2


@pytest.mark.parametrize("lost", ["place", "place and pair"])
async def test_who_died_between_loses_none_and_tells_none_twice(space: Space, lost: str) -> None:
    records = space.house.engine.records
    before = await records.get(FEED, FEED_NAME)
    assert before is not None
    await space.trace(DOCUMENT)
    assert await space.told() == 1
    await records.put(FEED, FEED_NAME, before)
    if lost != "place":
        await records.take(SEEN, "p1\nPractitioner/d1")
    assert await space.told() == 1


async def test_who_read_before_this_was_told_of_is_no_first(space: Space) -> None:
    records = space.house.engine.records
    await space.trace(DOCUMENT)
    await records.take(FEED, FEED_NAME)
    assert await space.told() == 0
    await space.trace(DOCUMENT)
    assert await space.told() == 0
