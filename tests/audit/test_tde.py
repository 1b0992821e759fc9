"""The traces of this server as systems consume and send them by the ANS's guide of traces, TDE 2.0.0.

https://interop.esante.gouv.fr/ig/fhir/tde, IHE ATNA ITI-20 and ITI-81, https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_events
from fhir_server.settings import Settings
from fhir_server.space.accesses.asking import TDE
from fhir_server.validation.profiles import packages
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.access.test_leaks import Caller
from tests.audit.test_kinds import BASE, DOCTOR, GRANTS, TOUCHED, WRITTEN, made, touched
from tests.examples import shared_data


@cache
def _judge() -> tuple[Validator, dict[str, dict[str, Any]]]:
    """What judges by TDE, and the guide's own examples."""
    data = shared_data()
    file = data / "ig" / "ans.fhir.fr.tde-2.0.0.tgz" if data is not None else None
    if file is None or not file.is_file():
        pytest.skip("the guide of traces is not beside the checkout")
    package, profiles = packages.load(file), Profiles()
    assert packages.add(package, profiles) == []
    return Validator(profiles), package.examples


def wrong(event: dict[str, Any]) -> list[str]:
    issues = _judge()[0].validate(event, profiles=[TDE])
    return [f"{one.expression}: {one.diagnostics}" for one in issues if one.severity in ("error", "fatal")]


@pytest.mark.parametrize("name", WRITTEN)
def test_every_kind_of_event_conforms_to_tde(name: str) -> None:
    for event in made(name):
        assert wrong(event) == []


@pytest.mark.parametrize("caller", GRANTS)
def test_every_caller_s_event_conforms_with_all_that_is_known_of_them(caller: str) -> None:
    for what in TOUCHED.values():
        for event in exchange_events(GRANTS[caller], touched(what), "search-type", "Observation", 200, BASE, DOCTOR):
            assert wrong(event) == []


def test_the_guide_s_own_examples_conform() -> None:
    events = [tree for tree in _judge()[1].values() if tree["resourceType"] == "AuditEvent"]
    assert len(events) == 2 and [wrong(event) for event in events] == [[], []]


@pytest.mark.parametrize("member", ["subtype", "agent", "period"])
def test_what_tde_does_not_take_is_told(member: str) -> None:
    [event] = exchange_events(GRANTS["doctor"], touched(TOUCHED["one"]), "read", "Patient", 200, BASE, DOCTOR)
    twice = {name: [*event[name], event[name][0]] for name in ("subtype", "agent")}
    broken = {**event, member: {**twice, "period": {"end": event["recorded"]}}[member]}
    assert any(member in one for one in wrong(broken))


SOURCE = Grant((Scope("system", "*", VERBS),), client="source", traced=False)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    levels = {f"{TDE}@manager": "strict"}
    async with opened(Settings(data=tmp_path, profile_levels=levels)) as house:
        for id, day in (("e1", "07"), ("e2", "09")):
            event = made("step: file app")[0]
            event |= {"id": id, "recorded": f"2026-01-{day}T09:32:15Z", "period": {"start": "2026-01-07T09:30:00Z"}}
            status, said = await Caller(house, SOURCE)("PUT", f"AuditEvent/{id}", event)
            assert status == 201, said
        yield house


async def found(house: House, client: str, query: str) -> tuple[int, Any]:
    pairs = dict(one.split("=", 1) for one in query.split("&") if one)
    caller = Caller(house, Grant((Scope("system", "AuditEvent", frozenset("rs")),), client=client, traced=False))
    status, said = await caller("GET", "AuditEvent", query=pairs)
    entries = said.get("entry", ()) if isinstance(said, dict) else ()
    return status, [one["resource"]["id"] for one in entries] if status == 200 else said


@pytest.mark.parametrize("spelling", ["period-start", "TDE_AuditEvent_period-start"])
async def test_the_date_of_what_happened_is_searched_in_both_spellings(house: House, spelling: str) -> None:
    assert await found(house, "any", f"{spelling}=2026-01-07") == (200, ["e2", "e1"])
    assert await found(house, "any", f"{spelling}=gt2026-01-08&date=ge2026-01-01") == (200, [])
    assert await found(house, "any", "date=ge2026-01-08") == (200, ["e2"])


#: A search of a client that is held to TDE, whether it says of which time.
ASKED = {
    "": False,
    "type=110100": False,
    "period-start=2026-01-07": False,
    "date:missing=false": False,
    "date=": False,
    "date=ge2026-01-01": True,
    "date=le2026-12-31&type=http://dicom.nema.org/resources/ontology/DCM|110100": True,
}


@pytest.mark.parametrize("query", ASKED)
async def test_who_is_held_to_tde_says_of_which_time(house: House, query: str) -> None:
    status, said = await found(house, "manager", query)
    assert status == (200 if ASKED[query] else 400)
    assert ASKED[query] or (query == "date=") or ("date" in json.dumps(said) and "http.date" in json.dumps(said))


async def test_others_may_leave_it_out(house: House) -> None:
    assert await found(house, "other", "type=110100") == (200, ["e2", "e1"])
