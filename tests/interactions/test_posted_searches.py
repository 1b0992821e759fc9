"""Searches that are posted, and their pages: nothing of what was posted stands in a link.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from fhir_server.access.grant import ALL, Grant, Scope
from fhir_server.http.uri import LONGEST
from fhir_server.search.answering import posted
from tests.server.calls import BASE, Answer, Server

Json = dict[str, Any]
SECRET = "Dupont-Durand"
DICE = random.Random(7)
#: So many ids that no URL could hold them: identifiers that repeat nothing, so that packing spares little.
MANY = ",".join(f"{DICE.getrandbits(96):024x}" for _ in range(900))


async def people(server: Server, count: int = 7) -> None:
    for n in range(count):
        patient = {"resourceType": "Patient", "id": f"p{n}", "active": True, "name": [{"family": SECRET}]}
        assert (await server.put(f"Patient/p{n}", patient)).status == 201
        observation = {
            "resourceType": "Observation",
            "id": f"o{n}",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/p0"},
        }
        assert (await server.put(f"Observation/o{n}", observation)).status == 201


def links(answer: Answer) -> dict[str, str]:
    return {row["relation"]: row["url"] for row in answer.json["link"]}


def found(answer: Answer) -> list[str]:
    return [e["resource"]["id"] for e in answer.json.get("entry", ()) if e["search"]["mode"] == "match"]


async def follow(server: Server, url: str) -> Answer:
    assert url.startswith(BASE + "/") or url.startswith(BASE + "?")
    return await server.get(url.removeprefix(BASE).lstrip("/"))


#: Where a search is posted → what is posted, and how many match.
SEARCHES = {
    "Patient/_search": (f"family={SECRET}&_count=2&_sort=_id", 7),
    "_search": (f"_type=Patient&_lastUpdated=gt2000&_content={SECRET.split('-')[0].lower()}&_count=3", 7),
    "Patient/p0/Observation/_search": ("status=final&_count=3&code:text=x", 7),
    "Patient/p0/_search": ("_count=3&_lastUpdated=gt2001-02-03", 8),
    "Patient/p0/*/_search": ("_count=3&_lastUpdated=gt2001-02-03", 8),
}


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
@pytest.mark.parametrize("where", SEARCHES)
async def test_the_pages_of_a_posted_search_are_whole_and_their_links_say_nothing(
    server: Server, where: str, long: bool
) -> None:
    await people(server)
    asked, matches = SEARCHES[where]
    if long:
        # More alternatives, none of which is there: the same matches.
        asked += f"&_id:not={MANY}"
    answer = await server.call("POST", f"{where}?{asked}")
    assert answer.status == 200, answer.json
    assert links(answer)["self"] == f"{BASE}/{where}"
    seen = found(answer)
    before = answer
    while "next" in links(answer):
        for relation, url in links(answer).items():
            assert len(url) < LONGEST, relation
            for said in (SECRET, SECRET.lower(), "family", "gt200", "final", "status", MANY[:24]):
                assert said not in url, (relation, said)
        before, answer = answer, await follow(server, links(answer)["next"])
        assert answer.status == 200, answer.json
        seen += found(answer)
    assert len(seen) == len(set(seen)) == matches
    assert found(await follow(server, links(answer)["previous"])) == found(before)
    assert found(await follow(server, links(answer)["first"])) == seen[: len(found(before))]
    assert found(await follow(server, links(answer)["self"])) == found(answer)


def parameters(**values: Any) -> Json:
    rows = [{"name": name, **value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": rows}


@pytest.mark.parametrize("where", ["Patient/p0/$everything", "Patient/$everything"])
async def test_the_pages_of_a_posted_operation_are_whole_and_their_links_say_nothing(
    server: Server, where: str
) -> None:
    await people(server)
    asked = parameters(start={"valueDate": "1987-06-05"}, _count={"valueInteger": 3}, _type={"valueCode": "Patient"})
    asked["parameter"].append({"name": "_type", "valueCode": "Observation"})
    answer = await server.post(f"{where}?_elements=id", asked)
    assert answer.status == 200 and links(answer)["self"] == f"{BASE}/{where}", answer.json
    seen = found(answer)
    while "next" in links(answer):
        assert not [
            said for said in ("1987", "_type", "Observation", "_count", "start") if said in links(answer)["next"]
        ]
        answer = await follow(server, links(answer)["next"])
        assert answer.status == 200, answer.json
        assert found(await follow(server, links(answer)["self"])) == found(answer)
        assert not [e for e in answer.json["entry"] if {"name", "subject"} & e["resource"].keys()]
        seen += found(answer)
    assert len(seen) == len(set(seen)) == (8 if "p0" in where else 14)


async def test_the_pages_of_an_operation_in_a_url_go_on_as_they_began(server: Server) -> None:
    await people(server)
    answer = await server.get("Patient/p0/$everything?_count=3&_elements=id")
    assert "_count=3" in links(answer)["next"] and "_elements=id" in links(answer)["next"]
    following = await follow(server, links(answer)["next"])
    assert following.status == 200
    assert not [e for e in following.json["entry"] if "subject" in e["resource"]]


@pytest.mark.parametrize("where", ["Patient/p1/$everything", "Patient/p0/_search"])
async def test_a_link_of_a_posted_operation_is_for_that_operation_alone(server: Server, where: str) -> None:
    await people(server)
    answer = await server.post("Patient/p0/$everything", parameters(_count={"valueInteger": 1}))
    token = links(answer)["next"].partition("_cursor=")[2]
    path = where if "$" in where else "Patient/p0/*"
    assert (await server.get(f"{path}?_cursor={token}")).status == 400
    assert (await server.get(f"Patient/p0/$everything?_cursor={token}&_count=2")).status == 400


async def test_an_operation_that_was_posted_has_its_own_address(server: Server) -> None:
    await people(server, 1)
    asked = parameters(subject={"valueString": "Patient/p0"}, code={"valueString": SECRET})
    answer = await server.post("Observation/$lastn", asked)
    assert links(answer) == {"self": f"{BASE}/Observation/$lastn"}


async def test_a_posted_search_of_one_page_has_its_own_address_and_no_token(server: Server) -> None:
    await people(server, 1)
    for asked in (f"family={SECRET}", f"family={SECRET}&_summary=count", "family=nobody"):
        answer = await server.call("POST", f"Patient/_search?{asked}")
        assert links(answer) == {"self": f"{BASE}/Patient/_search"}


async def test_a_search_in_a_url_keeps_its_links_as_they_were(server: Server) -> None:
    await people(server, 3)
    answer = await server.get("Patient?active=true&_count=1")
    assert links(answer)["self"] == f"{BASE}/Patient?active=true&_count=1"
    assert "_cursor=" in links(answer)["next"] and "active=true" in links(answer)["next"]


async def test_the_pages_of_a_search_in_a_long_url_can_be_asked_for(server: Server) -> None:
    """A URL near the longest there may be would be refused with a position added to it."""
    await people(server, 3)
    answer = await server.get(f"Patient?_id:not={MANY[:12_000]}&_count=1")
    seen = found(answer)
    while "next" in links(answer):
        assert len(links(answer)["next"]) < LONGEST
        answer = await follow(server, links(answer)["next"])
        seen += found(answer)
    assert len(seen) == len(set(seen)) == 3


async def _next(server: Server, asked: str = "active=true&_count=1") -> str:
    answer = await server.call("POST", f"Patient/_search?{asked}")
    return links(answer)["next"].removeprefix(BASE + "/")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: url[:-9] + ("A" if url[-9] != "A" else "B") + url[-8:],
        lambda url: url[:40],
        lambda url: url.replace("Patient?", "Observation?"),
        lambda url: url.replace("Patient?", "Patient/p0/Observation?"),
        lambda url: url + "&active=false",
        lambda url: url + "&" + url.partition("?")[2],
        lambda url: "Patient?_cursor=posted.",
        lambda url: "Patient?_cursor=posted.é",
    ],
)
async def test_a_link_that_this_server_did_not_give_is_refused(server: Server, spoil: Any) -> None:
    await people(server, 3)
    answer = await server.get(spoil(await _next(server)))
    assert answer.status == 400, answer.json


async def test_a_link_gives_each_caller_what_they_may_see(server: Server) -> None:
    """It says what was asked, and no more: the caller's own rule is applied anew."""
    await people(server, 3)
    url = await _next(server)
    nobody = server.as_caller(Grant(traced=False))
    assert (await nobody.get(url)).status == 403


