"""The slots of an availability: https://interop.esante.gouv.fr/ig/fhir/gap (flows 2 and 3), Europe/Paris."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.agenda.availability.filling import Filling
from fhir_server.space.agenda.availability.reading import AVAILABILITY, DURATION
from tests.server.people import escaped, kept
from tests.space.agenda.world import DOCTOR, a_schedule, a_slot, an_appointment, ask, status_of
from tests.space.record.callers import Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2027, 3, 24, 12, tzinfo=UTC)
_numbers = count(1)
_START, _END = "2027-03-26T09:00:00+01:00", "2027-03-26T10:00:00+01:00"


def available(start: str = _START, end: str = _END, rule: Any = None, kind: str = "free") -> Tree:
    """A period; `rule` is a text, or the parts of the guide's older form."""
    parts: list[Tree] = [
        {"url": "identifier", "valueIdentifier": {"value": str(next(_numbers))}},
        {"url": "type", "valueCoding": {"code": kind}},
        {"url": "start", "valueDateTime": start},
        {"url": "end", "valueDateTime": end},
    ]
    if rule is not None:
        parts.append({"url": "rrule", **({"valueString": rule} if isinstance(rule, str) else {"extension": rule})})
    return {"url": AVAILABILITY, "extension": parts}


def lasting(minutes: int) -> Tree:
    service = {"coding": [{"system": "urn:services", "code": "suivi"}]}
    duration = {"value": minutes, "system": "http://unitsofmeasure.org", "code": "min"}
    parts = [{"url": "serviceType", "valueCodeableConcept": service}, {"url": "duration", "valueDuration": duration}]
    return {"url": DURATION, "extension": parts}


async def filled(house: House, id: str, *extensions: Tree, now: datetime = NOW, **more: Any) -> list[str]:
    """When the slots of a schedule begin, once it is written and the job has run."""
    filling = Filling(house.services)
    await filling.of_changed(now)
    tree = a_schedule(id, DOCTOR) | ({"extension": [*extensions]} if extensions else {}) | more
    answer = await ask(house, "operator", "PUT", f"Schedule/{id}", tree)
    assert answer.status in (200, 201), answer.json
    await filling.of_changed(now)
    return await starts(house, id)


async def starts(house: House, id: str) -> list[str]:
    found = await ask(house, "doctor", "GET", f"Slot?schedule=Schedule/{id}&status=free&_sort=start&_count=500")
    return [one["resource"]["start"] for one in found.json.get("entry", ())]


