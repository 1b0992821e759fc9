"""Asking that something be put right, and the answer. RGPD art. 12.3 and 12.4 (one month, two more; why), art. 16.

https://fhir-server.example/OperationDefinition/Patient-rectify, Patient-rectifications, Patient-rectification-answer
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.app import House
from fhir_server.fhir.nos import CAREGIVER, ROLE_CLASS
from fhir_server.fhir.outcome import Invalid
from fhir_server.space.identities.rectifying.acting import Act, moved
from fhir_server.space.identities.rectifying.request import EVENTS, STATES, Request, from_basic, to_basic
from tests.access.test_rules import ask, seen
from tests.server.people import kept
from tests.space.identities.people import DEMO, DOCTOR, OPERATOR, PUBLISHED, STAFF, VERIFIER, call, holder, ins
from tests.space.identities.records import merges, refers, row, undone

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
ONE = Request("r", "s", "traits", "My birth date", NOW, "Patient/s", "asked", NOW)

#: State → event → role → the state that follows. What is not here is refused.
TABLE = {
    "asked": {
        "extend": {"operator": "extended"},
        "accept": {"operator": "accepted"},
        "refuse": {"operator": "refused"},
        "withdraw": {"holder": "withdrawn"},
    },
    "extended": {
        "accept": {"operator": "accepted"},
        "refuse": {"operator": "refused"},
        "withdraw": {"holder": "withdrawn"},
    },
    "accepted": {},
    "refused": {},
    "withdrawn": {},
}


@pytest.mark.parametrize("state", STATES)
def test_what_may_happen_in_each_state_by_whom_and_nothing_else(state: Any) -> None:
    happened: dict[str, dict[str, str]] = {}
    for event in EVENTS:
        for role in ("holder", "operator"):
            try:
                after = moved(replace(ONE, state=state), Act(event, role, NOW, "because"))  # type: ignore[arg-type]
            except Invalid:
                continue
            happened.setdefault(event, {})[role] = after.state
    assert happened == TABLE[state]


@pytest.mark.parametrize(
    ("state", "day", "late"),
    [
        # A month after 31 January is the last day of February.
        ("asked", "2026-02-28", False),
        ("asked", "2026-03-01", True),
        ("extended", "2026-04-30", False),
        ("extended", "2026-05-01", True),
        ("accepted", "2030-01-01", False),
        ("withdrawn", "2030-01-01", False),
    ],
)
def test_until_when_an_answer_is_owed(state: Any, day: str, late: bool) -> None:
    assert replace(ONE, state=state).late(datetime.fromisoformat(f"{day}T09:00:00+00:00")) is late


def test_more_time_is_taken_within_the_first_month_and_once() -> None:
    with pytest.raises(Invalid):
        moved(ONE, Act("extend", "operator", NOW + timedelta(days=29), "complex"))
    assert moved(ONE, Act("extend", "operator", NOW + timedelta(days=20), "complex")).state == "extended"


def test_a_request_is_read_as_it_was_written() -> None:
    full = replace(ONE, document="DocumentReference/d", answer="done", answerer="Person/s", state="accepted")
    for one in (ONE, full):
        assert from_basic(to_basic(one)) == one


async def asks(
    house: House, caller: Grant, patient: str = "s", about: str = "traits", words: str = "Wrong", *more: Any
) -> Any:
    said = [{"name": "about", "valueCode": about}, {"name": "words", "valueString": words}, *more]
    answer = await call(house, caller, f"Patient/{patient}/$rectify", *said)
    return answer if isinstance(answer, int) else parts(answer)[0]


def parts(answer: Any) -> list[dict[str, Any]]:
    return [
        {part["name"]: next(value for name, value in part.items() if name != "name") for part in one["part"]}
        for one in answer.get("parameter", ())
    ]


async def answers(house: House, caller: Grant, id: str, event: str, words: str = "", patient: str = "s") -> Any:
    said = [{"name": "request", "valueId": id}, {"name": "event", "valueCode": event}]
    said += [{"name": "answer", "valueString": words}] if words else []
    answer = await call(house, caller, f"Patient/{patient}/$rectification-answer", *said)
    return answer if isinstance(answer, int) else parts(answer)[0]["state"]


async def test_a_request_is_made_answered_and_told(house: House) -> None:
    one = await asks(house, holder("s"), "s", "document", "Not mine", row("document", "DocumentReference/plain"))
    assert (one["state"], one["late"], one["document"]) == ("asked", False, {"reference": "DocumentReference/plain"})
    waiting = parts(await call(house, STAFF, "Patient/$rectifications", method="GET"))
    assert [row["id"] for row in waiting] == [one["id"]]
    # An answer says why.
    assert await answers(house, STAFF, one["id"], "refuse") == 422
    assert await answers(house, STAFF, one["id"], "extend", "It takes longer") == "extended"
    assert await answers(house, STAFF, one["id"], "accept", "Moved to whom it is about") == "accepted"
    assert await answers(house, STAFF, one["id"], "refuse", "No") == 422
    assert await call(house, STAFF, "Patient/$rectifications", method="GET") == {"resourceType": "Parameters"}
    [mine] = parts(await call(house, holder("s"), "Patient/s/$rectifications", method="GET"))
    assert (mine["state"], mine["answer"]) == ("accepted", "Moved to whom it is about")
    # Each version is a step, which the person reads.
    history = await ask(house, holder("s"), "GET", f"Basic/{one['id']}/_history")
    assert len(history["entry"]) == 3
    for caller in (DOCTOR, holder("t"), VERIFIER):
        assert await seen(house, caller, f"Basic/{one['id']}") in (403, 404)
    for caller in (OPERATOR, holder("s")):
        assert await ask(house, caller, "DELETE", f"Basic/{one['id']}") == 403


@pytest.mark.parametrize(
    ("caller", "asked", "read", "all"),
    [
        (holder("s"), 200, 200, 403),
        (holder("t"), 404, 404, 403),
        (DOCTOR, 403, 403, 403),
        (VERIFIER, 404, 404, 403),
        (OPERATOR, 403, 200, 200),
        (STAFF, 404, 200, 200),
        (PUBLISHED, 404, 404, 403),
        (replace(holder("s"), referenced=True), 403, 200, 403),
        # An app that an administrator signs in to is not the operator.
        (replace(STAFF, referenced=True), 404, 404, 403),
    ],
)
async def test_who_asks_and_who_reads_what_was_asked(
    house: House, caller: Grant, asked: int, read: int, all: int
) -> None:
    one = await asks(house, caller)
    assert (one if isinstance(one, int) else 200) == asked
    for place, status in (("Patient/s/$rectifications", read), ("Patient/$rectifications", all)):
        answer = await call(house, caller, place, method="GET")
        assert (answer if isinstance(answer, int) else 200) == status


@pytest.mark.parametrize("letter", ["\x00", "\x0b", "\x1f", "\ufffe"])
async def test_what_is_asked_and_answered_is_text_that_xml_has_too(house: House, letter: str) -> None:
    """R4 datatypes.html#string. What is kept of it is refused as XML, and with it each search that finds it."""
    assert await asks(house, holder("s"), "s", "traits", f"Wrong{letter}") == 400
    one = await asks(house, holder("s"), "s", "traits", "Wrong\tand\nwrong")
    assert await answers(house, STAFF, one["id"], "refuse", f"No{letter}") == 400
    reason = {"name": "reason", "valueString": f"x{letter}"}
    assert await merges(house, OPERATOR, "s", "t", reason) == 400