async def test_a_long_search_is_kept_once_for_all_its_pages_and_not_for_ever(server: Server) -> None:
    await people(server, 3)
    asked = f"_id:not={MANY}&_count=1"
    urls = {await _next(server, asked) for _ in range(3)}
    assert len(urls) == 3 and len(await server.engine.records.list("posted-search")) == 1
    for key, _ in await server.engine.records.list("posted-search"):
        await server.engine.records.take("posted-search", key)
    gone = await server.get(urls.pop())
    assert gone.status == 410 and gone.expressions == ["http._cursor"]


async def test_long_searches_are_kept_for_each_client_up_to_a_number(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posted, "SLOTS", 4)
    await people(server, 3)
    statuses = [(await server.call("POST", f"Patient/_search?_id:not={MANY},x{n}&_count=1")).status for n in range(6)]
    assert statuses == [200, 200, 200, 200, 429, 429]
    # What another client has is not in the way.
    other = server.as_caller(Grant(scopes=(ALL,), client="other", traced=False))
    assert (await other.call("POST", f"Patient/_search?_id:not={MANY}&_count=1")).status == 200


async def test_nothing_is_kept_for_nobody(server: Server) -> None:
    await people(server, 3)
    nobody = server.as_caller(Grant(scopes=(Scope("system", "Patient", frozenset("rs")),), traced=False))
    assert (await nobody.call("POST", "Patient/_search?active=true&_count=1")).status == 200
    refused = await nobody.call("POST", f"Patient/_search?_id:not={MANY}&_count=1")
    assert (refused.status, refused.codes) == (400, ["too-costly"])
    assert await server.engine.records.list("posted-search") == []
