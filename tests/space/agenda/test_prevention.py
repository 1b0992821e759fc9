"""`$prevention` and `$prevention-mark`: dated data by age, answers, refusals, and who is told. https://hl7.org/fhir/R4/operations.html

Decree of 24 May 2024 (CSP R1111-27): the reason is shown with each, and one refuses at any time without a reason.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.agenda.prevention import calendar
from fhir_server.space.agenda.prevention.calendar import Age
from tests.server.people import kept
from tests.space.agenda.world import CALLERS, ask
from tests.space.messages.exchange import a_patient
from tests.space.record.callers import Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = date(2026, 11, 30)


def all_of(born: str, gender: str = "female", **more: Any) -> dict[str, list[str]]:
    """Code → the days on which each of it begins, in a whole life."""
    found: dict[str, list[str]] = {}
    for one in calendar.of({"birthDate": born, "gender": gender, **more}, NOW):
        found.setdefault(one.item.code, []).append(one.start.isoformat())
    return found


async def test_the_data_say_from_when_they_hold_where_they_are_from_and_why() -> None:
    for one in calendar.calendars():
        codes = [item.code for item in one.items]
        assert len(codes) == len(set(codes))
        for item in one.items:
            assert all(item.title) and all(item.reason) and one.sources[item.source], item.code
            assert all(window.low.after(NOW) < window.high.after(NOW) for window in item.windows), item.code
        assert {item.source for item in one.items} == one.sources.keys()


async def test_a_child_has_twenty_examinations_three_of_them_with_a_certificate() -> None:
    """Thirteen before three, three at three, four and five, four from six on: since 1 January 2025."""
    items = [one for one in calendar.calendar(NOW).items if one.kind == "examination"]
    ages = [one.windows[0].low.after(NOW) for one in items]
    assert len(items) == 20
    assert sum(one < Age(years=3).after(NOW) for one in ages) == 13
    assert sum(one >= Age(years=6).after(NOW) for one in ages) == 4
    assert {one.code: one.certificate for one in items if one.certificate} == {
        "exam-j8": 1,
        "exam-m8": 2,
        "exam-m23": 3,
    }
    dental = [one for one in calendar.calendar(NOW).items if one.kind == "dental"]
    assert [one.windows[0].low.years for one in dental] == [3, 6, 9, 12, 15, 18, 21, 24]


#: A vaccination of grown people → at which ages it begins: edition 2025 of the calendar, as of 23 December 2025.
GROWN: dict[str, list[int]] = {
    "vac-hpv-15": [15],
    "vac-menacwy-15": [15],
    "vac-booster-25": [25],
    "vac-booster-45": [45],
    "vac-booster-65": [65, 75, 85, 95, 105],
    "vac-influenza-65": [*range(65, 115)],
    "vac-pneumococcus-65": [65],
    "vac-zoster-65": [65],
    "vac-rsv-75": [75],
}


async def test_vaccinations_go_on_through_life() -> None:
    for gender in ("female", "male"):
        found = all_of("1950-05-02", gender)
        assert {code: [int(day[:4]) - 1950 for day in found[code]] for code in GROWN} == GROWN
    sources = calendar.calendar(NOW).sources
    for code in ("vac-mmr", *GROWN):
        [item] = [one for one in calendar.calendar(NOW).items if one.code == code]
        assert "édition 2025" in sources[item.source] or item.source == "meningococcus", code


async def test_what_is_due_hangs_on_birth_and_sex_alone() -> None:
    woman, man = all_of("1972-02-29"), all_of("1972-02-29", "male")
    assert woman["screening-breast"][:2] == ["2022-02-28", "2024-02-28"] and len(woman["screening-breast"]) == 13
    assert {one for one in woman if one not in man} == {
        "screening-breast",
        "screening-cervix-25",
        "screening-cervix-30",
    }
    assert all_of("1972-02-29", "other").keys() == woman.keys()
    child = all_of("2026-08-31")
    assert child["exam-m6"] == ["2027-02-28"] and child["vac-menb"] == ["2026-11-30", "2027-01-31", "2027-08-31"]
    assert "vac-menb" not in all_of("2023-06-30") and "vac-menb" in all_of("2023-07-01")
    assert all_of("1972") and all_of("1972-05")
    for nothing in ({"deceasedBoolean": True}, {"deceasedDateTime": "2020"}):
        assert all_of("1972-02-29", **nothing) == {}
    assert [*calendar.of({}, NOW)] == []


def parts(answer: Any) -> list[Tree]:
    rows = answer.json.get("parameter", ())
    return [{one["name"]: next(v for k, v in one.items() if k != "name") for one in row["part"]} for row in rows]


def said(**values: Any) -> Tree:
    keys = {
        "code": "valueCode",
        "start": "valueDate",
        "status": "valueCode",
        "executed": "valueDate",
        "refused": "valueBoolean",
    }
    rows = [{"name": name, keys[name]: value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": rows}


async def a_baby(house: House, id: str, days: int = 70) -> date:
    born = datetime.now(UTC).date() - timedelta(days=days)
    await kept(house, a_patient(id, born.isoformat()))
    return born


#: Who asks → how reading is answered, and saying something, of patient a.
ANSWERS = {"patient": 200, "referenced app": 200, "open": 200, "operator": 200, "another patient": 404}


async def test_prevention_is_the_patients_alone(house: House) -> None:
    for who, grant in CALLERS.items():
        read = await Caller(house, grant)("GET", "Patient/a/$prevention")
        told = await Caller(house, grant)("POST", "Patient/a/$prevention-mark", said(code="dental-3", refused=True))
        expected = {ANSWERS.get(who, 403)} if who in ANSWERS else {403, 404}
        assert {read.status, told.status} <= expected, (who, read.status, told.status)


async def test_what_is_said_of_an_item_is_shown_and_taken_back(house: House) -> None:
    born = await a_baby(house, "a")
    found = {one["code"]: one for one in parts(await ask(house, "patient", "GET", "Patient/a/$prevention"))}
    assert (found["exam-j8"]["status"], found["exam-j8"]["certificate"]) == ("NOT_SPECIFIED", 1)
    assert (found["exam-m2"]["status"], found["exam-m2"]["requirement"]) == ("TO_PLAN", "mandatory")
    assert all(one["reason"] and one["source"] for one in found.values())
    start, url = found["exam-j8"]["start"], "Patient/a/$prevention-mark"
    assert start == born.isoformat()
    [one] = parts(
        await ask(house, "patient", "POST", url, said(code="exam-j8", start=start, status="DONE", executed=start))
    )
    assert (one["status"], one["executed"]) == ("DONE", start)
    await ask(house, "patient", "POST", url, said(code="exam-j8", refused=True))
    [one] = [
        one for one in parts(await ask(house, "patient", "GET", "Patient/a/$prevention")) if one["code"] == "exam-j8"
    ]
    assert (one["status"], one["refused"]) == ("DONE", True)
    [one] = parts(
        await ask(house, "patient", "POST", url, said(code="exam-j8", start=start, status="NOT_DONE", refused=False))
    )
    assert (one["status"], one["refused"]) == ("NOT_DONE", False) and "executed" not in one
    narrow = parts(await ask(house, "patient", "GET", f"Patient/a/$prevention?from={start}&to={start}"))
    assert [one["code"] for one in narrow] == ["exam-j8"]


#: What is wrong with what is said.
WRONG: dict[str, Tree] = {
    "nothing": said(code="exam-m2"),
    "no such item": said(code="absent", refused=True),
    "of another age": said(code="screening-breast-x", start="2030-01-01", status="DONE"),
    "another day": said(code="exam-m2", start="2026-01-01", status="DONE"),
    "no day": said(code="exam-m2", status="DONE"),
    "no date": said(code="exam-m2", start="tomorrow", status="DONE"),
    "no status": said(code="exam-j8", start="", status="PERHAPS"),
    "to come": said(code="exam-j8", status="DONE", executed="2199-01-01"),
    "before birth": said(code="exam-j8", status="DONE", executed="1900-01-01"),
    "executed and not done": said(code="exam-j8", status="NOT_DONE", executed="2026-11-01"),
}


async def test_what_is_said_wrongly_is_refused_and_changes_nothing(house: House) -> None:
    await a_baby(house, "a")
    before = parts(await ask(house, "patient", "GET", "Patient/a/$prevention"))
    for name, body in WRONG.items():
        answer = await ask(house, "patient", "POST", "Patient/a/$prevention-mark", body)
        assert answer.status == 400, (name, answer.status)
    for query in ("from=2026", "to=x", "from=2026-02-30", "when=now"):
        assert (await ask(house, "patient", "GET", f"Patient/a/$prevention?{query}")).status == 400, query
    assert parts(await ask(house, "patient", "GET", "Patient/a/$prevention")) == before


async def test_whose_age_begins_something_are_told_once_unless_they_refused(house: House) -> None:
    [job] = [one for one in house.services.jobs() if one.name == "agenda-prevention"]
    day = datetime(2027, 6, 15, 9, tzinfo=UTC)
    await job.run(day - timedelta(days=1))
    ids = {
        "child": "2025-06-14",
        "two": "2024-05-15",
        "fifty": "1977-06-15",
        "refuses": "1977-06-15",
        "dead": "1977-06-15",
    }
    more = {"dead": {"deceasedBoolean": True}}
    await kept(house, *({**a_patient(id, born), "gender": "male", **more.get(id, {})} for id, born in ids.items()))
    await house.services.records.put("agenda-prevention", "refuses", b'{"refused":["screening-colorectal"]}')
    told = await job.run(day)
    notices = house.services.service("notices")
    who = {id for id in ids if await notices.told(f"prevention {id}/2027-06-15")}
    assert (told, who) == (len(who), {"fifty"}), "a child's two-year window began another day"
    assert await job.run(day) == 0
    # A server that was down makes up for a few days, once.
    await house.services.records.put("agenda-prevention-told", "day", b"2027-06-10")
    assert await job.run(day) == 0
