"""What the server sends names the shard key, but for what is declared; and the plan is what is declared.

No router is here to try: `fhir_server/store/mongo/schema.py` says by what a cluster would divide the collections, and the
commands of real journeys are held to it. https://www.mongodb.com/docs/manual/core/sharded-cluster-query-router/
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store import opening
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, And, Id, Linked, Not, Refers, Token, Word
from fhir_server.store.mongo import routing
from fhir_server.store.mongo.schema import INDEXES, SCATTERED, SHARD_KEYS
from fhir_server.store.notes import NOTED
from fhir_server.store.protocol import Delete, Drop, Guard, Keep
from tests import mongod
from tests.server import closed
from tests.shards import of, scattered, undeclared
from tests.store.making import MASKED, OPEN, a_put, an_index, stored


def test_what_names_the_shard_key_is_told_from_what_does_not() -> None:
    named: list[Any] = [{"rk": "a", "_id": "x"}, {"$and": [{"rk": {"$in": ["a"]}}, {"t": "P"}]}]
    named.append({"$or": [{"rk": "a"}, {"$and": [{"rk": "b"}]}]})
    assert [scattered("res", one) for one in named] == [set()] * 3
    unnamed: list[Any] = [
        {"_id": "x"},
        {"rk": {"$gt": "a"}},
        {"$or": [{"rk": "a"}, {"_id": "y"}]},
        {"$nor": [{"rk": "a"}]},
    ]
    assert all(scattered("res", one) and not scattered("res", one) & SCATTERED.keys() for one in unnamed)
    assert scattered("res", {"t": "Patient"}) == {("res", "t")}
    assert undeclared({"find": "res", "filter": {"_id": "Patient/a"}}) == [("res", "_id")]
    assert undeclared({"delete": "log", "deletes": [{"q": {"v": 1}}]}) == [("log", "v")]
    assert undeclared({"distinct": "res"}) == [("distinct", "?")]
    assert undeclared({"find": "res", "filter": {"t": "Patient"}}) == undeclared({"ping": 1}) == []


@pytest.fixture
async def engine(sent: list[dict[str, Any]]) -> AsyncIterator[Engine]:
    opened = opening.open_engine(mongod.url(), max_pending=10, deadline_seconds=30)
    yield opened
    await opened.close()


#: What software does about one patient: verb, path, body.
JOURNEYS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "read": ("GET", "Patient/1", None),
    "vread": ("GET", "Patient/1/_history/1", None),
    "create": (
        "POST",
        "Observation",
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/1"},
        },
    ),
    "update": ("PUT", "Patient/1", {"resourceType": "Patient", "id": "1", "gender": "female"}),
    "delete": ("DELETE", "Patient/2", None),
}


def traces(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents of traces that were inserted."""
    inserted = [one for command in commands if command.get("insert") == "res" for one in command["documents"]]
    return [one for one in inserted if one["t"] == "AuditEvent"]


@pytest.mark.parametrize("journey", JOURNEYS)
async def test_what_is_done_about_a_patient_is_asked_of_the_shards_where_it_lies(
    sent: list[dict[str, Any]], tmp_path: Path, journey: str
) -> None:
    """So are its traces. What alone is asked of more is the feed, by every process and whatever anybody does."""
    verb, path, body = JOURNEYS[journey]
    async with closed.serving(tmp_path, store=mongod.url()) as space:
        await space.backend()
        token = await space.backend_token()
        for n in "12":
            patient = {"resourceType": "Patient", "id": n, "gender": "male"}
            # Whatever is done once after a start has been done by then.
            assert (await space.fhir("PUT", f"Patient/{n}", token, json=patient)).is_success
            assert (await space.fhir("GET", f"Patient/{n}", token)).is_success
        sent.clear()
        answer = await space.fhir(verb, path, token, json=body)
        assert answer.is_success, answer.text
    assert {row for one in of(sent) for row in scattered(*one)} <= {("log", "_id")}
    assert traces(sent)


