"""What a worker remembers of calendars is what it would make anew: RFC 9110 §8.8.1 (a strong tag tells every change)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.changes.whom import Whom
from fhir_server.settings import Settings
from fhir_server.space.agenda.calendar import feed, remembered
from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.calendar.feed import Calendars
from fhir_server.space.agenda.calendar.names import names
from fhir_server.space.agenda.calendar.remembered import Entry, Feed, Place, Remembered
from fhir_server.store.filters import EVERYTHING, LinkedFrom
from tests.server.people import a_person
from tests.space.agenda.world import CALLERS, an_appointment, ask, peopled
from tests.space.record.callers import BASE
from tests.store_calls import counted

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOW = datetime.now(UTC)
SHOWN = Shown(content=True, alarms=(60,))
TRACED = replace(CALLERS["patient"], traced=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remembered")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls() -> AsyncIterator[list[str]]:
    """What is asked of the store."""
    with pytest.MonkeyPatch.context() as patch, counted(patch) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(folder: Path, calls: list[str]) -> AsyncIterator[House]:
    async with opened(Settings(data=folder, base_url=BASE, open=False)) as found:
        await peopled(found)
        await a_person(found, "a", "Anna", "Patient/a")
        # Whoever begins to listen knows nothing before the next look.
        found.services.service("agenda/calendar")
        await found.follower.look()
        yield found


def at(days: int) -> dict[str, str]:
    start = NOW.replace(microsecond=0) + timedelta(days=days)
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=20)).isoformat()}


async def booked(house: House, days: int = 5, **more: Any) -> str:
    made = await ask(house, "doctor", "POST", "Appointment", an_appointment(**at(days), **more))
    assert made.status == 201, made.json
    return str(made.id)


async def changed(house: House, id: str, **more: Any) -> None:
    tree = (await ask(house, "doctor", "GET", f"Appointment/{id}")).json
    answer = await ask(house, "doctor", "PUT", f"Appointment/{id}", {**tree, **more})
    assert answer.status == 200, answer.json


async def reminded(house: House, id: str, value: int) -> None:
    before = {"value": value, "system": "http://unitsofmeasure.org", "code": "h"}
    asked = {"resourceType": "Parameters", "parameter": [{"name": "before", "valueDuration": before}]}
    assert (await ask(house, "patient", "POST", f"Appointment/{id}/$remind", asked)).status == 200


def of(*patients: str) -> list[dict[str, Any]]:
    names = [*(f"Patient/{one}" for one in patients), "Practitioner/doctor"]
    return [{"actor": {"reference": one}, "status": "accepted"} for one in names]


async def calendar(house: House, grant: Grant = TRACED, patient: str = "a", fresh: bool = False) -> Feed:
    """What is remembered, or a calendar made by who remembers nothing."""
    around = house.services
    made = Calendars(around) if fresh else around.service("agenda/calendar")
    seen = await around.seen_by(grant, BASE)
    tag = await made.tag(await around.seen_by(replace(grant, traced=False), BASE), patient, SHOWN, NOW)
    found: Feed = await made.feed(seen, patient, SHOWN, NOW)
    assert found.tag == tag
    return found


Change = Callable[[House, str], Awaitable[object]]
#: What happens to an appointment of "a" that there is → whether the calendar of "a" is another then.
CHANGES: dict[str, tuple[Change, bool]] = {
    "nothing": (lambda h, id: ask(h, "doctor", "GET", f"Appointment/{id}"), False),
    "a new one": (lambda h, id: booked(h, 6), True),
    "moved": (lambda h, id: changed(h, id, **at(9)), True),
    "cancelled": (lambda h, id: changed(h, id, status="cancelled"), True),
    "become another's": (lambda h, id: changed(h, id, participant=of("b")), True),
    "shared with another": (lambda h, id: changed(h, id, participant=of("a", "b")), True),
    "moved out of sight": (lambda h, id: changed(h, id, **at(900)), True),
    "deleted": (lambda h, id: ask(h, "doctor", "DELETE", f"Appointment/{id}"), True),
    "reminded of": (lambda h, id: reminded(h, id, 3), True),
    "another's is new": (lambda h, id: booked(h, 6, participant=of("b")), False),
    "a slot": (lambda h, id: ask(h, "doctor", "POST", "Slot", {"resourceType": "Slot", "schedule": {"reference": "Schedule/doctor"}, "status": "free", **at(4)}), False),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
async def test_a_calendar_is_what_it_would_be_if_nothing_were_remembered(
    house: House, calls: list[str], change: str
) -> None:
    id = await booked(house)
    before, others = await calendar(house), await calendar(house, CALLERS["another patient"], "b")
    act, differs = CHANGES[change]
    await act(house, id)
    calls.clear()
    after = await calendar(house)
    asked = [one for one in calls if "find Appointment" in one]
    made = await calendar(house, fresh=True)
    assert (after.tag, after.body, after.at) == (made.tag, made.body, made.at)
    assert (after.touched.objects, after.touched.patients) == (made.touched.objects, made.touched.patients)
    assert (after.tag != before.tag, bool(asked)) == (differs, differs)
    theirs = await calendar(house, CALLERS["another patient"], "b", fresh=True)
    assert (await calendar(house, CALLERS["another patient"], "b")).tag == theirs.tag
    assert (theirs.tag != others.tag) == (change in ("become another's", "shared with another", "another's is new"))


async def test_reminders_that_change_and_end_are_heard_of(house: House) -> None:
    id = await booked(house)
    tags = [(await calendar(house)).tag]
    for hours in (2, 5):
        await reminded(house, id, hours)
        tags.append((await calendar(house)).tag)
    none = {"resourceType": "Parameters"}
    assert (await ask(house, "patient", "POST", f"Appointment/{id}/$remind", none)).status == 200
    tags.append((await calendar(house)).tag)
    assert len(set(tags)) == 3 and tags[0] == tags[-1]


async def test_who_may_see_less_is_given_less_of_the_same_patient(house: House) -> None:
    """What one caller was given is remembered for that caller's sight alone."""
    await booked(house)
    whole = await calendar(house)
    stranger = replace(CALLERS["stranger"], traced=True)
    less = await calendar(house, stranger)
    assert less.tag == (await calendar(house, stranger, fresh=True)).tag
    assert less.body != whole.body and (await calendar(house)).body == whole.body


