"""Calendars that programs subscribe to: RFC 5545, RFC 7986, RFC 9110 §13.1.2, guide GAP 3.0.0 (mapping), domain §2.8."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest
import recurring_ical_events
import vobject

from fhir_server.access.grant import Grant
from fhir_server.app import House
from fhir_server.smart.secret import digest
from fhir_server.space.agenda.calendar.addresses import ADDRESSES
from fhir_server.space.agenda.calendar.events import NEUTRAL
from fhir_server.store.protocol import Keep
from tests.server.people import a_person, kept
from tests.space.agenda.world import CALLERS, an_appointment, ask
from tests.space.messages.exchange import a_patient, person
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")
PARIS = ZoneInfo("Europe/Paris")
NOW = datetime.now(UTC).astimezone(PARIS)


def parameters(**given: Any) -> Tree:
    kinds = {bool: "valueBoolean", int: "valueInteger", str: "valueCode"}
    rows = [(name, one) for name, said in given.items() for one in (said if isinstance(said, list) else [said])]
    return {"resourceType": "Parameters", "parameter": [{"name": n, kinds[type(v)]: v} for n, v in rows]}


async def chosen(house: House, who: str = "patient", patient: str = "a", **given: Any) -> dict[str, Any]:
    """What `$calendar-address` answers, by name."""
    answer = await ask(house, who, "POST", f"Patient/{patient}/$calendar-address", parameters(**given))
    assert answer.status == 200, answer.json
    return {row["name"]: next(v for k, v in row.items() if k != "name") for row in answer.json.get("parameter", ())}


async def subscribed(house: House, **given: Any) -> str:
    """The path of a new address."""
    return str((await chosen(house, **given))["url"]).removeprefix("http://127.0.0.1")


def events(answer: httpx.Response) -> dict[str, icalendar.Event]:
    """Events by the id of their appointment."""
    found = icalendar.Calendar.from_ical(answer.content)
    return {str(one["UID"]).partition("@")[0]: one for one in found.walk("VEVENT")}  # type: ignore[union-attr]


def at(days: int, hour: int = 9) -> dict[str, str]:
    start = datetime(NOW.year, NOW.month, NOW.day, hour, tzinfo=PARIS) + timedelta(days=days)
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=20)).isoformat()}


async def booked(house: House, days: int = 10, who: str = "doctor", **more: Any) -> str:
    made = await ask(house, who, "POST", "Appointment", an_appointment(**at(days), **more))
    assert made.status == 201, made.json
    return str(made.id)


#: What an appointment says of somebody's health.
TELLING: Tree = {
    "description": "Coloscopie; de contrôle, \\ à jeun",
    "comment": "Apporter\nles résultats",
    "priority": 3,
    "created": "2026-11-01T10:00:00+01:00",
    "serviceType": [{"text": "Gastro-entérologie"}],
    "participant": [
        {"actor": {"reference": "Patient/a", "display": "Anna EXEMPLE"}, "status": "accepted"},
        {"actor": {"reference": "Practitioner/doctor", "display": "Dr Roux"}, "status": "accepted"},
        {"actor": {"display": "Clinique des Tilleuls", "type": "Location"}, "status": "accepted"},
    ],
}


async def test_a_calendar_tells_when_and_nothing_else_unless_the_person_says_so(
    house: House, web: httpx.AsyncClient
) -> None:
    id = await booked(house, **TELLING)
    path = await subscribed(house)
    answer = await web.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "private" in answer.headers["cache-control"] and "set-cookie" not in answer.headers
    event = events(answer)[id]
    assert str(event["SUMMARY"]) == NEUTRAL and str(event["CLASS"]) == "PRIVATE"
    for word in ("Colo", "Apporter", "Roux", "Tilleuls", "Gastro", "EXEMPLE", "LOCATION", "DESCRIPTION"):
        assert word not in answer.text.replace("\r\n ", "")
    assert event["DTSTART"].dt == datetime.fromisoformat(at(10)["start"]) and event["SEQUENCE"] == 0
    await chosen(house, action="change", content=True, alarm=[60, 1440])
    again = await web.get(path)
    assert again.headers["etag"] != answer.headers["etag"]
    event = events(again)[id]
    assert str(event["SUMMARY"]) == TELLING["description"]
    assert str(event["LOCATION"]) == "Clinique des Tilleuls"
    assert str(event["DESCRIPTION"]) == "Avec : Dr Roux\nApporter\nles résultats"
    assert (event["PRIORITY"], event["CREATED"].dt) == (3, datetime(2026, 11, 1, 9, tzinfo=UTC))
    triggers = [alarm["TRIGGER"].dt for alarm in event.walk("VALARM")]
    assert triggers == [timedelta(minutes=-60), timedelta(minutes=-1440)]
    # RFC 5545 §3.1: lines of 75 octets at most, ended by CRLF.
    assert all(len(line) <= 75 and b"\n" not in line for line in again.content.split(b"\r\n"))


async def test_two_clients_read_the_same_of_it(house: House, web: httpx.AsyncClient) -> None:
    """vobject as of many desktop programs; recurring-ical-events, which reads VTIMEZONE and asks what is on a day."""
    id = await booked(house, days=30, **TELLING)
    answer = await web.get(await subscribed(house, content=True, alarm=30))
    read = {str(one.uid.value).partition("@")[0]: one for one in vobject.readOne(answer.text).vevent_list}
    assert read[id].summary.value == TELLING["description"]
    assert read[id].dtstart.value.astimezone(UTC) == datetime.fromisoformat(at(30)["start"]).astimezone(UTC)
    assert read[id].valarm.trigger.value == timedelta(minutes=-30)
    day = datetime.fromisoformat(at(30)["start"])
    found = recurring_ical_events.of(icalendar.Calendar.from_ical(answer.content)).at(day.date())
    assert id in {str(one["UID"]).partition("@")[0] for one in found}
    calendar = icalendar.Calendar.from_ical(answer.content)
    # RFC 7986 §5.1, §5.7, §5.9.
    assert (str(calendar["NAME"]), str(calendar["COLOR"])) == ("Mon agenda de santé", "teal")  # type: ignore[call-overload]
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H" in answer.content


async def test_the_zone_has_summer_and_winter_as_paris_has_them(house: House, web: httpx.AsyncClient) -> None:
    """By what the file itself says of the zone (RFC 5545 §3.6.5), a minute before and after each change of 20 years."""
    answer = await web.get(await subscribed(house))
    [zone] = icalendar.Calendar.from_ical(answer.content).walk("VTIMEZONE")  # type: ignore[union-attr]
    said = vobject.readOne(answer.text).vtimezone.tzinfo
    assert {one.name for one in zone.subcomponents} == {"STANDARD", "DAYLIGHT"}
    for year in range(2016, 2038):
        for month, day in ((1, 15), (3, 24), (4, 1), (7, 14), (10, 24), (11, 2)):
            local = datetime(year, month, day, 9)  # noqa: DTZ001
            assert said.utcoffset(local) == local.replace(tzinfo=PARIS).utcoffset(), local
        for month, hours in ((3, (1, 3)), (10, (1, 4))):
            last = max(d for d in range(25, 32) if date(year, month, d).weekday() == 6)
            for hour in hours:
                local = datetime(year, month, last, hour)  # noqa: DTZ001
                assert said.utcoffset(local) == local.replace(tzinfo=PARIS).utcoffset(), local


async def test_the_hour_that_comes_twice_is_told_apart() -> None:
    """RFC 5545 §3.3.5: a local time that occurs twice is the first; the second is written in UTC."""
    from fhir_server.space.agenda.calendar.addresses import Shown
    from fhir_server.space.agenda.calendar.events import written

    for start, said in (
        ("2027-10-31T02:30:00+02:00", b"DTSTART;TZID=Europe/Paris:20271031T023000"),
        ("2027-10-31T02:30:00+01:00", b"DTSTART:20271031T013000Z"),
        ("2027-03-28T01:59:59Z", b"DTSTART;TZID=Europe/Paris:20270328T035959"),
        ("2027-03-28T00:59:59Z", b"DTSTART;TZID=Europe/Paris:20270328T015959"),
    ):
        body = json.dumps({"resourceType": "Appointment", "status": "booked", "start": start}).encode()
        assert said in written(body, 0, 1, "x", Shown()).split(b"\r\n")


async def test_no_text_makes_a_line_of_its_own() -> None:
    from fhir_server.space.agenda.calendar.addresses import Shown
    from fhir_server.space.agenda.calendar.events import written

    for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1e", "\x85", "\u2028", "\u2029", "\x00", ";", ",", ":", '"'):
        said = f"a{end}BEGIN:VALARM{end}ATTACH:file:///etc"
        tree = {"resourceType": "Appointment", "status": "booked", "start": "2027-01-01T09:00:00Z"}
        body = json.dumps(tree | {"description": said, "comment": said, "created": "2026-01-01T23:59:60Z"}).encode()
        text = written(body, 0, 1, "x", Shown(content=True)).decode()
        assert not [line for line in text.splitlines() if line.startswith(("BEGIN:VALARM", "ATTACH"))], repr(end)


#: Status → STATUS (domain file §2), whether there is an alarm.
STATUSES = {
    "proposed": "TENTATIVE",
    "pending": "TENTATIVE",
    "waitlist": "TENTATIVE",
    "booked": "CONFIRMED",
    "arrived": "CONFIRMED",
    "checked-in": "CONFIRMED",
    "fulfilled": "CONFIRMED",
    "noshow": "CANCELLED",
    "entered-in-error": "CANCELLED",
    "cancelled": "CANCELLED",
}


async def test_a_status_is_told_as_calendars_have_it(house: House, web: httpx.AsyncClient) -> None:
    made = {status: await booked(house, days=40, status=status) for status in STATUSES if status != "cancelled"}
    made["cancelled"] = await booked(house, days=40, status="cancelled", cancelationReason={"text": "x"})
    found = events(await web.get(await subscribed(house, alarm=10)))
    assert {status: str(found[id]["STATUS"]) for status, id in made.items()} == STATUSES
    for status, id in made.items():
        assert bool(found[id].walk("VALARM")) == (STATUSES[status] != "CANCELLED")


async def test_unchanged_is_304_and_a_change_moves_the_event(house: House, web: httpx.AsyncClient) -> None:
    id = await booked(house, days=12)
    path = await subscribed(house)
    first = await web.get(path)
    tag = first.headers["etag"]
    for had in (tag, f'"x", {tag}', "*", f"W/{tag}"):
        answer = await web.get(path, headers={"If-None-Match": had})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await web.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
    head = await web.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert (await web.get(path)).content == first.content
    tree = (await ask(house, "doctor", "GET", f"Appointment/{id}")).json
    moved = await ask(house, "doctor", "PUT", f"Appointment/{id}", tree | at(13))
    assert moved.status == 200, moved.json
    answer = await web.get(path, headers={"If-None-Match": tag})
    event = events(answer)[id]
    assert (event["DTSTART"].dt, event["SEQUENCE"]) == (datetime.fromisoformat(at(13)["start"]), 1)
    tag = answer.headers["etag"]
    assert (await ask(house, "doctor", "DELETE", f"Appointment/{id}")).status in (200, 204)
    answer = await web.get(path, headers={"If-None-Match": tag})
    assert answer.status_code == 200 and id not in events(answer)


async def test_the_reminders_that_a_person_chose_are_alarms(house: House, web: httpx.AsyncClient) -> None:
    id = await booked(house, days=14)
    path = await subscribed(house, alarm=60)
    tag = (await web.get(path)).headers["etag"]
    before = {"value": 1, "system": "http://unitsofmeasure.org", "code": "d"}
    asked = {"resourceType": "Parameters", "parameter": [{"name": "before", "valueDuration": before}]}
    assert (await ask(house, "patient", "POST", f"Appointment/{id}/$remind", asked)).status == 200
    found = await web.get(path, headers={"If-None-Match": tag})
    assert found.status_code == 200
    triggers = [one["TRIGGER"].dt for one in events(found)[id].walk("VALARM")]
    assert triggers == [timedelta(minutes=-60), timedelta(days=-1)]


async def test_what_is_long_past_far_ahead_of_others_or_long_cancelled_is_not_in_it(
    house: House, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [await booked(house, days=days) for days in (-85, 500)]
    outside = [await booked(house, days=days) for days in (-130, 600)]
    others = await booked(house, days=5, who="doctor", participant=[
        {"actor": {"reference": "Patient/b"}, "status": "accepted"},
        {"actor": {"reference": "Practitioner/doctor"}, "status": "accepted"},
    ])  # fmt: skip
    cancelled = await booked(house, days=60, status="cancelled")
    path = await subscribed(house)
    found = events(await web.get(path))
    assert set(inside) <= found.keys() and cancelled in found
    assert not {*outside, others} & found.keys()
    from fhir_server.space.agenda.calendar import feed

    monkeypatch.setattr(feed, "CANCELLED_DAYS", -2)
    assert cancelled not in events(await web.get(path))


async def test_an_address_that_leads_nowhere_is_always_answered_alike(house: House, web: httpx.AsyncClient) -> None:
    """Never made, replaced, revoked, closed account, closed record, somebody who acts for the patient no more."""
    unknown = await web.get("/calendar/" + "x" * 43 + ".ics")
    assert unknown.status_code == 404

    async def gone(path: str) -> None:
        for headers in ({}, {"If-None-Match": "*"}):
            answer = await web.get(path, headers=headers)
            alike = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
            assert (answer.status_code, answer.content) == (404, unknown.content)
            assert alike == {k: v for k, v in unknown.headers.items() if k != "x-request-id"}

    first = await subscribed(house)
    second = await subscribed(house)
    await gone(first)
    assert (await web.get(second)).status_code == 200
    await chosen(house, action="revoke")
    await gone(second)
    again = await ask(house, "patient", "POST", "Patient/a/$calendar-address", parameters(action="revoke"))
    assert again.status == 404
    await kept(house, a_patient("closing", "1980-01-01"))
    account = await a_person(house, "closing", "C", "Patient/closing")
    caller = Caller(house, replace(CALLERS["patient"], subject="Patient/closing", patient="closing"))
    made = await caller("POST", "Patient/closing/$calendar-address", parameters())
    path = next(r["valueUrl"] for r in made.json["parameter"] if r["name"] == "url").removeprefix("http://127.0.0.1")
    assert (await web.get(path)).status_code == 200
    await house.authorization.accounts.close(account.id)
    await gone(path)
    await house.authorization.accounts.reopen(account.id)
    assert (await web.get(path)).status_code == 200
    await kept(house, a_patient("closing", "1980-01-01") | {"active": False})
    await gone(path)


async def test_who_may_make_an_address(house: House) -> None:
    """The person, for themself and whom they act for; no professional, no administrator, no app of the catalogue."""
    expected = {
        "patient": 200,
        "referenced app": 403,
        "another patient": 404,
        "doctor": 404,
        "operator": 404,
        "open": 404,
    }
    for who, status in expected.items():
        answer = await ask(house, who, "POST", "Patient/a/$calendar-address", parameters())
        assert answer.status == status, (who, answer.json)
    read_only = Grant((person("patient", None).scopes[0],), subject="Patient/a", client="x", patient="b")
    assert (await Caller(house, read_only)("POST", "Patient/a/$calendar-address", parameters())).status == 404
    assert (await ask(house, "patient", "GET", "Patient/a/$calendar-address")).status == 405


#: What is asked → the status.
ODD: tuple[tuple[Tree, int], ...] = (
    (parameters(action="burn"), 400),
    (parameters(alarm=-1), 400),
    (parameters(alarm=40_321), 400),
    (parameters(alarm=[1, 2, 3, 4]), 400),
    (parameters(content="maybe"), 400),
    (parameters(unknown=1), 400),
    (parameters(action="change", alarm=[0, 40_320]), 200),
)


async def test_what_cannot_be_chosen_is_refused_with_the_reason(house: House) -> None:
    await subscribed(house)
    for asked, status in ODD:
        answer = await ask(house, "patient", "POST", "Patient/a/$calendar-address", asked)
        assert answer.status == status, (asked, answer.json)
    # The secret is told once.
    assert "url" not in await chosen(house, action="show")


async def test_an_export_is_the_same_file_once(house: House, web: httpx.AsyncClient) -> None:
    id = await booked(house, days=3, **TELLING)
    answer = await ask(house, "patient", "GET", "Patient/a/$export-agenda")
    assert (answer.status, answer.response.media_type) == (200, "text/calendar; charset=utf-8")
    whole = icalendar.Calendar.from_ical(answer.response.body)
    assert TELLING["description"] in {str(one["SUMMARY"]) for one in whole.walk("VEVENT")}  # type: ignore[union-attr]
    subscribed_body = await web.get(await subscribed(house, content=True))
    assert subscribed_body.content == answer.response.body and id in events(subscribed_body)
    assert (await ask(house, "another patient", "GET", "Patient/a/$export-agenda")).status == 404


async def test_the_secret_is_nowhere_but_with_who_has_it(
    house: House, web: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records, traces and logs: its digest at most."""
    caplog.set_level(logging.DEBUG)
    path = await subscribed(house)
    secret = path.removeprefix("/calendar/").removesuffix(".ics")
    await web.get(path)
    await web.get(path, headers={"If-None-Match": "*"})
    rows = await house.engine.records.list(ADDRESSES)
    assert digest(secret) in {key for key, _ in rows}
    # `httpx` is the calendar program's own here.
    lines = [line for line in caplog.text.splitlines() if "httpx:" not in line]
    assert secret not in repr(rows) + repr(lines) + "".join(capsys.readouterr())
    traces = (await ask(house, "open", "GET", "AuditEvent?_count=200&_sort=-_lastUpdated")).json
    found = json.dumps(traces)
    # The calendar that was given is traced, as a search that the person asked for.
    assert secret not in found and digest(secret) not in found
    assert any("$export-agenda" in json.dumps(one) or "Patient/a" in json.dumps(one) for one in traces["entry"])


async def test_one_address_is_answered_so_often_in_a_minute(house: House, web: httpx.AsyncClient) -> None:
    from fhir_server.space.agenda.calendar.rows import OFTEN

    path = await subscribed(house)
    found = [await web.get(path, headers={"If-None-Match": "*"}) for _ in range(OFTEN + 1)]
    assert [one.status_code for one in found] == [304] * OFTEN + [429]
    assert found[-1].headers["retry-after"] == "60"


async def test_what_was_kept_under_a_digest_alone_leads_on(house: House, web: httpx.AsyncClient) -> None:
    """An address whose second record is gone can still be ended by making another."""
    path = await subscribed(house)
    [(held, value)] = [one for one in await house.engine.records.list("calendar-address-of") if "Patient/a" in one[0]]
    assert await house.engine.records.apply([Keep("calendar-address-of", held, b"lost", old=value)])
    assert (await web.get(path)).status_code == 200
    assert (await web.get(await subscribed(house))).status_code == 200