async def test_what_names_no_shard_is_what_is_declared(engine: Engine, sent: list[dict[str, Any]]) -> None:
    """All that the store is asked: whatever is not declared names its shard, and whatever is declared is met."""
    store, records = engine.store, engine.records
    index = an_index(Word("patient", "Patient/a"), Word("security", "N"))
    start = (await engine.changes(None)).position
    await store.transact([a_put("Patient", "a", 0, OPEN), a_put("Group", "g", 0, index), a_put("AuditEvent", "t")])
    await store.append([a_put("AuditEvent", "u")])
    guard = Guard("Patient", Token("security", "N"), frozenset({"a"}))
    await store.transact([replace(a_put("Patient", "a", 1, MASKED), claims=frozenset({"s|1"}))], [guard])
    (version,) = await store.transact([replace(a_put("Patient", "b"), claims=frozenset({"s|2"}))])
    await store.transact([Delete("Patient", "b", 1)])
    await store.reindex([(version, OPEN)])
    for where in (
        EVERYTHING,
        Id(("a", "b")),
        And((Refers("patient", "Patient/a"), Token("security", "N"), Not(Token("security", "R")))),
        Linked("patient", "Patient", Token("security", "R")),
    ):
        scope = {"Group": where, "Patient": where}
        await store.find(scope)
        await store.find_each([scope])
        await store.count(scope)
        await store.walk(scope)
        await store.history(scope)
        await store.history_count(scope)
    await store.history({"Patient": EVERYTHING}, "a")
    await store.read("Patient", "a")
    await store.read_many([("Patient", "a"), ("Group", "g")])
    await store.vread_many([("Patient", "a", 1), ("Patient", "a", 2)])
    await store.chain()
    await store.chain(since=1)
    await store.changes(start[:1])
    await engine.changes(start)
    await store.purge([("Patient", "b"), ("AuditEvent", "t")], "x")
    await records.put("code", "a/1", b"1", 60)
    await records.add("code", "a/2", b"2")
    await records.swap("code", "a/1", b"1", b"3")
    await records.apply([Keep("code", "a/3", b"", new=True), Drop("code", "a/2")], [a_put("AuditEvent", "w")])
    await records.get("code", "a/1")
    await records.get_each([("code", "a/1"), ("code", "a/3")])
    await records.list("code", "a/")
    await records.list_by("code", "code", "")
    await records.sweep(None, 10)
    await records.sweep(("code", "a"), 10)
    await records.take("code", "a/1")
    for kind in sorted(NOTED)[:1]:
        await records.put(kind, "n", b"")
        await records.take(kind, "n")
    assert {collection for collection, _ in of(sent)} == INDEXES.keys()
    assert {row for one in of(sent) for row in scattered(*one)} == SCATTERED.keys()