async def test_what_another_worker_writes_is_heard_of(house: House, folder: Path) -> None:
    id = await booked(house)
    before = await calendar(house)
    async with opened(Settings(data=folder, base_url=BASE, open=False)) as other:
        assert (await calendar(other)).tag == before.tag
        await changed(other, id, **at(11))
        await house.follower.look()
        assert (await calendar(house)).tag == (await calendar(other)).tag != before.tag
        await reminded(house, id, 7)
        await other.follower.look()
        assert (await calendar(house)).tag == (await calendar(other)).tag


async def test_a_calendar_given_again_is_traced_as_the_first_time(house: House) -> None:
    """Each version by its name: R4 auditevent.html (`entity.what`), whether it was read anew or not."""

    async def given() -> set[str]:
        before = {one["resource"]["id"] for one in await traces()}
        await house.services.exchange(_export(), TRACED, BASE)
        # One for each patient whom an appointment of this one's names.
        made = [one["resource"] for one in await traces() if one["resource"]["id"] not in before]
        entities = [one["what"] for event in made for one in event["entity"] if "what" in one]
        return {one["reference"] for one in entities if "reference" in one}

    async def traces() -> list[dict[str, Any]]:
        url = "AuditEvent?_count=100&_sort=-_lastUpdated&subtype=$export-agenda"
        found: list[dict[str, Any]] = (await ask(house, "open", "GET", url)).json.get("entry", [])
        return found

    id = await booked(house)
    first = await given()
    assert f"Appointment/{id}/_history/1" in first and "Patient/a" in first
    assert await given() == first
    await changed(house, id, **at(12))
    assert await given() == first - {f"Appointment/{id}/_history/1"} | {f"Appointment/{id}/_history/2"}


def _export() -> Any:
    from fhir_server.interactions.exchange import Request

    return Request("GET", ("Patient", "a", "$export-agenda"))


