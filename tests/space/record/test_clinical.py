"""The gate of a record holds for every clinical type: who is not let in reads nothing but what they wrote.

CSP R1111-46 and R1111-47 (consultation is agreed to, filing is not), L1110-12; https://hl7.org/fhir/R4/fivews.html.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.record_owner import rows
from fhir_server.app import House, opened
from fhir_server.fhir import definitions
from fhir_server.settings import Settings
from fhir_server.space.record.clinical import AUTHORS, CLINICAL, patient_param
from fhir_server.space.record.rows import RPPS
from tests.server.people import a_care_team, kept
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, Tree, grant
from tests.space.record.gated import Situation, chosen

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCTOR = grant("Practitioner/d", ALL)
TEAM = a_care_team("a", "Practitioner/d")
NUMBER = {"system": RPPS, "value": "10000000100"}
#: How the doctor may be named as who wrote something.
NAMES: dict[str, Tree] = {
    "by a reference": {"reference": "Practitioner/d"},
    "by their role": {"reference": "PractitionerRole/r"},
    "by this server's address": {"reference": f"{BASE}/Practitioner/d"},
    "by their number": {"identifier": NUMBER},
    "inside": {"reference": "#c"},
}
INSIDE = {"contained": [{"resourceType": "Practitioner", "id": "c", "identifier": [NUMBER]}]}
STRANGER = {"reference": "Practitioner/x"}


def said(type: str, path: str, value: Tree) -> Tree:
    """An element of a type with that value, in lists where the type has lists."""
    name, _, rest = path.partition(".")
    element = definitions.elements(type.partition(".")[0])[f"{type}.{name}"]
    inner = said(f"{type}.{name}", rest, value) if rest else value
    return {name: [inner] if element.repeats else inner}


def of_a(type: str, id: str, author: Tree | None = None, path: str = "") -> Tree:
    """The smallest of a type that is somebody's, written by somebody."""
    whose = {rows()[type].whose[0]: {"reference": "Patient/a"}}
    wrote = said(type, path, author) if author and path else {}
    return {"resourceType": type, "id": id, **whose, **wrote, **(INSIDE if author == NAMES["inside"] else {})}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A patient of whom everything clinical is stored: by a stranger, and by the doctor by each element and name."""
    async with opened(Settings(data=tmp_path_factory.mktemp("clinical"), base_url=BASE)) as found:
        people: list[Tree] = [
            {"resourceType": "Patient", "id": "a"},
            {"resourceType": "Practitioner", "id": "d", "identifier": [NUMBER]},
            {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/d"}},
        ]
        await kept(found, *people, base=BASE)
        await kept(found, *(of_a(type, "x", STRANGER, *AUTHORS.get(type, ())[:1]) for type in CLINICAL), base=BASE)
        await kept(found, *(one for many in MINE.values() for one in many), base=BASE)
        yield found


def _mine(type: str) -> list[Tree]:
    return [
        of_a(type, f"mine-{n}-{m}", author, path)
        for n, path in enumerate(AUTHORS.get(type, ()))
        for m, author in enumerate(NAMES.values())
    ]


#: Type → what the doctor wrote.
MINE = {type: _mine(type) for type in sorted(CLINICAL)}


async def ids(house: House, caller: Grant, type: str) -> set[str]:
    """What of a type is found; what is found is read, and what is not is not."""
    ask = Caller(house, caller)
    answer = await ask("GET", f"{type}?_count=100&_total=accurate")
    found = {one["resource"]["id"] for one in answer.json.get("entry", ())}
    assert answer.json["total"] == len(found)
    named = await ask("GET", f"{type}?{patient_param(type)}=Patient/a&_summary=count")
    assert named.json["total"] == len(found)
    for id in ("x", *(one["id"] for one in MINE[type][:1])):
        for url in (f"{type}/{id}", f"{type}/{id}/_history/1"):
            assert (await ask("GET", url)).status == (200 if id in found else 404), url
    return found


@pytest.mark.parametrize("type", sorted(CLINICAL))
async def test_who_is_not_let_in_reads_what_they_wrote_and_nothing_else(house: House, type: str) -> None:
    mine = {one["id"] for one in MINE[type]}
    everything = {*mine, "x"}
    for caller in (
        DOCTOR,
        replace(DOCTOR, patient="a"),
        Grant((OWN,), subject="Practitioner/d", patient="a", client="app", traced=False),
        replace(DOCTOR, scopes=(SYSTEM,)),
    ):
        assert await ids(house, caller, type) == mine
        async with Situation(house, TEAM):
            assert await ids(house, caller, type) == everything | ({"team-a"} if type == "CareTeam" else set())
        async with Situation(house, chosen("authorised", "Practitioner/d")):
            assert await ids(house, caller, type) == everything
        async with Situation(house, chosen("blocked", "Practitioner/d")):
            assert await ids(house, caller, type) == set()
    emergency = replace(DOCTOR, patient="a", purpose="BTG", reason="Coma")
    assert await ids(house, emergency, type) == everything


async def test_the_patient_and_software_without_a_person_read_all_of_it(house: House) -> None:
    for caller in (grant("Patient/a", OWN, patient="a"), grant(None, SYSTEM)):
        for type in ("Observation", "Condition", "MedicationRequest"):
            assert await ids(house, caller, type) == {"x", *(one["id"] for one in MINE[type])}


async def test_every_element_by_which_somebody_is_an_author_names_people() -> None:
    for type, paths in AUTHORS.items():
        assert type in CLINICAL
        for path in paths:
            element = definitions.elements(type)[f"{type}.{path}"]
            targets = " ".join(target for one in element.types for target in one.targets)
            assert "Practitioner" in targets, (type, path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("subject", {"reference": "Practitioner/d"}),
        ("performer", {"reference": "PractitionerRole/another"}),
        ("performer", {"identifier": {"system": "urn:other", "value": NUMBER["value"]}}),
        ("performer", {"reference": "http://elsewhere/Practitioner/d"}),
        ("performer", {"display": "Practitioner/d"}),
    ],
)
async def test_who_is_named_otherwise_is_no_author(house: House, path: str, value: Tree) -> None:
    tree = of_a("Observation", "other", value, path) | ({"subject": value} if path == "subject" else {})
    await kept(house, tree, base=BASE)
    assert (await Caller(house, DOCTOR)("GET", "Observation/other")).status == 404


#: How a resource names whose it is, without naming a patient who is here → whether its author reads it.
@pytest.mark.parametrize(
    ("subject", "read"),
    [
        (None, True),
        ({"reference": "Group/g"}, True),
        ({"reference": "Location/l"}, True),
        ({"identifier": {"system": "urn:ins", "value": "1"}}, False),
        ({"reference": "Patient/absent"}, False),
        ({"reference": "http://elsewhere/Patient/1"}, False),
    ],
)
async def test_what_is_of_no_record_is_read_by_its_author_alone(house: House, subject: Any, read: bool) -> None:
    tree = of_a("Observation", "nobodys", NAMES["by a reference"], "performer")
    tree = {**tree, "subject": subject} if subject else {k: v for k, v in tree.items() if k != "subject"}
    await kept(house, tree, base=BASE)
    assert (await Caller(house, DOCTOR)("GET", "Observation/nobodys")).status == (200 if read else 404)
    assert (await Caller(house, grant("Practitioner/e", ALL))("GET", "Observation/nobodys")).status == 404


async def test_who_is_blocked_files_what_they_measured_and_does_not_change_it(house: House) -> None:
    """CSP R1111-47: filing is not consultation."""
    tree: Tree = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/a"},
        "performer": [{"reference": "Practitioner/d"}],
    }
    ask = Caller(house, DOCTOR)
    async with Situation(house, chosen("blocked", "Practitioner/d")):
        answer = await ask("POST", "Observation", tree)
        assert answer.status == 201, answer.json
        for method, body in (("GET", None), ("PUT", {**tree, "id": answer.id}), ("DELETE", None)):
            refused = await ask(method, f"Observation/{answer.id}", body)
            absent = await ask(method, "Observation/absent", {**tree, "id": "absent"} if body else None)
            assert refused.status == absent.status, method
        await kept(house, of_a("Observation", "absent"), base=BASE)
    assert (await ask("GET", f"Observation/{answer.id}")).status == 200
    assert (await ask("PUT", f"Observation/{answer.id}", {**tree, "id": answer.id})).status == 200


async def test_a_stranger_changes_nothing_of_a_record(house: House) -> None:
    tree = {**of_a("Observation", "x"), "status": "final", "code": {"text": "y"}}
    ask = Caller(house, DOCTOR)
    assert (await ask("DELETE", "Observation/x")).status in (204, 404)
    patched = await ask("PATCH", "Observation/x", b'[{"op": "add", "path": "/status", "value": "final"}]',
                        "application/json-patch+json")  # fmt: skip
    assert patched.status == 404
    put = await ask("PUT", "Observation/x", tree)
    assert put.status in (403, 404, 409), put.json
    whole = await Caller(house, grant(None, Scope("system", "*", frozenset("rs"))))("GET", "Observation/x")
    assert whole.version == 1


async def test_what_is_clinical_is_of_a_record_and_no_paperwork() -> None:
    assert {"Observation", "Condition", "MedicationRequest", "CarePlan", "CareTeam", "DiagnosticReport"} <= CLINICAL
    assert not {"Appointment", "Communication", "Consent", "Task", "Patient", "DocumentReference"} & CLINICAL