async def test_pieces_of_long_bodies_are_asked_for_by_their_shard_key(
    engine: Engine, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhir_server.store.mongo import bodies

    monkeypatch.setattr(bodies, "INSIDE", 50)
    await engine.store.transact([a_put("Patient", "a", note="x" * 200)])
    version = await engine.store.read("Patient", "a")
    assert version is not None and len(version.body) > 200
    await engine.store.purge([("Patient", "a")])
    asked_of = [condition for collection, condition in of(sent) if collection == "parts"]
    assert len(asked_of) > 3 and not any(scattered("parts", one) for one in asked_of)


async def test_what_is_written_again_stays_where_it_lies(engine: Engine, sent: list[dict[str, Any]]) -> None:
    """A shard key that changes moves a document from one shard to another, which transactions here never do."""
    await engine.store.transact([a_put("Patient", "a")])
    await engine.store.transact([a_put("Patient", "a", 1, MASKED)])
    (version,) = await engine.store.transact([a_put("Patient", "a", 2, OPEN)])
    await engine.store.reindex([(version, MASKED)])
    await engine.records.put("code", "a", b"1")
    await engine.records.put("code", "a", b"2")
    changes = [(str(one["update"]), each) for one in sent if next(iter(one)) == "update" for each in one["updates"]]
    assert len(changes) > 4
    for collection, each in changes:
        keys = SHARD_KEYS[collection] or {}
        new = each["u"].get("$set", each["u"]) if isinstance(each["u"], dict) else {}
        assert {name: new[name] for name in keys if name in new}.items() <= each["q"].items()


def test_no_index_is_unique_but_one_that_the_shard_key_leads() -> None:
    """A shard knows of its own documents alone. https://www.mongodb.com/docs/manual/core/sharding-shard-a-collection/"""
    assert SHARD_KEYS.keys() == INDEXES.keys()
    assert {name for name, _ in SCATTERED} <= {name for name, keys in SHARD_KEYS.items() if keys}
    for name, indexes in INDEXES.items():
        shard_key = [*(SHARD_KEYS[name] or {}).items()]
        assert [
            keys for keys, how in indexes if how.get("unique") and [*keys.items()][: len(shard_key)] != shard_key
        ] == []


async def test_an_id_says_the_part_so_that_no_two_shards_have_it() -> None:
    """`_id` is unique on each shard alone: that it is so everywhere follows from the shard key, which it decides."""
    for name in ("res", "hist"):
        assert next(iter(SHARD_KEYS[name] or {})) == "rk"
    assert routing.routed(["Patient/a"]) == {"rk": routing.part("Patient", "a"), "_id": "Patient/a"}
    assert routing.routed(["Patient/a/3"])["rk"] == routing.part("Patient", "a")


def commands(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line and not line.startswith("//")]


def test_the_plan_divides_what_is_declared_without_a_database() -> None:
    lines = opening.shard_plan("sqlite:///x.sqlite")
    asked = [one for one in commands(lines) if one.startswith("sh.shardCollection(")]
    divided = [json.loads(f"[{one[len('sh.shardCollection(') : -1]}]") for one in asked]
    assert divided == [[f"fhir.{name}", keys] for name, keys in SHARD_KEYS.items() if keys]
    assert commands(lines)[0] == 'sh.enableSharding("fhir")'
    assert any("NOT TRIED: routing itself" in line for line in lines)
    for name, why in [(name, why) for (name, _), why in SCATTERED.items()]:
        assert any(line.startswith(f"// {name}") and line.endswith(why) for line in lines)
    assert commands(opening.shard_plan("mongodb://nowhere.invalid/x", "other"))[0] == 'sh.enableSharding("other")'


async def test_the_plan_of_a_store_says_its_sizes_and_makes_nothing() -> None:
    mongod.require()
    url = mongod.url()
    name = url.rpartition("/")[2].partition("?")[0]
    assert sum("Not there yet." in line for line in opening.shard_plan(url)) == len(SHARD_KEYS)
    engine: Any = opening.open_engine(url, max_pending=10, deadline_seconds=30)
    await stored(engine, "Patient", {"a": OPEN, "b": OPEN})
    lines = opening.shard_plan(url)
    place = next(n for n, line in enumerate(lines) if line.startswith("// res:"))
    assert re.fullmatch(r"// 2 documents, [\d,]+ bytes of data, [\d,]+ on disk, [\d,]+ of indexes\.", lines[place + 1])
    assert f'sh.shardCollection("{name}.res", ' in "\n".join(lines)
    # A shard key needs an index that it leads: MongoDB makes those that the plan asks for.
    needed = [one for one in commands(lines) if ".createIndex(" in one]
    database = engine._stored.res.database
    for one in needed:
        collection, keys = re.findall(r'getCollection\("(\w+)"\)\.createIndex\((.*)\)', one)[0]
        await database[collection].create_index([*json.loads(keys).items()])
    for collection, shard_key in SHARD_KEYS.items():
        made = [[*map(tuple, one["key"])] for one in (await database[collection].index_information()).values()]
        assert any(keys[: len(shard_key or {})] == [*(shard_key or {}).items()] for keys in made)
    await engine.close()


def test_a_database_that_is_not_there_is_said_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    mongod.require()
    from fhir_server.store.mongo import opening as own

    monkeypatch.setattr(own, "_AT_START", 300)
    with pytest.raises(Unavailable) as refused:
        opening.shard_plan(f"mongodb://u:geheim@127.0.0.1:{mongod.free_port()}/x")
    assert "cannot be reached" in str(refused.value) and "geheim" not in str(refused.value)
