"""The leak matrix of what is clinical: by no way out is it told of to a professional who is not let in.

Two servers, alike but for the hidden resources; what others say of them stands in both, as it does of what is absent.
https://hl7.org/fhir/R4/security.html, CSP R1111-46.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from fhir_server.access.grant import Grant
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.store.matching import unpack
from tests.server.people import a_care_team, kept
from tests.space.record import clinical_ways
from tests.space.record.callers import ALL, BASE, OWN, SYSTEM, Caller, Tree, grant
from tests.space.record.clinical_ways import HIDDEN
from tests.space.record.gated import chosen
from tests.space.record.test_leak_matrix import told

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Who is not let in: nobody's choice, blocked though of the team, in context and not, or refused an emergency.
KEPT_OUT: dict[str, Grant] = {
    "stranger": grant("Practitioner/stranger", ALL, purpose="TREAT"),
    "stranger's tool": grant("Practitioner/stranger", OWN, patient="a", purpose="TREAT"),
    "stranger's software": grant("Practitioner/stranger", SYSTEM),
    "blocked": grant("Practitioner/blocked", ALL),
    "refused emergency": grant("Practitioner/stranger", OWN, patient="a", purpose="BTG", reason="unconscious"),
}
LET_IN = {
    "author": grant("Practitioner/author", ALL),
    "of the team": grant("Practitioner/other", ALL),
    "of the team, in context": grant("Practitioner/other", OWN, patient="a"),
    "call centre": grant("Practitioner/stranger", OWN, patient="a", purpose="ETREAT"),
    "patient's app": grant("Patient/a", OWN, patient="a"),
    "system": grant(None, SYSTEM),
}


async def peopled(house: House, hidden: bool) -> None:
    """Everybody, and what the stranger may see; with what is hidden where it is to be."""
    a = {"subject": {"reference": "Patient/a"}}
    mine = {"performer": [{"reference": "Practitioner/stranger"}, {"reference": "Practitioner/blocked"}]}
    people: list[Tree] = [
        *({"resourceType": "Patient", "id": id} for id in ("a", "b")),
        *({"resourceType": "Practitioner", "id": id} for id in ("author", "other", "stranger", "blocked")),
        a_care_team("a", "Practitioner/other", "Practitioner/blocked"),
        chosen("blocked", "Practitioner/blocked"),
        chosen("btg-refused"),
        {"resourceType": "Observation", "id": "other", "status": "final", "code": {"text": "x"}, **a, **mine},
        {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"}, **a},
    ]
    await kept(house, *people, base=BASE)
    await kept(house, *(HIDDEN.values() if hidden else ()), base=BASE)
    await kept(house, *clinical_ways.linkers(), base=BASE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[House, House]]:
    """With what is hidden, and without it."""
    async with AsyncExitStack() as stack:
        made = []
        for hidden in (True, False):
            settings = Settings(data=tmp_path_factory.mktemp("world"), base_url=BASE)
            house = await stack.enter_async_context(opened(settings))
            await peopled(house, hidden)
            made.append(house)
        yield made[0], made[1]


@pytest.mark.parametrize("name", KEPT_OUT)
async def test_no_way_out_tells_what_is_clinical_from_what_is_absent(worlds: tuple[House, House], name: str) -> None:
    one, other = (Caller(house, KEPT_OUT[name]) for house in worlds)
    indexes = {}
    for type in HIDDEN:
        version = await worlds[0].engine.store.read(type, "h")
        assert version is not None
        indexes[type] = unpack(version.packed)
    calls = {json.dumps(call): call for call in clinical_ways.every(indexes, worlds[0].registry)}
    telling = []
    for method, url, body, type, headers in calls.values():
        there, absent = [await caller(method, url, body, type, **headers) for caller in (one, other)]
        if told(there) != told(absent) or there.status >= 500:
            telling.append((method, url, body, dict(headers), there.status, absent.status))
    assert telling == []


@pytest.mark.parametrize("name", LET_IN)
async def test_from_who_is_let_in_it_is_not_hidden(worlds: tuple[House, House], name: str) -> None:
    """The matrix would be as green if nobody saw anything."""
    caller = Caller(worlds[0], LET_IN[name])
    for type in HIDDEN:
        assert (await caller("GET", f"{type}/h")).status == 200, type
        assert (await caller("GET", f"{type}?_id=h&_tag=hiddentag&_total=accurate")).json["total"] == 1, type
