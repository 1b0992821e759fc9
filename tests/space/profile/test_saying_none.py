"""That somebody is not concerned by a section: said, said once, contradicted, and taken back; by whom, and of whom.

https://hl7.org/fhir/uv/ips/STU2/CodeSystem-absent-unknown-uv-ips.html, https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.profile.assertions import ABSENT, ASSERTIONS, is_none
from tests.server.people import kept
from tests.space.profile.record import SECTIONS
from tests.space.profile.test_summary import HOLDER, NOBODYS, STRANGER, URL, asked, listed, resources, sections
from tests.space.record.callers import ALL, BASE, OWN, Caller, grant

SAY = "Patient/a/$not-concerned?section={}"
TAKE_BACK = SAY + "&withdrawn=true"


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        people = [{"resourceType": "Patient", "id": id} for id in ("a", "b", "mother")]
        stranger = {"resourceType": "Practitioner", "id": "stranger"}
        await kept(house, *people, stranger, base=BASE)
        yield house


@pytest.mark.parametrize("name", ASSERTIONS)
async def test_it_is_said_once_judged_right_shown_and_taken_back(house: House, name: str) -> None:
    caller, row = Caller(house, HOLDER), ASSERTIONS[name]
    for _ in range(2):
        answer = await caller("POST", SAY.format(name))
        assert answer.status == 200, answer.json
        assert answer.json["parameter"] == [{"name": "notConcerned", "valueBoolean": True}]
    bundle = await asked(house)
    found, section = resources(bundle), sections(bundle)[row.section]
    [place] = listed(section)
    assert "emptyReason" not in section and row.display in section["text"]["div"]
    said = found[place]
    assert said[row.coded]["coding"] == [{"system": ABSENT, "code": row.code}] and is_none(said)
    assert not row.by or said[row.by] == {"reference": "Patient/a"}
    judged = await Caller(house)("POST", "Bundle/$validate", bundle)
    assert [one for one in judged.json["issue"] if one["severity"] in ("error", "fatal")] == []
    for _ in range(2):
        assert (await caller("POST", TAKE_BACK.format(name))).json["parameter"][0]["valueBoolean"] is False
    after = sections(await asked(house))
    assert row.section not in after or "emptyReason" in after[row.section]


@pytest.mark.parametrize("name", ASSERTIONS)
async def test_what_is_there_is_not_said_to_be_none(house: House, name: str) -> None:
    """Neither where it was there first, nor where it came after: no summary has both."""
    caller, row = Caller(house, HOLDER), ASSERTIONS[name]
    assert (await caller("POST", SAY.format(name))).status == 200
    author = {"resourceType": "Practitioner", "id": "author"}
    made = {"resourceType": "Medication", "id": "made", "code": {"text": "x"}}
    await kept(house, author, made, *SECTIONS[row.section], base=BASE)
    assert listed(sections(await asked(house))[row.section]) == {
        f"{tree['resourceType']}/{tree['id']}" for tree in SECTIONS[row.section]
    }
    assert (await caller("POST", TAKE_BACK.format(name))).status == 200
    refused = await caller("POST", SAY.format(name))
    assert refused.status == 422 and refused.json["issue"][0]["expression"] == ["http.section"]


async def test_two_at_once_say_it_once(house: House) -> None:
    caller = Caller(house, HOLDER)
    both = await asyncio.gather(*(caller("POST", SAY.format("allergies")) for _ in range(2)))
    assert [one.status for one in both] == [200, 200]
    assert (await caller("GET", "AllergyIntolerance?patient=a&_total=accurate")).json["total"] == 1


_READS = Grant((Scope("patient", "*", frozenset("rs")),), subject="Patient/a", patient="a", client="app", traced=False)
#: Who → method, call, status.
REFUSED: dict[str, tuple[Grant, str, str, int]] = {
    "another patient": (NOBODYS["another patient"], "POST", SAY.format("allergies"), 404),
    "another's app": (NOBODYS["another's app"], "POST", SAY.format("allergies"), 404),
    "an app that reads": (_READS, "POST", SAY.format("allergies"), 403),
    "an app that reads takes back": (_READS, "POST", TAKE_BACK.format("allergies"), 403),
    "by GET": (HOLDER, "GET", SAY.format("allergies"), 405),
    "no section": (HOLDER, "POST", "Patient/a/$not-concerned", 400),
    "an unknown section": (HOLDER, "POST", SAY.format("devices"), 400),
    "withdrawn of neither": (HOLDER, "POST", SAY.format("allergies") + "&withdrawn=maybe", 400),
    "nobody": (HOLDER, "POST", "Patient/none/$not-concerned?section=allergies", 404),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_who_may_not_say_so_and_what_is_no_section_leaves_nothing(house: House, name: str) -> None:
    who, method, url, status = REFUSED[name]
    answer = await Caller(house, who)(method, url)
    assert answer.status == status, answer.json
    assert (await Caller(house)("GET", "AllergyIntolerance?_total=accurate")).json["total"] == 0


async def test_a_representative_is_named_as_who_said_it(house: House) -> None:
    mother = grant("Patient/mother", ALL, OWN, wards=frozenset({"a"}))
    answer = await Caller(house, mother)("POST", SAY.format("problems"))
    assert answer.status == 200, answer.json
    [said] = [one for place, one in resources(await asked(house)).items() if place.startswith("Condition/")]
    assert said["subject"] == {"reference": "Patient/a"}
    assert "reference" not in said["asserter"], "the mother's Patient is not part of the document"


async def test_a_partial_negation_stands_beside_what_is_there(house: House) -> None:
    food = {"resourceType": "AllergyIntolerance", "id": "food", "patient": {"reference": "Patient/a"},
            "code": {"coding": [{"system": ABSENT, "code": "no-known-food-allergies"}]}}  # fmt: skip
    await kept(house, food, {**SECTIONS["48765-2"][0]}, base=BASE)
    found = listed(sections(await asked(house))["48765-2"])
    assert found == {"AllergyIntolerance/food", "AllergyIntolerance/peanut"}


async def test_who_is_kept_out_is_not_told_that_there_is_none(house: House) -> None:
    assert (await Caller(house, HOLDER)("POST", SAY.format("allergies"))).status == 200
    section = sections(await asked(house, STRANGER, URL))["48765-2"]
    assert section["emptyReason"]["coding"][0]["code"] == "unavailable" and "entry" not in section
