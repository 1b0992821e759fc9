"""Every write goes one way: a service's steps judge it, complete it, find it and hear of it, whoever asks.

https://hl7.org/fhir/R4/http.html, https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, FhirError
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import Context, Request
from fhir_server.interactions.pipeline import Among, Change, Extra, Step
from fhir_server.loading.loader import loader
from fhir_server.loading.pump import Job, Outcome
from fhir_server.loading.reindexing import reindex_all
from fhir_server.loading.sources import Part
from fhir_server.settings import Settings
from fhir_server.space.service import Service
from fhir_server.space.services import SERVICES
from fhir_server.store.filters import EVERYTHING, Id, Token, Word
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Guard, Version

BASE = "http://127.0.0.1/fhir"
Tree = dict[str, Any]


def _topics(tree: Tree) -> list[str]:
    return [tag["code"] for tag in tree.get("meta", {}).get("tag", ())]


# An invented service: what is said of an Observation in its tags is kept beside it.


async def judge(context: Context, change: Change) -> None:
    tree = change.tree or parse(change.before.body if change.before else b"{}")
    if "refused" in _topics(tree) or (change.tree is None and change.id == "stays"):
        raise Conflict("This is refused by the invented service.")


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    own = context.repository.as_server()
    stop = await own.current("Flag", "stop")
    guard = Guard("Flag", Id(("stop",)), frozenset({"stop"} if stop is not None and not stop.deleted else ()))
    extra = []
    for change in changes:
        if change.tree is None:
            before = await own.current("Basic", f"about-{change.id}")
            if before is not None and not before.deleted:
                extra.append(Change("Basic", before.id, None, before, "DELETE", as_server=True))
            continue
        if "overtaken" in _topics(change.tree) and stop is None:
            await put(own, {"resourceType": "Flag", "id": "stop"})
        before = await own.current("Basic", f"about-{change.id}")
        tree = {"resourceType": "Basic", "id": f"about-{change.id}", "code": {"text": "about"}}
        tree |= {"subject": {"reference": f"Observation/{change.id}"}}
        if "invalid" in _topics(change.tree):
            tree.pop("code")
        mine = "mine" in _topics(change.tree)
        extra.append(Change("Basic", tree["id"], tree, before, "PUT", as_server=not mine))
    return Extra(extra, [guard])


async def arrange(context: Context, change: Change) -> Change:
    """What an Observation says in a note is kept in a Flag, which takes its place."""
    assert change.tree is not None
    if "note" not in change.tree:
        return change
    flag: Tree = {"resourceType": "Flag", "id": f"of-{change.id}", "status": "active", "code": {"text": "kept apart"}}
    flag["subject"] = {"reference": "Patient/1"}
    tree = {name: value for name, value in change.tree.items() if name != "note"}
    tree["hasMember"] = [{"reference": f"Flag/{flag['id']}"}]
    return change.arranged(tree, Change("Flag", flag["id"], flag, None, "POST"))


def rows(tree: Tree, base: str) -> Iterator[Word]:
    for topic in _topics(tree):
        yield Word("~topic", topic)


HEARD: list[list[str]] = []


async def after(context: Context, versions: Sequence[Version]) -> None:
    HEARD.append(sorted(f"{one.type}{' gone' if one.deleted else ''}" for one in versions))


TALLY = Service(
    "tally",
    steps=(
        Step("tally", frozenset({"Observation"}), arrange=arrange, judge=judge, complete=complete),
        Step("tally-heard", frozenset({"Observation", "Basic"}), after=after),
    ),
    rows={"Observation": f"{__name__}:rows"},
)


async def put(own: Any, tree: Tree) -> None:
    made = await own.put(tree["resourceType"], tree["id"], tree, json.dumps(tree).encode(), None)
    await own.transact([made])


def an_observation(topic: str = "", **more: Any) -> Tree:
    meta = {"meta": {"tag": [{"code": topic}]}} if topic else {}
    return {"resourceType": "Observation", **meta, "status": "final", "code": {"text": "x"}, **more}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url=BASE), (*SERVICES, TALLY)) as found:
        for id in ("o", "stays"):
            await put(found.repository(), an_observation(id=id))
        HEARD.clear()
        yield found


async def call(
    house: House, method: str, url: str, body: Any = None, grant: Grant = OPEN, type: str = "fhir", **headers: str
) -> int:
    """The status; of a Bundle with one entry, the entry's."""
    path, _, query = url.partition("?")
    segments = tuple(part for part in path.split("/") if part)
    raw = json.dumps(body).encode() if body is not None else b""
    asked = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(method, segments, tuple(parse_qsl(query)), raw, f"application/{type}+json", asked)
    context = house.context_of(await house.seen_by(grant, BASE), BASE, True, "representation", "")
    try:
        response = await audited(request, context)
    except FhirError as error:
        return error.status
    tree = json.loads(response.body) if response.body else {}
    if tree.get("resourceType") == "Bundle":
        return int(tree["entry"][0]["response"]["status"][:3])
    return response.status


