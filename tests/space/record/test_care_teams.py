"""Who writes a care team, which opens the record to its members (CSP L1110-12): nobody lets themself in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.interactions.exchange import FHIR_JSON
from fhir_server.settings import Settings
from tests.server.people import a_care_team
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, Tree, document, grant
from tests.space.record.test_reading import born, patient, related

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Who writes a care team of a patient → what they are told.
TEAMS: list[tuple[str, Any, str, int]] = [
    ("of the team", grant("Practitioner/in", ALL), "a", 201),
    ("of the team, in the record", grant("Practitioner/in", OWN, patient="a"), "a", 201),
    ("a stranger", grant("Practitioner/out", ALL), "a", 403),
    ("a stranger in the record", grant("Practitioner/out", OWN, patient="a"), "a", 403),
    ("a stranger who breaks the glass", grant("Practitioner/out", OWN, patient="a", purpose="BTG"), "a", 403),
    ("of the team of another", grant("Practitioner/in", ALL), "b", 403),
    ("the patient", grant("Patient/a", ALL), "a", 201),
    ("the patient's app", grant("Patient/a", OWN, patient="a"), "a", 201),
    ("a parent", grant("Patient/a", ALL, wards=frozenset({"child"})), "child", 201),
    ("a caregiver", grant("RelatedPerson/carer", ALL, wards=frozenset({"b"})), "b", 403),
    ("an administrator", grant(None, SYSTEM), "b", 201),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("teams"), base_url=BASE)) as found:
        own = Caller(found)
        for tree in (
            *(patient(id, born(50)) for id in ("a", "b")),
            patient("child", born(9)),
            related("carer", "b", "CAREGIVER", "inscarer"),
            *({"resourceType": "Practitioner", "id": id} for id in ("in", "out")),
            a_care_team("a", "Practitioner/in"),
            document("d", "N", author={"display": "x"}),
        ):
            await own.put(tree)
        yield found


@pytest.mark.parametrize(("caller", "of", "status"), [row[1:] for row in TEAMS], ids=[row[0] for row in TEAMS])
async def test_a_care_team_is_written_by_whoever_decides_or_is_let_in(
    house: House, caller: Any, of: str, status: int
) -> None:
    team: Tree = {**a_care_team(of, "Practitioner/new"), "id": None}
    answer = await Caller(house, caller)("POST", "CareTeam", {name: one for name, one in team.items() if one})
    assert answer.status == status, answer.json


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE", "batch", "transaction"])
async def test_nobody_lets_themself_in(house: House, verb: str) -> None:
    out = Caller(house, grant("Practitioner/out", ALL))
    mine = a_care_team("a", "Practitioner/in", "Practitioner/out")
    new = {name: one for name, one in mine.items() if name != "id"}
    patch = [{"op": "add", "path": "/participant/-", "value": {"member": {"reference": "Practitioner/out"}}}]
    entry = {"resource": new, "request": {"method": "POST", "url": "CareTeam"}}
    bundle = {"resourceType": "Bundle", "type": verb, "entry": [entry]}
    match verb:
        case "POST":
            answer = await out("POST", "CareTeam", new)
        case "PATCH":
            answer = await out("PATCH", "CareTeam/team-a", patch, "application/json-patch+json")
        case "batch" | "transaction":
            answer = await out("POST", "", bundle)
        case _:
            answer = await out(verb, "CareTeam/team-a", mine if verb == "PUT" else None)
    status = answer.json["entry"][0]["response"]["status"] if verb == "batch" else str(answer.status)
    # The team that is there is of a record they are not let in to: it answers as one that is absent.
    assert status[:3] == ("404" if verb in ("PUT", "PATCH", "DELETE") else "403")
    assert (await Caller(house)("GET", "CareTeam/team-a")).version == 1
    assert not await out.sees("DocumentReference", "d")


#: What the patient does → how, under their own token.
ENDINGS: dict[str, tuple[str, str, Any, str]] = {
    "it is inactive": (
        "PATCH",
        "CareTeam/old",
        [{"op": "replace", "path": "/status", "value": "inactive"}],
        "application/json-patch+json",
    ),
    "who is in it is not": (
        "PATCH",
        "CareTeam/old",
        [{"op": "remove", "path": "/participant/0"}],
        "application/json-patch+json",
    ),
    "it is deleted": ("DELETE", "CareTeam/old", None, FHIR_JSON),
    "who is in it is blocked": (
        "POST",
        "Patient/b/$record-choose",
        {
            "resourceType": "Parameters",
            "parameter": [
                {
                    "name": "choice",
                    "part": [
                        {"name": "kind", "valueCode": "blocked"},
                        {"name": "practitioner", "valueReference": {"reference": "Practitioner/out"}},
                    ],
                }
            ],
        },
        FHIR_JSON,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_team_of_before_the_rule_lets_in_until_its_patient_ends_it(house: House, ending: str) -> None:
    """Nothing stored says who wrote it, and hospitals' own teams are as old."""
    own, out = Caller(house), Caller(house, grant("Practitioner/out", ALL))
    await own.put({**a_care_team("b", "Practitioner/out"), "id": "old"})
    await own.put(document("of-b", "N", patient="b", author={"display": "x"}))
    assert await out.sees("DocumentReference", "of-b")
    method, url, body, kind = ENDINGS[ending]
    ended = await Caller(house, grant("Patient/b", ALL))(method, url, body, kind)
    assert ended.status in (200, 204), ended.json
    assert not await out.sees("DocumentReference", "of-b")
