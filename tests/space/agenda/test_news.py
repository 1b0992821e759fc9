"""People are told when software adds, moves or calls off an appointment: NOTIF_APPOINTMENT, domain file §2.11.

Once for each change, of nothing that they did themselves, and of nothing of what the appointment is (CSP L1110-4).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import opened
from fhir_server.jobs.feed_reader import FEED
from fhir_server.settings import Settings
from fhir_server.space.agenda.news import FEED_NAME, is_news
from tests.server.people import kept
from tests.space.agenda.world import CALLERS, DOCTOR, A, an_appointment, own_entry, peopled
from tests.space.notices.space import NOON, Space, hours, reached
from tests.space.record.callers import BASE, Caller, Tree

B = "Patient/b"
ADDED = [("a@example.org", "Un rendez-vous a changé")]


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        await peopled(house)
        for id, born in (("a", "1980-01-01"), ("b", "1981-01-01")):
            about = {"resourceType": "Patient", "id": id, "active": True, "birthDate": born}
            await kept(house, about | {"telecom": reached(f"{id}@example.org")})
        found = Space(house)
        await look(found)
        yield found


async def look(space: Space, at: Any = NOON) -> int:
    """How many notices the job tells."""
    [job] = [one for one in space.house.services.jobs() if one.name == "appointments"]
    return await job.run(at)


def of(space: Space, who: str) -> Caller:
    """Somebody whose exchanges are traced, as all are of whom anything is known."""
    return Caller(space.house, CALLERS[who] if who == "open" else replace(CALLERS[who], traced=True))


async def make(space: Space, who: str = "operator", tree: Tree | None = None) -> str:
    answer = await of(space, who)("POST", "Appointment", tree or an_appointment())
    assert answer.status == 201, answer.json
    return answer.id


async def test_each_change_is_told_once(space: Space) -> None:
    id = await make(space)
    assert (await look(space), await look(space)) == (1, 0)
    assert await space.told() == ADDED
    moved = an_appointment(id=id, start="2027-03-02T09:00:00+01:00", end="2027-03-02T09:20:00+01:00")
    for tree, told in (
        (moved, 1),
        (moved, 0),
        (moved | {"comment": "À jeun"}, 0),
        (moved | {"status": "cancelled"}, 1),
    ):
        assert (await of(space, "operator")("PUT", f"Appointment/{id}", tree)).status == 200
        assert await look(space) == told, tree
    # One message an hour at most, whatever became of it meanwhile.
    assert await space.told(NOON + hours(2)) == ADDED


async def test_a_process_that_dies_tells_of_no_change_twice_and_of_each(space: Space) -> None:
    """What was told is known by the change; the place in the feed comes after."""
    place = await space.house.services.records.get(FEED, FEED_NAME)
    assert place is not None
    await make(space)
    assert await look(space) == 1
    await space.house.services.records.put(FEED, FEED_NAME, place)
    await make(space)
    assert await look(space) == 1


#: What somebody does, to an appointment that software made where there is one → how many are told.
DONE: dict[str, tuple[str, str, str, Tree, int]] = {
    "software books": ("operator", "POST", "Appointment", an_appointment(), 1),
    "software books by identifier": ("operator", "PUT", "Appointment?identifier=urn:rdv|9", an_appointment(identifier=[{"system": "urn:rdv", "value": "9"}]), 1),
    "a professional books": ("doctor", "POST", "Appointment", an_appointment(), 1),
    "two patients": ("operator", "POST", "Appointment", an_appointment(participant=[{"actor": {"reference": one}, "status": "accepted"} for one in (A, B, DOCTOR)]), 2),
    "an entry of their own": ("patient", "POST", "Appointment", own_entry(), 0),
    "an app of theirs books": ("referenced app", "POST", "Appointment", an_appointment(), 0),
    "what is over": ("operator", "POST", "Appointment", an_appointment(status="fulfilled"), 0),
    "what was never to be": ("operator", "POST", "Appointment", an_appointment(status="cancelled"), 0),
    "an administrator loads": ("open", "PUT", "Appointment/loaded", an_appointment(id="loaded"), 0),
    "software deletes": ("operator", "DELETE", "Appointment/{id}", {}, 1),
    "they come": ("operator", "PUT", "Appointment/{id}", an_appointment(status="arrived"), 0),
    "they do not": ("operator", "PUT", "Appointment/{id}", an_appointment(status="noshow"), 0),
    "it is another's": ("operator", "PUT", "Appointment/{id}", an_appointment(who=B), 2),
    "in one transaction": ("operator", "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": an_appointment(), "request": {"method": "POST", "url": "Appointment"}}]}, 1),
}  # fmt: skip


@pytest.mark.parametrize("what", DONE)
async def test_who_did_it_and_what_it_is_decide_whether_it_is_told(space: Space, what: str) -> None:
    who, method, url, tree, told = DONE[what]
    if "{id}" in url:
        id = await make(space)
        await look(space)
        url, tree = url.format(id=id), tree | ({"id": id} if tree else {})
    answer = await of(space, who)(method, url, tree or None)
    assert answer.status in (200, 201, 204), answer.json
    assert await look(space) == told


async def test_nothing_of_what_it_is_leaves_the_house(space: Space) -> None:
    await make(space, tree=an_appointment(description="Oncologie", comment="Chimiothérapie"))
    assert await look(space) == 1
    [mail] = await space.look()
    assert not [word for word in ("Onco", "Chimio", "2027", "09:00") if word in mail.as_string()]


#: What of it changed, beside its version: from, to → whether it is told.
LATER = {"start": "2027-03-02T09:00:00+01:00", "end": "2027-03-02T09:20:00+01:00"}
OTHER = {"participant": [{"actor": {"reference": one}, "status": "accepted"} for one in (A, "Practitioner/colleague")]}
PAST = {"start": "2026-03-01T09:00:00+01:00", "end": "2026-03-01T09:20:00+01:00"}
NO_TIME = {"start": None, "end": None}
CHANGED: list[tuple[Tree | None, Tree | None, bool]] = [
    (None, {}, True),
    (None, {"status": "proposed"}, True),
    (None, NO_TIME | {"status": "proposed"}, True),
    (None, PAST, False),
    (None, {"status": "arrived"}, False),
    ({}, {}, False),
    ({}, {"comment": "x", "description": "x", "minutesDuration": 20}, False),
    ({}, LATER, True),
    (LATER, {}, True),
    ({}, {"end": "2027-03-01T09:40:00+01:00"}, True),
    ({}, OTHER, True),
    ({"status": "proposed"}, {}, True),
    ({"status": "waitlist"}, {}, True),
    ({}, {"status": "cancelled"}, True),
    ({}, {"status": "entered-in-error"}, True),
    ({}, None, True),
    ({}, PAST, True),
    (PAST, {}, True),
    (PAST, PAST | {"status": "cancelled"}, False),
    (PAST, None, False),
    ({"status": "cancelled"}, {}, True),
    ({"status": "cancelled"}, None, False),
    ({}, {"status": "fulfilled"}, False),
    ({"status": "arrived"}, {"status": "fulfilled"}, False),
]


def test_what_is_news() -> None:
    wrong = []
    for number, (before, after, expected) in enumerate(CHANGED):
        trees = [None if one is None else an_appointment() | one for one in (before, after)]
        found = is_news(trees[0], trees[1], A, BASE, int(NOON.timestamp() * 1_000_000))
        if found != expected:
            wrong.append((number, before, after, found))
        assert not is_news(trees[0], trees[1], "Patient/nobody", BASE, 0)
    assert not wrong