def bundle(kind: str, method: str, url: str, resource: Tree | None = None) -> Tree:
    held = {} if resource is None else {"resource": resource}
    entry = {"request": {"method": method, "url": url}, **held}
    return {"resourceType": "Bundle", "type": kind, "entry": [entry]}


async def loaded(house: House, tree: Tree, processes: int = 1) -> int:
    """As a status: 201 when it was taken, 409 when it was refused."""
    told: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        told.append(outcome)

    async def jobs() -> AsyncIterator[Job]:
        yield Job(Part(json.dumps(tree).encode(), True, 1, 1, 1), "key", report)

    async with loader(house, processes) as load:
        await load.load(jobs(), lambda: False)
    return 409 if told[0].refused else 201


def a_patch(topic: str) -> list[Tree]:
    return [{"op": "add", "path": "/meta/tag", "value": [{"code": topic}]}]


def a_meta(topic: str) -> Tree:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": topic}]}}]}


Way = Callable[[House, str], Awaitable[int]]
#: The interaction → how an Observation comes to have a topic by it.
WAYS: dict[str, Way] = {
    "create": lambda h, t: call(h, "POST", "Observation", an_observation(t)),
    "conditional create": lambda h, t: call(
        h, "POST", "Observation", an_observation(t), if_none_exist="identifier=none"
    ),
    "update": lambda h, t: call(h, "PUT", "Observation/o", an_observation(t, id="o")),
    "update as create": lambda h, t: call(h, "PUT", "Observation/new", an_observation(t, id="new")),
    "conditional update": lambda h, t: call(h, "PUT", "Observation?_id=o", an_observation(t)),
    "patch": lambda h, t: call(h, "PATCH", "Observation/o", a_patch(t), type="json-patch"),
    "conditional patch": lambda h, t: call(h, "PATCH", "Observation?_id=o", a_patch(t), type="json-patch"),
    "$meta-add": lambda h, t: call(h, "POST", "Observation/o/$meta-add", a_meta(t)),
    "batch": lambda h, t: call(h, "POST", "", bundle("batch", "POST", "Observation", an_observation(t))),
    "transaction POST": lambda h, t: call(
        h, "POST", "", bundle("transaction", "POST", "Observation", an_observation(t))
    ),
    "transaction PUT": lambda h, t: call(
        h, "POST", "", bundle("transaction", "PUT", "Observation/o", an_observation(t, id="o"))
    ),
    "load": lambda h, t: loaded(h, an_observation(t)),
    "load over what is there": lambda h, t: loaded(h, an_observation(t, id="o")),
}
WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


async def of_topic(house: House, topic: str) -> tuple[Version, ...]:
    return (await house.repository().find({"Observation": Token("~topic", topic)})).versions


@WAY
async def test_what_a_step_refuses_is_not_written_nor_anything_with_it(house: House, way: Way) -> None:
    assert await way(house, "refused") == 409
    assert await of_topic(house, "refused") == ()
    assert await house.repository().count({"Basic": EVERYTHING}) == 0
    assert HEARD == []


@WAY
async def test_what_a_step_adds_is_of_the_same_commit_and_heard_of_once(house: House, way: Way) -> None:
    assert await way(house, "topic") in (200, 201)
    [made] = await of_topic(house, "topic")
    added = await house.repository().current("Basic", f"about-{made.id}")
    assert added is not None and added.at == made.at
    assert HEARD == [["Basic", "Observation"]]


@WAY
async def test_what_was_overtaken_leaves_nothing_and_is_judged_again(house: House, way: Way) -> None:
    assert await way(house, "overtaken") in (200, 201)
    [made] = await of_topic(house, "overtaken")
    added = await house.repository().current("Basic", f"about-{made.id}")
    assert added is not None and (added.version, added.at) == (1, made.at)
    assert HEARD == [["Basic", "Observation"]]


