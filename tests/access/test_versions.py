"""A past version is read by those who may read both what it was and what there is now, by whichever way one asks.

https://hl7.org/fhir/R4/http.html#vread, https://hl7.org/fhir/R4/http.html#history. The scene: something was written
about bob and corrected to be alice's, or was alice's in a category that was corrected to another.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.store.filters import Not, Token
from tests.access.test_leaks import Caller, a_document, ids
from tests.server.people import a_care_team

WRONG, RIGHT = "wrongword", "rightword"


def an_observation(patient: str, note: str, category: str = "laboratory") -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "id": "moved",
        "status": "final",
        "code": {"text": note},
        "category": [{"coding": [{"system": system, "code": category}]}],
        "subject": {"reference": f"Patient/{patient}"},
    }


def a_patients(id: str, where: Any = None) -> Grant:
    scopes = (Scope("patient", "*", VERBS),) if where is None else (
        Scope("patient", "Observation", frozenset("rs"), where), Scope("patient", "List", frozenset("rs")))  # fmt: skip
    return Grant(scopes, subject=f"Patient/{id}", patient=id, client="app")


LABORATORY = Token("category", "laboratory")
#: Who reads the resource as it is now and not as it was: what was wrong about it, what it says now, and their grant.
SCENES: dict[str, tuple[dict[str, Any], dict[str, Any], Grant]] = {
    "another's": (an_observation("bob", WRONG), an_observation("alice", RIGHT), a_patients("alice")),
    "of another category": (
        an_observation("alice", WRONG, "social-history"),
        an_observation("alice", RIGHT),
        a_patients("alice", LABORATORY),
    ),
    "of a category left out": (
        an_observation("alice", WRONG, "social-history"),
        an_observation("alice", RIGHT),
        a_patients("alice", Not(Token("category", "social-history"))),
    ),
}
#: The ways to see a version: method, path, query.
WAYS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "Observation/moved/_history/1", {}),
    ("HEAD", "Observation/moved/_history/1", {}),
    ("GET", "Observation/moved/_history/1/$meta", {}),
    ("GET", "Observation/moved/_history", {}),
    ("GET", "Observation/_history", {}),
    ("GET", "_history", {}),
    ("GET", "Observation/moved/_history", {"_at": "2000-01-01,2100-01-01"}),
    ("GET", "Observation/_history", {"_since": "2000-01-01"}),
    ("GET", "List", {"_include": "List:item"}),
    ("GET", "List", {"_include": "*"}),
    ("GET", "List", {"_include:iterate": "List:item"}),
    ("GET", "Patient/alice/$everything", {}),
    ("GET", "Patient/alice/*", {}),
]


@pytest.fixture(params=SCENES)
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[House, Grant]]:
    wrong, right, grant = SCENES[request.param]
    async with opened(Settings(data=tmp_path, open=True)) as house:
        server = Caller(house, OPEN)
        for id in ("alice", "bob"):
            await server("PUT", f"Patient/{id}", {"resourceType": "Patient", "id": id})
        await server("PUT", "Observation/moved", wrong)
        await server("PUT", "Observation/moved", right)
        lot = {
            "resourceType": "List",
            "id": "lot",
            "status": "current",
            "mode": "working",
            "subject": {"reference": "Patient/alice"},
            "entry": [{"item": {"reference": "Observation/moved/_history/1"}}],
        }
        status, said = await server("PUT", "List/lot", lot)
        assert status == 201, said
        yield house, grant


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]} {way[1]} {way[2]}")
@pytest.mark.parametrize("through", ["call", "batch"])
async def test_what_a_version_was_before_it_was_corrected_is_seen_by_no_way(
    scene: tuple[House, Grant], way: tuple[str, str, dict[str, str]], through: str
) -> None:
    house, grant = scene
    method, path, query = way
    if through == "batch":
        url = path + "".join(f"?{name}={value}" for name, value in query.items())
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": method, "url": url}}]}
        _, answer = await Caller(house, grant)("POST", "", bundle)
    else:
        _, answer = await Caller(house, grant)(method, path, query=query)
    assert WRONG not in json.dumps(answer)
    assert "Patient/bob" not in json.dumps(answer)


async def test_a_version_that_may_not_be_read_answers_like_one_that_never_was(scene: tuple[House, Grant]) -> None:
    house, grant = scene
    caller = Caller(house, grant)
    for tail in ("", "/$meta"):
        hidden = await caller("GET", f"Observation/moved/_history/1{tail}")
        absent = await caller("GET", f"Observation/moved/_history/9{tail}")
        assert hidden[0] == 404
        assert hidden == absent
    assert (await caller("GET", "Observation/moved/_history/2"))[1]["code"]["text"] == RIGHT


@pytest.mark.parametrize("path", ["Observation/moved/_history", "Observation/_history"])
async def test_totals_and_pages_of_a_history_count_only_what_is_shown(scene: tuple[House, Grant], path: str) -> None:
    house, grant = scene
    caller = Caller(house, grant)
    _, whole = await caller("GET", path)
    assert (whole["total"], [one["resource"]["meta"]["versionId"] for one in whole["entry"]]) == (1, ["2"])
    _, page = await caller("GET", path, query={"_count": "1"})
    assert [link["relation"] for link in page["link"]] == ["self"]
    assert (await caller("GET", path, query={"_count": "0"}))[1]["total"] == 1


async def test_the_one_it_was_about_by_mistake_sees_neither_version(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, open=True)) as house:
        server, bob = Caller(house, OPEN), Caller(house, a_patients("bob"))
        for patient, note in (("bob", WRONG), ("alice", RIGHT)):
            await server("PUT", "Observation/moved", an_observation(patient, note))
        for path in ("Observation/moved", "Observation/moved/_history", "Observation/moved/_history/1"):
            assert (await bob("GET", path))[0] == 404
        assert (await bob("GET", "Observation/_history"))[1]["total"] == 0


async def test_what_was_deleted_is_judged_by_what_it_was_at_its_end(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, open=True)) as house:
        server = Caller(house, OPEN)
        for patient, note in (("bob", WRONG), ("alice", RIGHT)):
            await server("PUT", "Observation/moved", an_observation(patient, note))
        await server("DELETE", "Observation/moved")
        alice, bob = Caller(house, a_patients("alice")), Caller(house, a_patients("bob"))
        status, history = await alice("GET", "Observation/moved/_history")
        assert (status, history["total"]) == (200, 2)
        assert WRONG not in json.dumps(history)
        assert [(await alice("GET", f"Observation/moved{v}"))[0] for v in ("", "/_history/2", "/_history/3")] == [
            410,
            200,
            410,
        ]
        assert [(await bob("GET", f"Observation/moved{v}"))[0] for v in ("", "/_history/2", "/_history/3")] == [404] * 3


async def test_a_past_version_of_a_binary_needs_what_it_named_then_and_what_it_names_now(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, open=True)) as house:
        server = Caller(house, OPEN)
        for id, patient in (("his", "bob"), ("hers", "alice")):
            await server("PUT", f"Patient/{patient}", {"resourceType": "Patient", "id": patient})
            await server("PUT", f"CareTeam/team-{patient}", a_care_team(patient, "Practitioner/d"))
            await server("PUT", f"DocumentReference/{id}", a_document(id, patient, binary="none"))
            content = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "eA=="}
            await server("PUT", "Binary/b", {**content, "securityContext": {"reference": f"DocumentReference/{id}"}})
        doctor = Grant((Scope("user", "*", VERBS),), subject="Practitioner/d", client="practice")
        for grant, seen in ((a_patients("alice"), ["2"]), (a_patients("bob"), []), (doctor, ["2", "1"])):
            caller = Caller(house, grant)
            _, history = await caller("GET", "Binary/_history")
            assert [one["resource"]["meta"]["versionId"] for one in history.get("entry", ())] == seen
            assert history["total"] == len(seen)
            for version in ("1", "2"):
                status, _ = await caller("GET", f"Binary/b/_history/{version}")
                assert status == (200 if version in seen else 404)


async def test_a_rule_by_a_search_parameter_that_came_later_holds_of_past_versions_too(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path, open=True)) as house:
        from fhir_server.search.activation.reindex import Indexing

        server = Caller(house, OPEN)
        for note in (WRONG, RIGHT):
            await server("PUT", "Observation/moved", an_observation("alice", note))
        added = {
            "resourceType": "SearchParameter",
            "url": "http://example.org/SearchParameter/word",
            "name": "Word",
            "status": "active",
            "description": "A word",
            "code": "word",
            "base": ["Observation"],
            "type": "string",
            "expression": "Observation.code.text",
        }
        assert (await server("POST", "SearchParameter", added))[0] == 201
        await Indexing(house.engine.store, house.engine.records, house.watch, "", settle_seconds=0).run()
        from fhir_server.store.filters import String

        without = Caller(house, a_patients("alice", Not(String("word", WRONG))))
        assert (await without("GET", "Observation/moved/_history"))[1]["total"] == 1
        assert (await without("GET", "Observation/moved/_history/1"))[0] == 404
        assert ids((await without("GET", "Observation"))[1]) == ["Observation/moved"]
