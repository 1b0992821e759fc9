"""What is hidden is not named either: what others say of it is left out, found by nobody, and put back when written.

https://hl7.org/fhir/R4/references.html. An invented rule hides Media with a tag; others refer to them in every shape.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.citing import Citing, restored
from fhir_server.access.confining import Told, telling
from fhir_server.access.rules import Asked, Rule
from fhir_server.app import House, opened
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.space.service import Service
from fhir_server.store.filters import Filter, Token
from tests.space.record.callers import ALL, BASE, Caller, Tree, grant

CITING = Citing(["DocumentReference"])
HIDDEN = {("DocumentReference", "x")}
X, Y = {"reference": "DocumentReference/x"}, {"reference": "DocumentReference/y"}


@pytest.mark.parametrize(
    "tree, left",
    [
        ({"entry": [{"item": X}, {"item": Y}]}, {"entry": [{"item": Y}]}),
        ({"entry": [{"item": X}], "title": "t"}, {"title": "t"}),
        ({"focus": X, "status": "draft"}, {"status": "draft"}),
        ({"context": {"related": [X, Y], "event": [{"text": "e"}]}}, {"context": {"related": [Y], "event": [{"text": "e"}]}}),
        ({"relatesTo": [{"code": "replaces", "target": X}]}, {}),
        ({"payload": [{"contentReference": X}, {"contentString": "s"}]}, {"payload": [{"contentString": "s"}]}),
        ({"section": [{"title": "a", "section": [{"entry": [X, Y]}]}]}, {"section": [{"title": "a", "section": [{"entry": [Y]}]}]}),
        ({"extension": [{"url": "u", "valueReference": X}], "id": "1"}, {"id": "1"}),
        ({"outer": {"inner": {"target": X}, "more": 1}, "id": "1"}, {"id": "1"}),
        ({"item": {"reference": f"{BASE}/DocumentReference/x/_history/2"}}, {}),
        ({"item": {"reference": "http://elsewhere/DocumentReference/x"}}, None),
        ({"item": {"reference": "DocumentReference/xx"}}, None),
        ({"link": [{"url": "DocumentReference/x"}]}, {}),
        ({"contained": [{"id": "c", "focus": X, "code": 1}], "focus": {"reference": "#c"}},
         {"contained": [{"id": "c", "code": 1}], "focus": {"reference": "#c"}}),
        # A narrative may say in words what is left out.
        ({"text": {"div": "x"}, "entry": [{"item": X}]}, {}),
        ({"text": {"div": "y"}, "entry": [{"item": Y}]}, None),
    ],
)  # fmt: skip
def test_the_smallest_element_that_says_it_is_left_out(tree: Tree, left: Tree | None) -> None:
    found = CITING.without(tree, HIDDEN, BASE)
    assert found == (tree if left is None else left)
    assert (found is tree) == (left is None)


@pytest.mark.parametrize(
    "body, perhaps",
    [
        (b'{"reference":"DocumentReference/x"}', HIDDEN),
        (b'{"reference":"DocumentReference\\/x"}', HIDDEN),
        (b'{"reference":"http://elsewhere/DocumentReference/x/_history/1"}', HIDDEN),
        (b'{"reference":"\\u0044ocumentReference/x"}', None),
        (b'{"resourceType":"DocumentReference","title":"\\u00e9"}', set()),
    ],
)
def test_a_reference_is_looked_for_however_it_is_escaped(body: bytes, perhaps: set[Any] | None) -> None:
    assert CITING.perhaps(body) == perhaps


A, B, C = ({"item": {"reference": f"DocumentReference/{id}"}} for id in ("a", "x", "c"))
NEW = {"item": {"reference": "DocumentReference/new"}}


@pytest.mark.parametrize(
    "whole, written, stored",
    [
        ({"entry": [A, B, C]}, {"entry": [A, C]}, {"entry": [A, B, C]}),
        ({"entry": [A, B, C]}, {"entry": [A, C, NEW]}, {"entry": [A, B, C, NEW]}),
        ({"entry": [A, B, C]}, {"entry": [C]}, {"entry": [C, B]}),
        ({"entry": [B]}, {"title": "t"}, {"title": "t", "entry": [B]}),
        ({"entry": [B]}, {"entry": [NEW]}, {"entry": [NEW]}),
        ({"focus": X}, {"status": "draft"}, {"status": "draft", "focus": X}),
        ({"focus": X}, {"focus": Y}, {"focus": Y}),
        ({"text": {"div": "x"}, "entry": [B]}, {"title": "t"}, {"title": "t", "text": {"div": "x"}, "entry": [B]}),
        ({"section": [{"title": "a", "entry": [X, Y]}]}, {"section": [{"title": "b", "entry": [Y]}]},
         {"section": [{"title": "b", "entry": [X, Y]}]}),
        # What they take away whole takes along what was hidden in it.
        ({"section": [{"title": "a", "entry": [X, Y]}]}, {"section": []}, {"section": []}),
    ],
)  # fmt: skip
def test_what_a_writer_was_not_shown_is_put_back(whole: Tree, written: Tree, stored: Tree) -> None:
    assert restored(whole, CITING.without(whole, HIDDEN, BASE), written) == stored


def test_the_parameters_that_tell_are_those_of_the_reference_and_of_what_goes_with_it() -> None:
    hidden, registry = frozenset({"DocumentReference"}), Registry()
    assert telling("DocumentReference", registry, hidden) == Told(
        frozenset({"relatesto", "related"}), frozenset({"relation", "relationship"})
    )
    assert telling("List", registry, hidden) == Told(frozenset({"item"}))
    assert telling("Patient", registry, hidden) == Told()
    assert "entity-role" in telling("AuditEvent", registry, hidden)


# Over the whole server, with an invented rule.


def _tagged(asked: Asked) -> Filter:
    return Token("_tag", "hidden")


HIDING = Service("hiding", rules=(Rule("hiding", "hidden", frozenset({"Media"}), withholds=_tagged, unnamed=True),))
DOCTOR = grant("Practitioner/d", ALL)
PATIENT = {"reference": "Patient/p"}


def media(id: str, **more: Any) -> Tree:
    tree = {"resourceType": "Media", "id": id, "status": "completed", "subject": PATIENT, "content": {"title": "x"}}
    return {**tree, **more}


def a_list(id: str, *ids: str, **more: Any) -> Tree:
    entry = {"entry": [{"item": {"reference": f"Media/{one}", "display": f"word{one}"}} for one in ids]} if ids else {}
    return {
        "resourceType": "List",
        "id": id,
        "status": "current",
        "mode": "working",
        "subject": PATIENT,
        **entry,
        **more,
    }


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings(data=tmp_path, base_url=BASE, referential_integrity=False)
    async with opened(settings, (HIDING,)) as found:
        own = Caller(found)
        await own.put({"resourceType": "Patient", "id": "p"})
        await own.put(media("seen"))
        await own.put(media("hidden", meta={"tag": [{"code": "hidden"}]}))
        for id, ids in LISTS.items():
            await own.put(a_list(id, *ids))
        yield found


LISTS = {"both": ("seen", "hidden"), "one": ("hidden",), "plain": ("seen",), "none": (), "absent": ("nowhere", "seen")}


def items(tree: Tree) -> list[str]:
    return [one["item"]["reference"] for one in tree.get("entry", ())]


async def test_every_way_out_shows_what_is_left(house: House) -> None:
    caller = Caller(house, DOCTOR)
    for url in ("List/both", "List/both/_history/1"):
        answer = await caller("GET", url)
        assert items(answer.json) == ["Media/seen"], url
    for url in ("List?_id=both", "List/both/_history", "List/_history", "Patient/p/$everything", "List?_include=*",
                "Patient?_revinclude=List:subject", "?_type=List"):  # fmt: skip
        answer = await caller("GET", url)
        assert answer.status == 200, url
        assert b"Media/hidden" not in answer.response.body and b"wordhidden" not in answer.response.body, url
        assert b"Media/seen" in answer.response.body, url
    assert items((await Caller(house)("GET", "List/both")).json) == ["Media/seen", "Media/hidden"]


@pytest.mark.parametrize(
    "query, found",
    [
        ("item=Media/seen", {"both", "plain", "absent"}),
        ("item=Media/hidden", set()),
        ("item=Media/nowhere", set()),
        ("item:Media=hidden", set()),
        ("item:missing=true", {"one", "none"}),
        ("item:missing=false", {"both", "plain", "absent"}),
        ("item:not=Media/hidden", None),
        ("item:Media.status=completed", {"both", "plain", "absent"}),
        ("item:Media._tag=hidden", set()),
        ("_content=wordhidden", set()),
        ("_content=wordseen&_id=plain", {"plain"}),
        ("_filter=item%20eq%20Media/hidden", set()),
        ("_sort=item", None),
    ],
)
async def test_it_is_found_by_no_link(house: House, query: str, found: set[str] | None) -> None:
    answer = await Caller(house, DOCTOR)("GET", f"List?{query}&_total=accurate")
    if found is None:
        assert answer.status == 400, answer.json
        return
    assert {one["id"] for one in answer.resources} == found
    assert answer.json["total"] == len(found)


async def test_a_writer_keeps_what_they_were_not_shown(house: House) -> None:
    caller = Caller(house, DOCTOR)
    shown = (await caller("GET", "List/both")).json
    answer = await caller("PUT", "List/both", {**shown, "title": "mine"})
    assert answer.status == 200 and items(answer.json) == ["Media/seen"]
    patched = await caller("PATCH", "List/both", [{"op": "add", "path": "/entry/1", "value": {"item": X}}],
                           "application/json-patch+json")  # fmt: skip
    assert patched.status == 200, patched.json
    assert b"Media/hidden" not in patched.response.body
    stored = (await Caller(house)("GET", "List/both")).json
    assert (stored["title"], items(stored)) == ("mine", ["Media/seen", "Media/hidden", "DocumentReference/x"])


@pytest.mark.parametrize(("prefer", "given"), [("return=representation", True), ("", False)])
async def test_a_transaction_that_gives_bodies_gives_them_without_it(house: House, prefer: str, given: bool) -> None:
    caller = Caller(house, DOCTOR)
    tree = {**(await caller("GET", "List/both")).json, "title": "mine"}
    entry = {"resource": tree, "request": {"method": "PUT", "url": "List/both"}}
    headers = {"prefer": prefer} if prefer else {}
    answer = await caller("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, **headers)
    assert answer.status == 200, answer.json
    assert b"hidden" not in answer.response.body
    shown = [items(one) for one in answer.resources] if "resource" in answer.json["entry"][0] else None
    assert shown == ([["Media/seen"]] if given else None)
    assert items((await Caller(house)("GET", "List/both")).json) == ["Media/seen", "Media/hidden"]
