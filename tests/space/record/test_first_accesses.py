"""A patient is told once that a professional opened their record for the first time: CSP R1111-43, domain file §2.11."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
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
from fhir_server.smart.people.accounts import Account
from fhir_server.space.notices import centre
from fhir_server.space.record.first_accesses import FEED_NAME, SEEN
from tests.server.people import kept
from tests.space.record.callers import labelled

NOW = datetime(2026, 12, 1, 11, tzinfo=UTC)
DAY = timedelta(days=1)
DOCUMENT = "DocumentReference/d1"
MAIL = [{"system": "email", "value": "home@example.org"}]


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

    async def told(self, at: datetime = NOW, person: str = "Patient/p1") -> int:
        """How often somebody was told by then."""
        for job in self.house.services.jobs():
            if job.name == "first-accesses":
                await job.run(at)
        lines = await centre.lines(self.house.engine.records, person, "", 50)
        return sum(one.told.occasion == "access" for one in lines)

    async def mails(self, at: datetime) -> list[str]:
        """To whom e-mails had been written by then."""
        for job in self.house.services.jobs():
            if job.name in ("notices", "outbox"):
                await job.run(at)
        files = sorted((self.house.settings.data / "outbox").glob("*.eml"))
        return sorted(str(message_from_bytes(one.read_bytes())["To"]) for one in files)


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
    assert await space.told() == 1
    assert await space.told(NOW + DAY) == 2
    assert await space.told(NOW + 2 * DAY) == 2


async def test_of_many_professionals_on_one_day_there_is_one_notice_and_one_mail_a_day(space: Space) -> None:
    await kept(space.house, {"resourceType": "Patient", "id": "p1", "birthDate": "1970-01-01", "telecom": MAIL})
    for number in range(250):
        await space.trace(DOCUMENT, subject=f"Practitioner/many-{number}")
    for hour in range(12):
        assert await space.told(NOW + timedelta(hours=hour)) == 1
        assert len(await space.mails(NOW + timedelta(hours=hour))) == 1
    for day in (1, 2):
        assert await space.told(NOW + day * DAY) == 2
        assert len(await space.mails(NOW + day * DAY)) == 2


#: What a professional opened of a minor's → whether the parent is told of it.
OF_MINORS = {
    "what is kept from parents": (["Binary/secret"], False),
    "its sheet": (["DocumentReference/secret"], False),
    "that beside another": (["DocumentReference/secret", "DocumentReference/plain"], True),
    "what parents see": (["DocumentReference/plain"], True),
}


@pytest.mark.parametrize("first", OF_MINORS)
async def test_of_what_a_minor_keeps_from_parents_the_minor_alone_is_told(space: Space, first: str) -> None:
    """CSP L1111-5, R1111-49: in their own centre, and by no message, since the address may be the parent's."""
    paper = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/secret"}}],
    }
    await kept(
        space.house,
        {"resourceType": "Patient", "id": "p1", "birthDate": "2014-01-01", "telecom": MAIL},
        {"resourceType": "RelatedPerson", "id": "parent", "patient": {"reference": "Patient/p1"}, "telecom": MAIL},
        {**paper, "id": "secret", "securityLabel": labelled("N", "INVISIBLE_REPRESENTANTS_LEGAUX")},
        {**paper, "id": "plain", "content": [{"attachment": {"url": "http://example.org/x"}}]},
        {"resourceType": "Binary", "id": "secret", "contentType": "text/plain", "data": "eA==",
         "securityContext": {"reference": "DocumentReference/secret"}},
    )  # fmt: skip
    parent = Account("parent", "parent", "P", "RelatedPerson/parent", wards=("p1",))
    assert await space.house.authorization.accounts.add(parent)
    objects, told = OF_MINORS[first]
    await space.trace(*objects)
    assert await space.told() == 1
    assert await space.told(person="RelatedPerson/parent") == int(told)
    assert bool(await space.mails(NOW)) == told
    # What was told in secret does not keep the parent from what they are to know, on the same day.
    await space.trace("DocumentReference/plain", subject="Practitioner/d2")
    await space.told()
    assert await space.told(person="RelatedPerson/parent") == 1


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
