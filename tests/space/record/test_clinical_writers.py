"""Who writes the clinical part: marked where it is the patient's side, and what a professional wrote stays theirs.

https://hl7.org/fhir/R4/resource.html#simple-tags, https://hl7.org/fhir/R4/fivews.html (recorder, author); OWASP ASVS 4.2.1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House
from fhir_server.space.record.clinical_writers import WRITER
from tests.server.people import kept
from tests.space.record.callers import Caller, Tree
from tests.space.record.writers import CALLERS, PATCH, PEOPLE, writing

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
SIDE = ("patient", "representative", "caregiver")
DOCTOR = {"reference": "Practitioner/author"}
#: The smallest of several types, with the element of who wrote it down where it has one.
TYPES: dict[str, Tree] = {
    "AllergyIntolerance": {
        "patient": {"reference": "Patient/a"},
        "code": {"text": "x"},
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
    },
    "Condition": {"subject": {"reference": "Patient/a"}, "code": {"text": "x"}},
    "Observation": {"subject": {"reference": "Patient/a"}, "status": "final", "code": {"text": "x"}},
    "FamilyMemberHistory": {
        "patient": {"reference": "Patient/a"},
        "status": "completed",
        "relationship": {"text": "x"},
    },
    "Immunization": {
        "patient": {"reference": "Patient/a"},
        "status": "completed",
        "vaccineCode": {"text": "x"},
        "occurrenceDateTime": "2020-01-01",
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with writing(tmp_path_factory.mktemp("clinical-writes")) as found:
        yield found


def of(type: str, **more: Any) -> Tree:
    return {"resourceType": type, **TYPES[type], **more}


def tags(tree: Tree) -> list[str]:
    return [one["code"] for one in tree.get("meta", {}).get("tag", ()) if one["system"] == WRITER]


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("caller", PEOPLE)
async def test_what_the_patient_s_side_writes_says_so_and_what_others_write_does_not(
    house: House, caller: str, type: str
) -> None:
    """Whatever tag is sent: a professional's client that sends back what it read does not make it the patient's."""
    for sent in ("patient", "caregiver"):
        tree = of(type, meta={"tag": [{"system": WRITER, "code": sent}, {"system": "urn:own", "code": "kept"}]})
        answer = await Caller(house, CALLERS[caller])("POST", type, tree)
        assert answer.status == 201, answer.json
        assert tags(answer.json) == ([caller] if caller in SIDE else [])
        assert {"system": "urn:own", "code": "kept"} in answer.json["meta"]["tag"]


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE", "conditional DELETE", "transaction"])
@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("caller", SIDE)
async def test_what_a_professional_wrote_is_theirs_to_change(house: House, caller: str, type: str, verb: str) -> None:
    ask, doctor = Caller(house, CALLERS[caller]), Caller(house, CALLERS["author"])
    for writer, status in ((doctor, 403), (ask, 200)):
        made = (
            await writer("POST", type, of(type, identifier=[{"system": "urn:n", "value": f"{caller}{verb}{status}"}]))
        ).json
        changed = {**made, "language": "fr"}
        url = f"{type}/{made['id']}"
        entry = {"resource": changed, "request": {"method": "PUT", "url": url}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        answer = {
            "PUT": lambda: ask("PUT", url, changed),  # noqa: B023 - called at once
            "PATCH": lambda: ask("PATCH", url, [{"op": "add", "path": "/language", "value": "fr"}], PATCH),  # noqa: B023
            "DELETE": lambda: ask("DELETE", url),  # noqa: B023
            "conditional DELETE": lambda: ask("DELETE", f"{type}?_id={made['id']}"),  # noqa: B023
            "transaction": lambda: ask("POST", "", bundle),  # noqa: B023
        }[verb]
        given = await answer()
        assert given.status in ({403} if status == 403 else {200, 204}), given.json
        kept_now = await doctor("GET", url)
        assert (kept_now.status == 200 and kept_now.version == 1) == (status == 403)


async def test_a_professional_who_takes_it_up_makes_it_theirs(house: House) -> None:
    patient, doctor = Caller(house, CALLERS["patient"]), Caller(house, CALLERS["author"])
    made = (await patient("POST", "Condition", of("Condition"))).json
    url = f"Condition/{made['id']}"
    taken = await doctor("PUT", url, {**made, "language": "fr"})
    assert taken.status == 200 and tags(taken.json) == []
    assert (await patient("PUT", url, {**taken.json, "language": "en"})).status == 403
    assert (await patient("DELETE", url)).status == 403


async def test_what_was_there_before_the_tag_is_told_by_whom_it_names(house: House) -> None:
    """Of whom nothing is said, nobody knows: it stays with professionals."""
    rows: dict[str, tuple[Tree, int]] = {
        "own": ({"recorder": {"reference": "Patient/a"}, "asserter": {"reference": "RelatedPerson/parent"}}, 200),
        "both": ({"recorder": {"reference": "Patient/a"}, "asserter": DOCTOR}, 403),
        "doctors": ({"recorder": DOCTOR}, 403),
        "nobodys": ({}, 403),
    }
    for id, (named, status) in rows.items():
        tree = of("Condition", id=f"before-{id}", **named)
        await kept(house, tree)
        answer = await Caller(house, CALLERS["patient"])("PUT", f"Condition/before-{id}", {**tree, "language": "fr"})
        assert answer.status == status, (id, answer.json)


@pytest.mark.parametrize("recorder", [DOCTOR, {"reference": "PractitionerRole/author"}, {"reference": "#c"}])
@pytest.mark.parametrize("type", ["AllergyIntolerance", "Condition"])
async def test_nobody_of_the_patient_s_side_writes_in_a_professional_s_name(
    house: House, type: str, recorder: Tree
) -> None:
    inside = {"contained": [{"resourceType": "Practitioner", "id": "c"}]} if recorder["reference"] == "#c" else {}
    answer = await Caller(house, CALLERS["patient"])("POST", type, of(type, recorder=recorder, **inside))
    assert answer.status == 422 and answer.expressions == [f"{type}.recorder"], answer.json


async def test_software_of_the_establishment_brings_what_it_brings(house: House) -> None:
    tree = of("Condition", meta={"tag": [{"system": WRITER, "code": "patient"}]}, recorder=DOCTOR)
    answer = await Caller(house, CALLERS["software"])("POST", "Condition", tree)
    assert answer.status == 201 and tags(answer.json) == ["patient"]
