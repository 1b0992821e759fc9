"""The life of a space: CSP R1111-28 (information, opposition, opening), R1111-36 (closing, deletion, suspension).

https://hl7.org/fhir/R4/operations.html, https://fhir-server.example/OperationDefinition/Patient-space-move;
PDSm4DMP TD02: `Patient.active` says whether the record is open, and `dmp-fermeture` why it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.outcome import Invalid
from fhir_server.settings import Settings
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.clock import Waves
from fhir_server.space.accounts.life import CLOSURE, Life, from_basic, life_id, to_basic
from fhir_server.space.accounts.moving import Asked, Found
from fhir_server.space.accounts.states import ASKED, EVENTS, MOVES, ROLES, STATES, Delay
from fhir_server.store.protocol import Version
from tests.access.test_rules import ask, seen
from tests.server.people import kept

BASE = "http://127.0.0.1/fhir"
NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


def grant(subject: str | None, level: Any = "patient", **more: Any) -> Grant:
    return Grant((Scope(level, "*", frozenset("cruds")),), subject=subject, client="app", **more)


HOLDER, ANOTHER = grant("Patient/p", patient="p"), grant("Patient/q", patient="q")
PARENT = grant("Patient/q", "user", wards=frozenset({"child"}))
CAREGIVER = grant("RelatedPerson/helper", patient="p", wards=frozenset({"p"}))
DOCTOR, STAFF = grant("Practitioner/d", "user"), grant("Person/s", "user")
OPERATOR = grant(None, "system")
PUBLISHED = grant(None, "system", referenced=True)
READER = Grant((Scope("patient", "*", frozenset("rs")),), subject="Patient/p", patient="p", client="app")

#: State → event → role → the state that follows. What is not here is refused.
TABLE: dict[str | None, dict[str, dict[str, str]]] = {
    # Nothing is written of it, and its Patient is not in use: software closed it, or nobody was told of it yet.
    None: {
        "inform": {"operator": "informed"},
        "ask-deletion": {"holder": "closed"},
        "reopen": {"holder": "open", "operator": "open"},
        "die": {"operator": "deceased"},
    },
    "informed": {
        "oppose": {"holder": "opposed", "operator": "opposed", "professional": "opposed"},
        "activate": {"holder": "activated"},
        "merge": {"operator": "merged"},
        "due": {"clock": "open"},
        "die": {"operator": "deceased"},
    },
    "opposed": {
        "withdraw-opposition": {"holder": "open", "operator": "open", "professional": "open"},
        "merge": {"operator": "merged"},
        "die": {"operator": "deceased"},
    },
    "open": {
        "activate": {"holder": "activated"},
        "merge": {"operator": "merged"},
        "close": {"holder": "closed", "operator": "closed"},
        "suspend": {"operator": "suspended"},
        "die": {"operator": "deceased"},
    },
    "activated": {
        "merge": {"operator": "merged"},
        "close": {"holder": "closed", "operator": "closed"},
        "come-of-age": {"clock": "open"},
        "suspend": {"operator": "suspended"},
        "die": {"operator": "deceased"},
    },
    "closed": {
        "ask-deletion": {"holder": "closed"},
        "reopen": {"holder": "activated", "operator": "activated"},
        "due": {"clock": "erased"},
        "die": {"operator": "deceased"},
    },
    "suspended": {
        "object": {"holder": "suspended"},
        "lift": {"operator": "activated"},
        "due": {"clock": "closed"},
        "die": {"operator": "deceased"},
    },
    "deceased": {"correct-death": {"operator": "activated"}, "due": {"clock": "erased"}},
    "erased": {},
    # One of two records of one person: nothing happens to it until they are two again.
    "merged": {"unmerge": {"operator": "activated"}},
}
#: A way from nothing to each state, through `activated` where there is something to go back to.
WAYS: dict[str, list[tuple[str, str]]] = {
    "informed": [("inform", "operator")],
    "opposed": [("inform", "operator"), ("oppose", "holder")],
    "open": [("inform", "operator"), ("due", "clock")],
    "activated": [("inform", "operator"), ("activate", "holder")],
    "closed": [("inform", "operator"), ("activate", "holder"), ("close", "holder")],
    "suspended": [("inform", "operator"), ("activate", "holder"), ("suspend", "operator")],
    "deceased": [("inform", "operator"), ("activate", "holder"), ("die", "operator")],
    "erased": [("inform", "operator"), ("activate", "holder"), ("die", "operator"), ("due", "clock")],
    "merged": [("inform", "operator"), ("activate", "holder"), ("merge", "operator")],
}


def stored(life: Life | None) -> Found:
    """A space as it is stored, without a store: of somebody who was not told of it where nothing is written."""
    import json

    def version(tree: dict[str, Any]) -> Version:
        return Version(tree["resourceType"], tree["id"], 1, 0, "PUT", json.dumps(tree).encode(), b"")

    basic = None if life is None else version(to_basic(life))
    return Found(version({"resourceType": "Patient", "id": "p", "active": False}), basic)


def walked(way: list[tuple[str, str]]) -> Life | None:
    """Where a way leads to."""
    life = None
    for event, role in way:
        at = NOW if life is None or life.next is None or event != "due" else life.next
        life = moving.moved(stored(life), Asked(event, role, at, reason="said"))  # type: ignore[arg-type]
    return life


@pytest.mark.parametrize("state", [None, *STATES])
def test_what_may_happen_in_each_state_by_whom_and_nothing_else(state: str | None) -> None:
    life = walked(WAYS[state]) if state else None
    assert (life.state if life else None) == state
    happened: dict[str, dict[str, str]] = {}
    for event in EVENTS:
        for role in ROLES:
            asked = Asked(event, role, NOW + timedelta(days=36600), reason="said")
            try:
                after = moving.moved(stored(life), asked)
            except Invalid as refused:
                assert refused.status == 422
                assert refused.issues[0].expression == "Parameters.parameter.where(name='event')"
            else:
                happened.setdefault(event, {})[role] = after.state
    assert happened == TABLE[state]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(ROLES), st.integers(0, 5000)), max_size=25))
def test_no_sequence_of_events_reaches_what_the_table_does_not_know(steps: list[tuple[Any, Any, int]]) -> None:
    life: Life | None = None
    at = NOW
    for event, role, days in steps:
        at += timedelta(days=days)
        # Nothing written of a Patient who is not in use: closed by software, or not told of yet.
        before = life.state if life else (None if event == "inform" else "closed")
        try:
            after = moving.moved(stored(life), Asked(event, role, at, reason="said"))
        except Invalid:
            continue
        row = MOVES[(event, before)]
        assert role in row.by
        assert after.state == row.after or (row.after == "former" and after.state in ("informed", "opposed", "open", "activated", "closed", "suspended"))  # fmt: skip
        # What is written is what was meant, and time acts only where the table has it act.
        assert from_basic(to_basic(after)) == after
        assert (after.next is not None) <= (("due", after.state) in MOVES)
        assert event != "due" or (life is not None and life.next is not None and life.next <= at)
        life = after


@pytest.mark.parametrize(
    ("delay", "from_", "to"),
    [
        # Six weeks over the change to summer time are at the same time of the clock: Europe/Paris.
        (Delay(days=42), "2026-03-01T09:00:00+01:00", "2026-04-12T09:00:00+02:00"),
        (Delay(months=3), "2026-11-30T10:00:00+01:00", "2027-02-28T10:00:00+01:00"),
        (Delay(years=10), "2024-02-29T10:00:00+01:00", "2034-02-28T10:00:00+01:00"),
        (Delay(months=1), "2026-12-31T10:00:00+01:00", "2027-01-31T10:00:00+01:00"),
    ],
)
def test_delays_go_by_the_calendar_of_paris(delay: Delay, from_: str, to: str) -> None:
    assert delay.after(datetime.fromisoformat(from_)) == datetime.fromisoformat(to)


@pytest.mark.parametrize(
    ("way", "days"),
    [
        (WAYS["informed"], 42),
        (WAYS["suspended"], 42),
        ([*WAYS["suspended"], ("object", "holder")], None),
        (WAYS["closed"], 3653),
        ([*WAYS["closed"], ("ask-deletion", "holder")], 92),
        ([*WAYS["closed"], ("ask-deletion", "holder"), ("cancel-deletion", "holder")], 3653),
        (WAYS["deceased"], 3653),
        (WAYS["opposed"], None),
        (WAYS["activated"], None),
        (WAYS["merged"], None),
        # Who had not had their six weeks yet has them anew.
        ([*WAYS["informed"], ("merge", "operator"), ("unmerge", "operator")], 42),
    ],
)
def test_when_time_acts_by_itself(way: list[tuple[str, str]], days: int | None) -> None:
    life = walked(way)
    assert life is not None
    assert (None if life.next is None else (life.next - NOW).days) == days


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as found:
        relation = "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
        await kept(
            found,
            {"resourceType": "Patient", "id": "p", "active": False, "birthDate": "1980-01-01"},
            {"resourceType": "Patient", "id": "q", "birthDate": "1980-01-01"},
            {"resourceType": "Patient", "id": "child", "active": True, "birthDate": f"{datetime.now(UTC).year - 9}-01-01"},
            {"resourceType": "Practitioner", "id": "d"},
            {
                "resourceType": "RelatedPerson",
                "id": "helper",
                "patient": {"reference": "Patient/p"},
                "relationship": [{"coding": [{"system": relation, "code": "CAREGIVER"}]}],
            },
            {
                "resourceType": "Observation",
                "id": "o",
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": "Patient/p"},
            },
        )  # fmt: skip
        yield found


async def happens(house: House, caller: Grant, event: str, patient: str = "p", **more: Any) -> Any:
    """The state that follows, or the status of a refusal."""
    said = [{"name": "event", "valueCode": event}]
    said += [{"name": "died", "valueDateTime": more["died"]}] if "died" in more else []
    said += [{"name": "reason", "valueString": more["reason"]}] if "reason" in more else []
    answer = await ask(house, caller, "POST", f"Patient/{patient}/$space-move", {"resourceType": "Parameters", "parameter": said})  # fmt: skip
    return answer if isinstance(answer, int) else answer["parameter"][0]["valueCode"]


async def test_software_and_people_see_it_as_it_goes(house: House) -> None:
    # event, caller; the state, what TD02 says of the record, why, and what its holder reads of it
    steps: list[tuple[str, Grant, str, bool, str | None, Any]] = [
        ("inform", OPERATOR, "informed", False, None, 404),
        ("oppose", HOLDER, "opposed", False, "opposition", 404),
        ("withdraw-opposition", HOLDER, "open", True, None, "o"),
        ("activate", HOLDER, "activated", True, None, "o"),
        ("close", HOLDER, "closed", False, "fermeture", 404),
        ("ask-deletion", HOLDER, "closed", False, "fermeture", 404),
        ("reopen", HOLDER, "activated", True, None, "o"),
        ("suspend", OPERATOR, "suspended", False, "suspension", 404),
        ("object", HOLDER, "suspended", False, "suspension", 404),
        ("lift", OPERATOR, "activated", True, None, "o"),
        ("die", OPERATOR, "deceased", False, "deces", 404),
        ("correct-death", OPERATOR, "activated", True, None, "o"),
    ]
    for event, caller, state, active, motive, read in steps:
        assert await happens(house, caller, event, reason="said") == state, event
        patient = await ask(house, DOCTOR, "GET", "Patient/p")
        assert patient["active"] is active
        closure = [one for one in patient.get("extension", ()) if one["url"] == CLOSURE]
        said = [part["valueCode"] for one in closure for part in one["extension"] if part["url"] == "motifFermeture"]
        assert said == ([motive] if motive else []), event
        assert await seen(house, HOLDER, "Observation/o") == read, event
        assert await seen(house, HOLDER, "Observation?_summary=count") == (1 if read == "o" else 0)
        assert await seen(house, PUBLISHED, "Observation?_summary=count") == (1 if read == "o" else 0), event
        assert "deceasedBoolean" in patient if event == "die" else "deceasedBoolean" not in patient
    # Each step is a version of one Basic, which its holder reads, and no professional.
    assert len((await ask(house, HOLDER, "GET", f"Basic/{life_id('p')}/_history"))["entry"]) == len(steps)
    assert await seen(house, DOCTOR, f"Basic/{life_id('p')}") == 404
    assert await seen(house, DOCTOR, "Basic?code=space&_summary=count") == 0
    assert await seen(house, ANOTHER, f"Basic/{life_id('p')}") == 404


@pytest.mark.parametrize(
    ("caller", "patient", "read", "status"),
    [
        (HOLDER, "p", 200, 422),
        (OPERATOR, "p", 200, 200),
        (OPEN, "p", 200, 200),
        (PARENT, "child", 200, 200),
        (CAREGIVER, "p", 403, 403),
        (DOCTOR, "p", 403, 403),
        (STAFF, "p", 404, 404),
        (PUBLISHED, "p", 404, 404),
        (ANOTHER, "p", 404, 404),
        (OPERATOR, "nobody", 404, 404),
        (READER, "p", 200, 403),
        # OWASP ASVS 4.2: what is hard to take back is the person's to do, not an app's that they let in for a purpose.
        (replace(HOLDER, referenced=True), "p", 200, 403),
        (replace(PARENT, referenced=True), "child", 200, 403),
    ],
)
async def test_who_decides_for_a_space(house: House, caller: Grant, patient: str, read: int, status: int) -> None:
    # p was not told yet, which the operator alone may; the child's record is open, and may be closed.
    answer = await ask(house, caller, "GET", f"Patient/{patient}/$space")
    assert (answer if isinstance(answer, int) else 200) == read
    event = "close" if patient == "child" else "inform"
    after = await happens(house, caller, event, patient)
    assert (after if isinstance(after, int) else 200) == status


@pytest.mark.parametrize(
    ("event", "more", "status"),
    [
        ("due", {}, 400),
        ("merge", {"reason": "x"}, 400),
        ("unmerge", {"reason": "x"}, 400),
        ("explode", {}, 400),
        ("inform", {"reason": "x" * 501}, 400),
        ("inform", {"died": "2020-01-01"}, 400),
        ("die", {"died": "2200-01-01"}, 400),
        ("die", {"died": "2020-13-01"}, 400),
        ("suspend", {}, 422),
        ("correct-death", {"reason": "x"}, 422),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(house: House, event: str, more: Any, status: int) -> None:
    before = await ask(house, OPERATOR, "GET", "Patient/q")
    assert await happens(house, OPERATOR, event, "q", **more) == status
    assert await ask(house, OPERATOR, "GET", "Patient/q") == before
    assert await seen(house, OPERATOR, f"Basic/{life_id('q')}") == 404


async def test_nobody_writes_the_life_of_a_space_but_by_the_operation(house: House) -> None:
    assert await happens(house, OPERATOR, "inform") == "informed"
    written = await ask(house, OPERATOR, "GET", f"Basic/{life_id('p')}")
    opened_at_once = to_basic(replace(from_basic(written), state="activated"))  # type: ignore[type-var]
    for caller in (HOLDER, DOCTOR, OPERATOR, ANOTHER):
        assert await ask(house, caller, "PUT", f"Basic/{life_id('p')}", opened_at_once) in (403, 404)
        assert await ask(house, caller, "DELETE", f"Basic/{life_id('p')}") in (403, 404)
        made = {name: value for name, value in opened_at_once.items() if name != "id"}
        assert await ask(house, caller, "POST", "Basic", made) in (403, 404)
    # The server's own hand keeps it under its own id.
    assert await ask(house, OPEN, "PUT", "Basic/another", {**opened_at_once, "id": "another"}) == 422


async def test_what_may_happen_is_what_is_then_done(house: House) -> None:
    """Each event that `$space` offers is taken, in each state that its holder and operator lead it through."""
    for event, caller in (("inform", OPERATOR), ("activate", HOLDER), ("close", HOLDER), ("ask-deletion", HOLDER)):
        for one in (HOLDER, OPERATOR):
            answer = await ask(house, one, "GET", "Patient/p/$space")
            may = {part["valueCode"] for part in answer["parameter"] if part["name"] == "may"}
            (space,) = await moving.found(house.repository(), ["p"])
            assert space is not None
            role: Any = "holder" if one is HOLDER else "operator"
            taken = set()
            for tried in ASKED:
                try:
                    moving.moved(space, Asked(tried, role, NOW, reason="said"))
                except Invalid:
                    continue
                taken.add(tried)
            assert may == taken, (event, role)
        await happens(house, caller, event)


async def test_two_who_decide_at_once_are_two_steps(house: House) -> None:
    await happens(house, OPERATOR, "inform")
    found = await asyncio.gather(*(happens(house, HOLDER, event) for event in ("oppose", "activate")))
    # The second is judged after the first: an opposed space is not activated, nor an activated one opposed.
    assert sorted(map(str, found)) in (["422", "opposed"], ["422", "activated"])


async def test_spaces_open_in_waves_when_nobody_objected(house: House) -> None:
    many = [{"resourceType": "Patient", "id": f"w{n}", "active": False} for n in range(7)]
    await kept(house, *many)
    waves = Waves(house.repository(), most=3)
    for n, patient in enumerate(many):
        asked = Asked("inform", "operator", NOW + timedelta(days=n))
        await moving.move(house.repository(), patient["id"], asked)
    await moving.move(house.repository(), "w0", Asked("oppose", "holder", NOW))
    assert await waves.run(NOW + timedelta(days=42)) == 0, "w0 objected"
    # Those informed first, three a day, and nobody before the six weeks are over.
    assert await waves.run(NOW + timedelta(days=46)) == 3
    assert await waves.run(NOW + timedelta(days=47)) == 2
    assert await waves.run(NOW + timedelta(days=48)) == 1
    assert await waves.run(NOW + timedelta(days=900)) == 0
    spaces = await moving.found(house.repository(), [one["id"] for one in many])
    assert [one.state for one in spaces if one is not None] == ["opposed", *["open"] * 6]
    assert [one.tree["active"] for one in spaces if one is not None] == [False, *[True] * 6]


async def test_a_suspension_nobody_objected_to_ends_by_closing(house: House) -> None:
    for patient in ("q", "child"):
        await moving.move(house.repository(), patient, Asked("suspend", "operator", NOW, reason="fraud"))
    await moving.move(house.repository(), "q", Asked("object", "holder", NOW))
    assert await Waves(house.repository(), 100).run(NOW + timedelta(days=43)) == 1
    spaces = await moving.found(house.repository(), ["q", "child"])
    assert [one.state for one in spaces if one is not None] == ["suspended", "closed"]