HORIZON = {"planningHorizon": {"start": "2027-01-01", "end": "2027-04-03"}}
_OLDER = [
    {"url": "freq", "valueCoding": {"code": "WEEKLY"}},
    {"url": "byDay", "valueCoding": {"code": "FR"}},
    *({"url": "byHour", "valueInteger": hour} for hour in (9, 10, 14, 15)),
]
_ISLAND = "DTSTART;TZID=Indian/Reunion:20270326T120000\nRRULE:FREQ=WEEKLY;COUNT=2"
_LAST = "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"
_SOME = (
    "DTSTART;TZID=Europe/Paris:20270326T090000\nRRULE:FREQ=DAILY;COUNT=7\nEXDATE:20270327T090000,20270328T090000\n"
    "EXDATE:20270329T070000Z\nEXDATE;TZID=America/Cayenne:20270330T040000\nEXDATE;VALUE=DATE:20270331\n"
    "RDATE:20270330T140000,20270402T090000\nEXDATE:20270402T090000"
)
#: What is said → when slots begin.
MADE: dict[str, tuple[tuple[Tree, ...], Tree, list[str]]] = {
    "once": ((available(),), {}, ["2027-03-26T09:00:00+01:00", "2027-03-26T09:30:00+01:00"]),
    "as long as the service takes": (
        (available(), lasting(20)),
        {},
        [f"2027-03-26T09:{m}:00+01:00" for m in ("00", "20", "40")],
    ),
    # Opening hours stay where they are on the clock, whose offset changes on 28 March.
    "each week, across the change": (
        (available(rule="FREQ=WEEKLY;COUNT=3"), lasting(60)),
        {},
        ["2027-03-26T09:00:00+01:00", "2027-04-02T09:00:00+02:00", "2027-04-09T09:00:00+02:00"],
    ),
    "without end, within what is planned": (
        (available(rule="RRULE:FREQ=WEEKLY;BYDAY=FR"), lasting(60)),
        HORIZON,
        ["2027-03-26T09:00:00+01:00", "2027-04-02T09:00:00+02:00"],
    ),
    "the older form, in pairs": (
        (available("2027-03-26T00:00:00+01:00", "2027-03-27T00:00:00+01:00", _OLDER), lasting(60)),
        HORIZON,
        [f"2027-{day}:00:00+0{z}:00" for z, d in ((1, "03-26"), (2, "04-02")) for day in (f"{d}T09", f"{d}T14")],
    ),
    "but when it is closed": (
        (
            available(),
            lasting(20),
            available("2027-03-26T09:30:00+01:00", "2027-03-26T09:40:00+01:00", kind="busy-unavailable"),
        ),
        {},
        ["2027-03-26T09:00:00+01:00", "2027-03-26T09:40:00+01:00"],
    ),
    # Left out are a time by the clock of its zone, one in UTC and a day; one is added.
    "but some, and one besides": (
        (available(rule=_SOME), lasting(60)),
        {},
        ["2027-03-26T09:00:00+01:00", "2027-03-30T14:00:00+02:00", "2027-04-01T09:00:00+02:00"],
    ),
    "each year, and the last working day of each month": (
        (
            available("2026-04-05T10:00:00+02:00", "2026-04-05T11:00:00+02:00", "FREQ=YEARLY;COUNT=3"),
            available("2027-01-01T08:00:00+01:00", "2027-01-01T09:00:00+01:00", _LAST),
            lasting(60),
        ),
        HORIZON | {"planningHorizon": {"start": "2027-01-01", "end": "2027-05-01"}},
        ["2027-03-31T08:00:00+02:00", "2027-04-05T10:00:00+02:00", "2027-04-30T08:00:00+02:00"],
    ),
    "once where two overlap": ((available(), available(), lasting(60)), {}, ["2027-03-26T09:00:00+01:00"]),
    "nothing of the past": ((available("2027-03-23T09:00:00+01:00", "2027-03-23T10:00:00+01:00"),), {}, []),
    "nothing beyond three months": ((available("2027-08-23T09:00:00+02:00", "2027-08-23T10:00:00+02:00"),), {}, []),
    "nothing of one that is not active": ((available(),), {"active": False}, []),
    # The island has no summer time: its noon is at nine of Paris's winter, at ten of its summer.
    "in another zone": (
        (available(rule=_ISLAND), lasting(60)),
        {},
        ["2027-03-26T09:00:00+01:00", "2027-04-02T10:00:00+02:00"],
    ),
}


async def test_slots_are_made_of_what_a_schedule_says(house: House) -> None:
    wrong = {}
    for n, (name, (extensions, more, expected)) in enumerate(MADE.items()):
        found = await filled(house, f"av{n}", *extensions, **more)
        if found != expected:
            wrong[name] = found
    assert not wrong
    tree = (await ask(house, "doctor", "GET", "Slot?schedule=Schedule/av1&_count=1")).json["entry"][0]["resource"]
    assert tree["serviceType"][0]["coding"][0]["code"] == "suivi"