@WAY
async def test_what_a_step_adds_is_judged_as_any_write(house: House, way: Way) -> None:
    assert await way(house, "invalid") in (409, 422)
    assert await of_topic(house, "invalid") == ()


@WAY
async def test_own_rows_find_it_and_survive_indexing_anew(house: House, way: Way) -> None:
    await way(house, "topic")
    assert await reindex_all(house, ["Observation"], lambda done, total: None) >= 2
    [found] = await of_topic(house, "topic")
    assert [word.value for word in unpack(found.packed).words if word.param == "~topic"] == ["topic"]


#: Ways that send a whole Observation.
SENT = {name: way for name, way in WAYS.items() if "patch" not in name and "$" not in name}


@pytest.mark.parametrize("name", SENT)
async def test_what_is_sent_is_stored_in_the_form_a_step_gives_it(
    house: House, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = an_observation
    note = [{"text": "long"}]
    monkeypatch.setattr(f"{__name__}.an_observation", lambda topic="", **more: plain(topic, note=note, **more))
    assert await SENT[name](house, "topic") in (200, 201)
    [made] = await of_topic(house, "topic")
    tree = parse(made.body)
    assert "note" not in tree and tree["hasMember"] == [{"reference": f"Flag/of-{made.id}"}]
    kept = await house.repository().current("Flag", f"of-{made.id}")
    assert kept is not None and kept.at == made.at
    assert parse(kept.body)["code"]["text"] == "kept apart"


#: The interaction → how an Observation is deleted by it.
ENDS: dict[str, Way] = {
    "delete": lambda h, id: call(h, "DELETE", f"Observation/{id}"),
    "conditional delete": lambda h, id: call(h, "DELETE", f"Observation?_id={id}"),
    "transaction": lambda h, id: call(h, "POST", "", bundle("transaction", "DELETE", f"Observation/{id}")),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_a_deletion_goes_the_same_way(house: House, end: Way) -> None:
    await WAYS["update"](house, "topic")
    HEARD.clear()
    assert await end(house, "stays") == 409
    assert await end(house, "o") in (200, 204)
    added = await house.repository().current("Basic", "about-o")
    assert added is not None and added.deleted
    assert HEARD == [["Basic gone", "Observation gone"]]


async def test_a_step_adds_what_the_caller_may_not_write_only_as_the_server(house: House) -> None:
    practice = Grant((Scope("system", "Observation", frozenset("cruds")),), client="practice")
    assert await call(house, "POST", "Observation", an_observation("topic"), practice) == 201
    assert await call(house, "POST", "Observation", an_observation("mine"), practice) == 403
    assert await of_topic(house, "mine") == ()


async def test_the_audit_of_a_write_tells_of_what_was_added_too(house: House) -> None:
    practice = Grant((Scope("system", "Observation", frozenset("cruds")),), client="practice")
    await call(house, "PUT", "Observation/o", an_observation("topic", id="o"), practice)
    page = await house.repository().find({"AuditEvent": EVERYTHING})
    told = [one["what"]["reference"] for version in page.versions for one in parse(version.body)["entity"]]
    assert {one.partition("/_history")[0] for one in told} >= {"Observation/o", "Basic/about-o"}


async def test_two_entries_with_a_consequence_for_each_other_are_refused_together(house: House) -> None:
    both = bundle("transaction", "PUT", "Observation/o", an_observation("topic", id="o"))
    basic = {"resourceType": "Basic", "id": "about-o", "code": {"text": "mine"}}
    both["entry"] += bundle("transaction", "PUT", "Basic/about-o", basic)["entry"]
    assert await call(house, "POST", "", both) == 409
    assert await house.repository().current("Basic", "about-o") is None


async def test_of_a_type_that_no_step_names_none_is_asked(tmp_path: Path) -> None:
    # Of this service alone: those of the space name further types, Patient among them.
    async with opened(Settings(data=tmp_path, base_url=BASE), (TALLY,)) as house:
        HEARD.clear()
        context = house.own_context()
        assert house.pipeline.asks(context, "Observation") and not house.pipeline.asks(context, "Patient")
        assert await call(house, "POST", "Patient", {"resourceType": "Patient"}) == 201
        assert HEARD == []
        assert await call(house, "POST", "Observation", an_observation()) == 201
        assert HEARD == [["Basic", "Observation"]]


async def test_processes_that_load_know_the_same_services(house: House) -> None:
    assert await loaded(house, an_observation("topic"), processes=2) == 201
    [made] = await of_topic(house, "topic")
    assert await house.repository().current("Basic", f"about-{made.id}") is not None
