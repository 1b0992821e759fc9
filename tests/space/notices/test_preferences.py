"""Everybody chooses for themself what they are told of: callers × patients over FHIR, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.space.notices.occasions import KINDS
from fhir_server.space.notices.preferences import CHANNELS, prefer, preferences
from tests.space.notices.space import Space, a_patient, related
from tests.space.record.callers import ALL, OWN, SYSTEM, Caller, grant

READ = "Patient/a/$notice-preferences"
WRITE = "Patient/a/$notice-prefer"
READS = Scope("patient", "Patient", frozenset("rs"))


def preference(kind: Any = "message", channel: Any = "email", on: Any = False, **more: Any) -> dict[str, Any]:
    known = {"kind": ("Code", kind), "channel": ("Code", channel), "on": ("Boolean", on), **more}
    parts = [{"name": name, f"value{type}": value} for name, (type, value) in known.items() if value is not None]
    return {"name": "preference", "part": parts}


def parameters(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(rows)}


def off(tree: dict[str, Any]) -> set[tuple[str, str]]:
    """What is not written of, of an answer."""
    rows = [{part["name"]: next(v for k, v in part.items() if k != "name") for part in row["part"]} for row in tree["parameter"]]  # fmt: skip
    return {(one["kind"], one["channel"]) for one in rows if not one["on"]}


#: Caller → status of reading and of writing, and whose preferences they are.
CALLERS: Mapping[str, tuple[Grant, int, int, str]] = {
    "the holder": (grant("Patient/a", OWN, patient="a"), 200, 200, "Patient/a"),
    "the holder without context": (grant("Patient/a", ALL), 200, 200, "Patient/a"),
    "who acts for them": (
        grant("RelatedPerson/carer", OWN, patient="a", wards=frozenset({"a"})),
        200,
        200,
        "RelatedPerson/carer",
    ),
    "the holder, who may read alone": (grant("Patient/a", READS, patient="a"), 200, 403, "Patient/a"),
    "the holder, with no scope of Patient": (
        grant("Patient/a", Scope("patient", "Observation", VERBS), patient="a"),
        403,
        403,
        "",
    ),
    "another patient": (grant("Patient/b", ALL), 404, 404, ""),
    "who acts for another": (grant("RelatedPerson/other", OWN, patient="b", wards=frozenset({"b"})), 404, 404, ""),
    "who acts for both, in the other's context": (
        grant("RelatedPerson/carer", OWN, patient="b", wards=frozenset({"a", "b"})),
        404,
        404,
        "",
    ),
    "a professional": (grant("Practitioner/d", ALL), 404, 404, ""),
    "a professional in context": (grant("Practitioner/d", ALL, patient="a"), 404, 404, ""),
    "an administrator's software": (grant(None, SYSTEM), 200, 200, "Patient/a"),
}


@pytest.fixture
async def peopled(space: Space) -> Space:
    await space.keep(a_patient("b"), related("carer", "a", "CAREGIVER"), {"resourceType": "Practitioner", "id": "d"})
    return space


@pytest.mark.parametrize("name", CALLERS)
async def test_who_reads_and_chooses_whose(peopled: Space, name: str) -> None:
    who, reads, writes, whose = CALLERS[name]
    caller = Caller(peopled.house, who)
    assert (await caller("GET", READ)).status == reads
    answer = await caller("POST", WRITE, parameters(preference("document"), preference("access", "sms", True)))
    assert answer.status == writes, answer.json
    records = peopled.house.engine.records
    for person in ("Patient/a", "Patient/b", "RelatedPerson/carer", "Practitioner/d"):
        chosen = await preferences(records, person)
        changed = not chosen.wants("document", "email") and chosen.wants("access", "sms")
        assert changed == (writes == 200 and person == whose), person


@pytest.mark.parametrize("name", [name for name, row in CALLERS.items() if row[1] == 404])
async def test_a_patient_who_is_not_the_callers_is_answered_as_one_who_is_not_there(peopled: Space, name: str) -> None:
    caller = Caller(peopled.house, CALLERS[name][0])
    for method, url, body in (("GET", READ, None), ("POST", WRITE, parameters(preference()))):
        hidden = await caller(method, url, body)
        absent = await caller(method, url.replace("/a/", "/nobody/"), body)
        assert (hidden.status, hidden.json, hidden.headers) == (absent.status, absent.json, absent.headers)


async def test_at_first_everything_is_told_by_e_mail_and_nothing_by_sms(space: Space) -> None:
    answer = await Caller(space.house, grant("Patient/a", OWN, patient="a"))("GET", READ)
    assert off(answer.json) == {(kind, "sms") for kind in KINDS}
    assert len(answer.json["parameter"]) == len(KINDS) * len(CHANNELS)


#: What is sent → what is wrong with it.
BAD: dict[str, dict[str, Any]] = {
    "nothing": parameters(),
    "no such kind": parameters(preference("diabetes")),
    "no such channel": parameters(preference(channel="pigeon")),
    "no kind": parameters(preference(None)),
    "no channel": parameters(preference(channel=None)),
    "neither on nor off": parameters(preference(on=None)),
    "a part too many": parameters(preference(until=("Date", "2030-01-01"))),
    "one thing twice": parameters(preference(), preference(on=True)),
    "a good one and a bad one": parameters(preference("document"), preference("diabetes")),
    "no such parameter": parameters({"name": "kind", "valueCode": "message"}),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_preference_is_refused_and_changes_nothing(space: Space, name: str) -> None:
    caller = Caller(space.house, grant("Patient/a", OWN, patient="a"))
    answer = await caller("POST", WRITE, BAD[name])
    assert answer.status == 400, answer.json
    assert answer.json["issue"][0]["diagnostics"] and answer.json["issue"][0].get("expression")
    assert off((await caller("GET", READ)).json) == {(kind, "sms") for kind in KINDS}


async def test_get_changes_nothing(space: Space) -> None:
    caller = Caller(space.house, grant("Patient/a", OWN, patient="a"))
    assert (await caller("GET", WRITE)).status == 405


async def test_what_is_chosen_in_several_places_at_once_is_all_kept(space: Space) -> None:
    records = space.house.engine.records
    await asyncio.gather(*(prefer(records, "Patient/a", {(kind, "email"): False}) for kind in KINDS))
    assert (await preferences(records, "Patient/a")).without_email == KINDS
