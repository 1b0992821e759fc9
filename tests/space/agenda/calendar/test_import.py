"""A calendar taken into one's own agenda: RFC 5545, all of it or nothing, and what nobody can take in refused."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest

from fhir_server.app import House
from fhir_server.space.agenda.calendar.bounds import DEPTH, LARGEST, MOST
from fhir_server.space.agenda.calendar.reading import read
from fhir_server.space.agenda.calendar.recurrence import Unreadable
from fhir_server.space.agenda.model import AUTHOR, PATIENT, tags
from tests.server.calls import Answer
from tests.space.agenda.world import an_appointment, ask
from tests.space.record.callers import Tree


def event(*lines: str, uid: str = "1@x", start: str = ";TZID=Europe/Paris:20270701T090000") -> str:
    said = [f"UID:{uid}", "DTSTAMP:20270101T000000Z", f"DTSTART{start}", *lines]
    return "\r\n".join(["BEGIN:VEVENT", *said, "END:VEVENT"])


def calendar(*parts: str) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *parts, "END:VCALENDAR", ""]).encode()


async def brought(house: House, data: bytes, who: str = "patient", type: str = "text/calendar") -> Answer:
    binary = {"resourceType": "Binary", "contentType": type, "data": base64.b64encode(data).decode()}
    return await ask(house, who, "POST", "Patient/a/$import-agenda", binary)


async def entries(house: House) -> list[Tree]:
    """What is in the patient's agenda."""
    found = (await ask(house, "open", "GET", "Appointment?patient=Patient/a&_count=500")).json
    return [one["resource"] for one in found.get("entry", ())]


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_calendar_brought_again_changes_its_entries_and_doubles_none(house: House) -> None:
    data = calendar(
        event("SUMMARY:Dentiste\\, contrôle", "LOCATION:Lyon", "DESCRIPTION:à jeun\\nvenir tôt", "DURATION:PT30M"),
        event("SUMMARY:Kiné", "RRULE:FREQ=WEEKLY;COUNT=3", "DURATION:PT45M", uid="2@x"),
    )
    answer = await brought(house, data)
    assert answer.status == 200, answer.json
    told = {row["name"]: row["valueInteger"] for row in answer.json["parameter"]}
    assert told == {"imported": 4, "left": 0, "shortened": 0}
    found = await entries(house)
    assert len(found) == 4 and all(tags(one, AUTHOR) == [PATIENT] for one in found)
    [dentist] = [one for one in found if one.get("description") == "Dentiste, contrôle"]
    assert (dentist["start"], dentist["end"]) == ("2027-07-01T07:00:00+00:00", "2027-07-01T07:30:00+00:00")
    assert dentist["comment"] == "à jeun\nvenir tôt" and dentist["participant"][1]["actor"]["display"] == "Lyon"
    assert (await brought(house, data.replace(b"Lyon", b"Paris"))).status == 200
    again = await entries(house)
    assert {one["id"] for one in again} == {one["id"] for one in found}
    assert [one["participant"][1]["actor"]["display"] for one in again if len(one["participant"]) > 1] == ["Paris"]
    # No professional sees what a patient brings.
    assert (await ask(house, "doctor", "GET", f"Appointment/{dentist['id']}")).status == 404
    # What this server wrote itself comes back as what it is.
    export = await ask(house, "patient", "GET", "Patient/a/$export-agenda")
    answer = await brought(house, export.response.body)
    assert {row["name"]: row["valueInteger"] for row in answer.json["parameter"]} == {
        "imported": 0,
        "left": 4,
        "shortened": 0,
    }


async def test_a_uid_is_one_persons_and_takes_nothing_of_softwares(house: House) -> None:
    taken = an_appointment(
        identifier=[{"system": "https://fhir-server.example/NamingSystem/calendar-uid", "value": "s@x"}]
    )
    made = await ask(house, "doctor", "POST", "Appointment", taken)
    before = len(await entries(house))
    assert (await brought(house, calendar(event("DURATION:PT1H", uid="s@x")))).status == 200
    assert len(await entries(house)) == before + 1
    assert (await ask(house, "doctor", "GET", f"Appointment/{made.id}")).json["meta"]["versionId"] == "1"