async def test_an_answer_is_owed_and_told_to_whose_record_was_made_one_with_another(house: House) -> None:
    """RGPD art. 12.3: the merge ends the record in which it was asked, and nobody reads there what is answered."""
    one = await asks(house, holder("s"))
    assert not isinstance(await merges(house, OPERATOR, "s", "t"), int)
    [waiting] = parts(await call(house, STAFF, "Patient/$rectifications", method="GET"))
    assert (waiting["id"], waiting["patient"], waiting["due"]) == (one["id"], {"reference": "Patient/t"}, one["due"])
    assert await answers(house, STAFF, one["id"], "accept", "Put right", "t") == "accepted"
    [mine] = parts(await call(house, holder("t"), "Patient/t/$rectifications", method="GET"))
    assert mine["answer"] == "Put right"
    # Of two people after all: what was not changed since goes back.
    two = await asks(house, holder("other"), "other")
    rows = (await ask(house, OPERATOR, "GET", "Patient/other"), await ask(house, OPERATOR, "GET", "Patient/t"))
    await kept(house, {**rows[0], "birthDate": rows[1]["birthDate"]})
    assert not isinstance(await merges(house, OPERATOR, "other", "t"), int)
    assert not isinstance(await undone(house, "other", "t"), int)
    [theirs] = parts(await call(house, holder("other"), "Patient/other/$rectifications", method="GET"))
    assert (theirs["id"], theirs["state"]) == (two["id"], "asked")