@pytest.mark.parametrize("few", [0, 1, 2, 50])
async def test_what_was_written_meanwhile_is_looked_for_alone_where_it_is_little(
    house: House, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(remembered, "FEW", few)
    ids = [await booked(house, 30 + n) for n in range(3)]
    await calendar(house)
    await changed(house, ids[0], **at(50))
    await reminded(house, ids[0], 9)
    assert (await ask(house, "doctor", "DELETE", f"Appointment/{ids[1]}")).status in (200, 204)
    new = await booked(house, 34)
    after, made = await calendar(house), await calendar(house, fresh=True)
    assert (after.tag, after.body) == (made.tag, made.body)
    there = [one.id for one in after.entries]
    assert there == sorted(there) and new in there and ids[1] not in there


async def test_the_most_that_a_calendar_has_are_the_latest_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booked(house, 3)
    before = await calendar(house)
    monkeypatch.setattr(feed, "MOST", len(before.entries))
    new = await booked(house, 4)
    after, made = await calendar(house), await calendar(house, fresh=True)
    assert (after.tag, len(after.entries)) == (made.tag, len(before.entries))
    assert new in {one.id for one in after.entries}


async def test_what_is_forgotten_while_a_calendar_is_put_together_is_in_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others' events take the place of those that are remembered longest, also between two steps of one calendar."""
    here = Calendars(house.services)
    before = await here.feed(await house.services.seen_by(TRACED, BASE), "a", SHOWN, NOW)
    new = await booked(house, 7)

    async def slowly(*asked: Any) -> dict[str, str]:
        here._written.clear()
        return await names(*asked)

    monkeypatch.setattr(feed, "names", slowly)
    # Of the events all but the new one are known, and of the calendar nothing.
    monkeypatch.setattr(here, "_remembered", Calendars(house.services)._remembered)
    found = await here.feed(await house.services.seen_by(TRACED, BASE), "a", SHOWN, NOW)
    assert {one.id for one in found.entries} == {new, *(one.id for one in before.entries)}


async def test_events_are_named_by_the_host_that_was_asked(house: House) -> None:
    await booked(house, 8)
    here: Calendars = house.services.service("agenda/calendar")
    for host in ("one.example", "other.example"):
        seen = await house.services.seen_by(TRACED, f"https://{host}/fhir")
        lines = (await here.feed(seen, "a", SHOWN, NOW)).body.replace(b"\r\n ", b"").split(b"\r\n")
        assert {one.rpartition(b"@")[2].decode() for one in lines if one.startswith(b"UID")} == {host}


class _Quiet:
    """Nothing is ever written."""

    async def taken(self, tell: object) -> None:
        return None


def _remembered(most: int, events: int) -> Remembered:
    quiet: Any = _Quiet()
    whom: Whom = quiet
    return Remembered(whom, most, events)


def _feed(tag: str, events: int) -> Feed:
    return Feed((Entry("x", 1, 0, "", b"", ()),) * events, tag, Touched(True))


#: What is kept one after the other (patient, events; None for a tag alone) → whose is left of 3 calendars and 5 events.
KEPT: tuple[tuple[list[tuple[str, int | None]], str], ...] = (
    ([("a", 1), ("b", 1), ("c", 1)], "abc"),
    ([("a", 1), ("b", 1), ("c", 1), ("d", 1)], "bcd"),
    ([("a", 2), ("b", 2), ("c", 2)], "bc"),
    ([("a", 6)], ""),
    ([("a", None), ("b", 5), ("c", None)], "abc"),
    ([("a", 3), ("a", 1), ("b", 3)], "ab"),
    ([("a", None), ("a", 3), ("b", 3)], "b"),
)


@pytest.mark.parametrize(("kept", "left"), KEPT)
async def test_so_much_is_remembered(kept: list[tuple[str, int | None]], left: str) -> None:
    here = _remembered(3, 5)
    for patient, events in kept:
        place = Place(patient, EVERYTHING, EVERYTHING, SHOWN, "host")
        with here.making(place) as making:
            await here.keep(place, "tag" if events is None else _feed("tag", events), making)
    places = {one: Place(one, EVERYTHING, EVERYTHING, SHOWN, "host") for one in "abcd"}
    assert "".join([one for one, place in places.items() if await here.get(place) is not None]) == left


async def test_what_hangs_on_others_resources_is_not_remembered() -> None:
    here = _remembered(3, 5)
    place = Place("a", EVERYTHING, LinkedFrom("Slot", "schedule", EVERYTHING), SHOWN, "host")
    with here.making(place) as making:
        await here.keep(place, _feed("tag", 1), making)
    assert await here.get(place) is None


async def test_what_was_written_while_it_was_read_is_not_missed(house: House) -> None:
    """A calendar whose patient's agenda changes while it is put together is given, and not remembered."""
    here: Remembered = house.services.service("agenda/calendar")._remembered
    await calendar(house)
    place = next(one for one in here._known if one.patient == "a")
    with here.making(place) as making:
        await booked(house, 20)
        await here.keep(place, _feed("old", 1), making)
    assert not isinstance(await here.get(place), Feed)
    await calendar(house)
    with here.making(place) as making:
        await booked(house, 21, participant=of("b"))
        await here.keep(place, _feed("kept", 1), making)
    found = await here.get(place)
    assert isinstance(found, Feed) and found.tag == "kept"
    here._drop(place)