#: What is brought → what is said of it; nothing of it is stored.
REFUSED: dict[str, tuple[bytes, str]] = {
    "no calendar": (b"hello", "no calendar"),
    "nothing": (b"", "no calendar"),
    "no event": (calendar(), "no event"),
    "an event alone": (event("SUMMARY:x").encode(), "no calendar"),
    "another charset": (calendar(event("SUMMARY:caf\xe9")).decode().encode("latin-1"), "UTF-8"),
    "no UID": (calendar(event().replace("UID:1@x\r\n", "")), "UID"),
    "two UIDs": (calendar(event("UID:2")), "UID"),
    "a long UID": (calendar(event(uid="x" * 201)), "UID"),
    "no start": (calendar(event().replace("DTSTART;TZID=Europe/Paris:20270701T090000\r\n", "")), "DTSTART"),
    "an unknown zone": (calendar(event(start=";TZID=Nowhere/Land:20270701T090000")), "zone"),
    "an end in an unknown zone": (calendar(event("DTEND;TZID=Nowhere/Land:20270701T100000")), "zone"),
    "an end before its start": (calendar(event("DTEND;TZID=Europe/Paris:20270701T080000")), "before"),
    "a negative duration": (calendar(event("DURATION:-PT1H")), "before"),
    "a year long gone": (calendar(event(start=":00010101T000000Z")), "centuries"),
    "a year far ahead": (calendar(event(start=":99991231T235959Z", uid="f")), "centuries"),
    "no time": (calendar(event(start=":soon")), "none of RFC 5545"),
    "a rule that never ends": (calendar(event("RRULE:FREQ=DAILY")), "never ends"),
    "billions": (calendar(event("RRULE:FREQ=SECONDLY;COUNT=999999999")), "daily"),
    "billions a day": (calendar(event("RRULE:FREQ=DAILY;COUNT=9;BYSECOND=1;BYMINUTE=1;BYHOUR=1")), "daily"),
    "many": (calendar(event("RRULE:FREQ=DAILY;COUNT=201")), "200"),
    "many until": (calendar(event("RRULE:FREQ=DAILY;UNTIL=20280701T000000Z")), "200"),
    "for ever, nearly": (calendar(event("RRULE:FREQ=YEARLY;UNTIL=99990101T000000Z")), "five years"),
    # RFC 5545 §3.3.10: a positive integer. Of none, a day that never comes would be looked for without end.
    "an interval of none": (calendar(event("RRULE:FREQ=DAILY;INTERVAL=0;COUNT=2")), "INTERVAL"),
    "no day, again and again": (
        calendar(event("RRULE:FREQ=YEARLY;INTERVAL=0;BYMONTH=2;BYMONTHDAY=30;COUNT=2")),
        "INTERVAL",
    ),
    "no frequency": (calendar(event("RRULE:COUNT=3")), "RRULE"),
    "a rule that is none": (calendar(event("RRULE:FREQ=WEEKLY;BYDAY=XX;COUNT=2")), "RFC 5545"),
    "two rules": (calendar(event("RRULE:FREQ=DAILY;COUNT=2", "RRULE:FREQ=WEEKLY;COUNT=2")), "several"),
    "all that follow": (calendar(event("RECURRENCE-ID;RANGE=THISANDFUTURE:20270701T070000Z")), "RANGE"),
    "one inside another": (calendar(*["BEGIN:VEVENT"] * 500, *["END:VEVENT"] * 500), str(DEPTH)),
    "many components": (calendar(*["BEGIN:VTODO\r\nEND:VTODO"] * 2_001), "components"),
    "many changes of a zone": (
        calendar("BEGIN:VTIMEZONE\r\nTZID:X", *["BEGIN:STANDARD\r\nEND:STANDARD"] * 501, "END:VTIMEZONE", event()),
        "500 times",
    ),
    "many events": (calendar(*[event(uid=str(n)) for n in range(MOST + 1)]), "200"),
    "a huge line": (calendar(event("SUMMARY:" + "x" * 20_001)), "line"),
    "a huge folded line": (calendar(event("SUMMARY:" + "\r\n x" * 20_001)), "line"),
    "one of many that is wrong": (calendar(*[event(uid=str(n)) for n in range(9)], event("DURATION:-PT1H")), "before"),
}


async def test_what_nobody_can_take_in_is_refused_with_the_reason_and_stores_nothing(house: House) -> None:
    before = await entries(house)
    wrong = []
    for name, (data, words) in REFUSED.items():
        used = time.process_time()
        answer = await brought(house, data)
        issue = answer.json.get("issue", [{}])[0]
        said = str(issue.get("details", {}).get("text", "")) + str(issue.get("diagnostics", ""))
        if answer.status != 422 or words not in said or time.process_time() - used > 20:
            wrong.append((name, answer.status, said))
    assert not wrong
    assert await entries(house) == before


async def test_a_calendar_is_so_large_and_a_binary_and_the_patients(house: House) -> None:
    assert (await brought(house, b"x" * (LARGEST + 100))).status == 413
    assert (await brought(house, calendar(event()), type="text/plain")).status == 400
    odd = {"resourceType": "Binary", "contentType": "text/calendar", "data": "€"}
    assert (await ask(house, "patient", "POST", "Patient/a/$import-agenda", odd)).status in (400, 422)
    for who, status in (("another patient", 404), ("doctor", 404), ("open", 404)):
        assert (await brought(house, calendar(event()), who)).status == status, who


async def test_what_is_too_long_is_shortened_and_counted(house: House) -> None:
    answer = await brought(house, calendar(event("SUMMARY:" + "é" * 101, "DESCRIPTION:" + "n" * 1001, uid="long")))
    assert answer.json["parameter"][2] == {"name": "shortened", "valueInteger": 1}
    [found] = [one for one in await entries(house) if one.get("identifier", [{}])[0].get("value") == "long"]
    assert (len(found["description"]), len(found["comment"])) == (100, 1000)