#: What is refused, and the reason's words.
REFUSED: dict[str, tuple[Tree, str]] = {
    "never ends": (available(rule="FREQ=DAILY"), "never ends"),
    "end before start": (available(end="2027-03-26T08:00:00+01:00"), "before it starts"),
    "unknown zone": (available(rule="DTSTART;TZID=Mars/Olympus:20270326T090000\nRRULE:FREQ=DAILY;COUNT=2"), "IANA"),
    "unknown part": (available(rule="FREQ=DAILY;COUNT=2;BYSETPOS=1"), "BYSETPOS chooses"),
    "longer than a month": (available(end="2027-06-26T10:00:00+02:00"), "31 days"),
    "longer ago than any": (available("1999-03-26T09:00:00+01:00", "1999-03-26T10:00:00+01:00"), "2000"),
    "two rules": (available(rule="RRULE:FREQ=DAILY;COUNT=2\nRRULE:FREQ=WEEKLY;COUNT=2"), "one RRULE"),
    "no rule": (available(rule="RDATE:20270327T090000"), "one RRULE"),
    "an exception by a rule": (available(rule="RRULE:FREQ=DAILY;COUNT=2\nEXRULE:FREQ=DAILY"), "one RRULE"),
    "an exception that is no time": (available(rule="RRULE:FREQ=DAILY;COUNT=2\nEXDATE:tomorrow"), "EXDATE"),
    "an exception of no day": (available(rule="RRULE:FREQ=DAILY;COUNT=2\nEXDATE:20270230"), "EXDATE"),
    "an exception in no zone": (available(rule="RRULE:FREQ=DAILY;COUNT=2\nEXDATE;TZID=Mars/X:20270327T090000"), "IANA"),
    "a period besides": (available(rule="RRULE:FREQ=DAILY;COUNT=2\nRDATE:20270327T090000/PT1H"), "RDATE"),
    "very many exceptions": (
        available(
            rule="FREQ=DAILY;COUNT=2\nEXDATE:"
            + ",".join(f"{day}T{t:06}" for day in (20270327, 20270328, 20270329) for t in range(600) if t % 100 < 60)
        ),
        "EXDATE",
    ),
    "a year's days": (available(rule="FREQ=YEARLY;COUNT=2;BYYEARDAY=1"), "BYYEARDAY"),
    "an hour without its end": (
        available(rule=[{"url": "freq", "valueCoding": {"code": "DAILY"}}, {"url": "byHour", "valueInteger": 9}]),
        "pairs",
    ),
}


async def test_what_cannot_be_meant_is_refused_with_the_reason(house: House) -> None:
    for name, (extension, words) in REFUSED.items():
        tree = a_schedule("refused", DOCTOR, extension=[lasting(20), extension])
        answer = await ask(house, "operator", "PUT", "Schedule/refused", tree)
        (error,) = [one for one in answer.json["issue"] if one["severity"] == "error"]
        assert (answer.status, error["expression"]) == (422, ["Schedule.extension[1]"]), name
        assert words in error["diagnostics"], (name, error)
    assert (await ask(house, "open", "GET", "Schedule/refused")).status == 404


async def test_what_is_booked_or_made_by_others_is_left_alone(house: House) -> None:
    by_hand = {"start": "2027-03-26T09:50:00+01:00", "end": "2027-03-26T10:10:00+01:00"}
    await kept(house, a_slot("by-hand", "Schedule/kept") | by_hand)
    found = await filled(house, "kept", available(), lasting(20))
    assert found == [f"2027-03-26T09:{m}:00+01:00" for m in ("00", "20", "50")]
    entries = (await ask(house, "doctor", "GET", "Slot?schedule=Schedule/kept&_sort=start")).json["entry"]
    first = entries[0]["resource"]
    wanted = an_appointment(first["id"], start=first["start"], end=first["end"])
    booked = await ask(house, "doctor", "POST", "Appointment", wanted)
    assert booked.status == 201, booked.json
    # Another length leaves what is booked; where nothing is said any more, the free ones are taken away.
    found = await filled(house, "kept", available(), lasting(10))
    assert found == [f"2027-03-26T09:{m}:00+01:00" for m in (20, 30, 40, 50)]
    assert await filled(house, "kept") == ["2027-03-26T09:50:00+01:00"]
    assert await status_of(house, first["id"]) == "busy"


async def test_days_come_into_reach_as_time_passes(house: House) -> None:
    filling = Filling(house.services)
    assert len(await filled(house, "ahead", available(rule="FREQ=MONTHLY;COUNT=6"), lasting(60))) == 3
    await filling.of_all(NOW)
    assert await filling.of_all(NOW) == 0
    await escaped(house, "Schedule", "ahead")
    await filling.of_all(datetime(2027, 4, 24, 12, tzinfo=UTC))
    assert len(await starts(house, "ahead")) == 4