async def test_a_caregiver_reads_the_record_and_nothing_of_what_its_holder_asked(house: House) -> None:
    """What somebody has put right may be what they keep from who cares for them."""
    cares = {"resourceType": "RelatedPerson", "id": "cares", "active": True, "patient": refers("Patient/s")}
    role = {"coding": [{"system": ROLE_CLASS, "code": CAREGIVER}]}
    await kept(house, {**cares, "identifier": [{"system": DEMO, "value": ins(3)}], "relationship": [role]})
    one = await asks(house, holder("s"))
    for caller in (
        replace(holder("other"), patient="s", wards=frozenset({"s"})),
        replace(holder("other"), patient=None, wards=frozenset({"s"}), scopes=DOCTOR.scopes),
    ):
        assert await seen(house, caller, "Observation/o") != 404
        assert await seen(house, caller, f"Basic/{one['id']}") in (403, 404)
        assert one["id"] not in await seen(house, caller, "Basic?patient=Patient/s")
        assert await call(house, caller, "Patient/s/$rectifications", method="GET") == 403
    assert one["id"] in await seen(house, holder("s"), "Basic")


async def test_what_is_not_said_as_it_should_be_is_refused(house: House) -> None:
    mine = holder("s")
    assert await asks(house, mine, "s", "everything") == 400
    assert await asks(house, mine, "s", "traits", " ") == 400
    assert await asks(house, mine, "s", "traits", "x" * 2001) == 400
    assert await asks(house, mine, "s", "document") == 400
    # Absent, hidden and another's are refused alike.
    for reference in (
        "DocumentReference/none",
        "DocumentReference/theirs",
        "Observation/o",
        "http://x.example/DocumentReference/plain",
    ):
        assert await asks(house, mine, "s", "document", "x", row("document", reference)) == 422
    one = await asks(house, mine)
    assert await answers(house, mine, one["id"], "accept", "x") == 422
    assert await answers(house, mine, one["id"], "explode") == 400
    assert await answers(house, mine, "none", "withdraw") == 404
    assert await answers(house, OPERATOR, one["id"], "accept", "x", patient="t") == 404
    assert await answers(house, mine, one["id"], "withdraw") == "withdrawn"


async def test_as_many_wait_as_may_also_when_they_are_asked_at_once(house: House) -> None:
    made = await asyncio.gather(*(asks(house, holder("s"), "s", "other", f"x{n}") for n in range(22)))
    assert sum(not isinstance(one, int) for one in made) == 20
    assert await asks(house, holder("s")) == 422
    assert not isinstance(await asks(house, holder("t"), "t"), int)