#: Lines of an event → (start, end) of its entries, in UTC.
TIMES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "winter and summer": (
        event("RRULE:FREQ=WEEKLY;COUNT=2", "DURATION:PT1H", start=";TZID=Europe/Paris:20270325T090000"),
        [("2027-03-25T08:00", "2027-03-25T09:00"), ("2027-04-01T07:00", "2027-04-01T08:00")],
    ),
    "no zone is Paris": (event(start=":20270701T090000"), [("2027-07-01T07:00", "2027-07-01T07:00")]),
    "UTC": (event("DTEND:20270701T100000Z", start=":20270701T090000Z"), [("2027-07-01T09:00", "2027-07-01T10:00")]),
    "Windows' zone": (
        event(start=";TZID=Romance Standard Time:20270101T090000"),
        [("2027-01-01T08:00", "2027-01-01T08:00")],
    ),
    "a long name": (
        event(start=";TZID=/mozilla.org/20050126_1/Europe/Paris:20270101T090000"),
        [("2027-01-01T08:00", "2027-01-01T08:00")],
    ),
    "a day": (event(start=";VALUE=DATE:20270328"), [("2027-03-27T23:00", "2027-03-28T22:00")]),
    "days": (
        event("DTEND;VALUE=DATE:20270703", start=";VALUE=DATE:20270701"),
        [("2027-06-30T22:00", "2027-07-02T22:00")],
    ),
    "left out and added": (
        event(
            "RRULE:FREQ=DAILY;UNTIL=20270703T235959Z",
            "EXDATE;TZID=Europe/Paris:20270702T090000",
            "RDATE;TZID=Europe/Paris:20270710T090000",
        ),
        [(f"2027-07-{day}T07:00", f"2027-07-{day}T07:00") for day in ("01", "03", "10")],
    ),
    "one moved": (
        event("RRULE:FREQ=DAILY;COUNT=2", uid="m")
        + "\r\n"
        + event("RECURRENCE-ID;TZID=Europe/Paris:20270702T090000", uid="m", start=":20270702T150000Z"),
        [("2027-07-01T07:00", "2027-07-01T07:00"), ("2027-07-02T15:00", "2027-07-02T15:00")],
    ),
    "the later of two": (
        event("SEQUENCE:2", start=":20270701T090000Z") + "\r\n" + event("SEQUENCE:1", start=":20270801T090000Z"),
        [("2027-07-01T09:00", "2027-07-01T09:00")],
    ),
    "an impossible date": (
        event("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=2"),
        [("2027-07-01T07:00", "2027-07-01T07:00")],
    ),
}


@pytest.mark.parametrize("name", TIMES)
async def test_when_it_is(name: str) -> None:
    lines, expected = TIMES[name]
    found = [(f"{one.start:%Y-%m-%dT%H:%M}", f"{one.end:%Y-%m-%dT%H:%M}") for one in read(calendar(lines))]
    assert sorted(found) == expected


async def test_a_zone_of_the_files_own_is_read() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Cabinet\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0400\r\n"
        "TZOFFSETTO:+0400\r\nTZNAME:RET\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )
    [one] = read(calendar(zone, event(start=";TZID=Cabinet:20270701T090000")))
    assert one.start == datetime(2027, 7, 1, 5, tzinfo=UTC)


def zoned(name: str, offset: str = "") -> bytes:
    """A calendar of one event at nine by the clock of a zone, which the file says by its offset, or not at all."""
    lines = f"DTSTART:16010101T000000\r\nTZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}"
    zone = f"BEGIN:VTIMEZONE\r\nTZID:{name}\r\nBEGIN:STANDARD\r\n{lines}\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    return calendar(*([zone] if offset else []), event(start=f";TZID={name}:20270101T090000"))


def hour(data: bytes) -> str:
    try:
        [one] = read(data)
    except Unreadable:
        return "refused"
    return f"{one.start:%H:%M}"


#: Names that calendar programs give zones → the hour in UTC where the file does not say which zone that is.
NAMED: dict[str, str] = {
    "Romance Standard Time": "08:00",
    "/softwarestudio.org/Tzfile/Europe/Paris": "08:00",
    "Customized Time Zone": "refused",
    "Heure de Paris": "refused",
    "Cabinet": "refused",
}


@pytest.mark.parametrize("name", NAMED)
async def test_what_one_file_says_of_a_zone_changes_no_hour_of_another(name: str) -> None:
    """§3.2.19: a TZID is a name of its own file, and whoever brings one before says nothing of others' appointments."""
    assert hour(zoned(name, "+0900")) == "00:00"
    assert hour(zoned(name)) == NAMED[name]
    assert hour(zoned(name, "+0100")) == "08:00"
    assert hour(zoned(name, "-0300")) == "12:00"
