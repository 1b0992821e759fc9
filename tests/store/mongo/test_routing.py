"""Whatever is asked of one resource says on which part of the data it lies, so that a sharded cluster asks one shard.

There is no router here: what the driver sends is looked at instead. `fhir_server/store/mongo/routing.py`;
https://www.mongodb.com/docs/manual/core/sharded-cluster-query-router/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.store import opening
from fhir_server.store.filters import EVERYTHING, And, Id, Linked, Not, Refers, Token, Word
from fhir_server.store.protocol import Delete, Guard
from tests import mongod
from tests.store.making import MASKED, OPEN, a_put, an_index

#: Collections that are divided by `rk`.
DIVIDED = {"res", "hist"}


def asked(command: dict[str, Any]) -> Iterator[Any]:
    """The conditions of a command on a divided collection."""
    name = next(iter(command))
    if str(command[name]) not in DIVIDED:
        return
    if name == "find":
        yield command["filter"]
    elif name == "aggregate":
        yield [stage["$match"] for stage in command["pipeline"] if "$match" in stage]
    elif name in ("update", "delete"):
        yield from (one["q"] for one in command[name + "s"])
    elif name == "insert":
        yield from ({"rk": one["rk"], "_id": one["_id"]} for one in command["documents"])
    else:
        raise AssertionError(name)


def by_id_alone(condition: Any) -> bool:
    """Whether something is asked of an `_id` that does not say where it lies."""
    if isinstance(condition, dict):
        return ("_id" in condition and "rk" not in condition) or any(map(by_id_alone, condition.values()))
    return isinstance(condition, list) and any(map(by_id_alone, condition))


async def test_what_is_asked_of_an_id_says_where_it_lies(sent: list[dict[str, Any]]) -> None:
    engine = opening.open_engine(mongod.url(), max_pending=10, deadline_seconds=30)
    store = engine.store
    index = an_index(Word("patient", "Patient/a"), Word("security", "N"))
    await store.transact([a_put("Patient", "a", 0, OPEN), a_put("Group", "g", 0, index)])
    await store.transact([a_put("Patient", "a", 1, MASKED)], [Guard("Patient", Id(("a",)), frozenset({"a"}))])
    (version,) = await store.transact([a_put("Patient", "b")])
    await store.transact([Delete("Patient", "b", 1)])
    await store.reindex([(version, OPEN)])
    await store.read("Patient", "a")
    await store.read_many([("Patient", "a"), ("Group", "g")])
    await store.vread_many([("Patient", "a", 1), ("Patient", "a", 2)])
    for where in (
        EVERYTHING,
        Id(("a", "b")),
        And((Refers("patient", "Patient/a"), Token("security", "N"), Not(Token("security", "R")))),
        Linked("patient", "Patient", Token("security", "R")),
    ):
        await store.find({"Group": where}, count=1)
        await store.find({"Group": where, "Patient": where})
        await store.count({"Group": where})
        await store.walk({"Group": where})
        await store.history({"Group": where, "Patient": EVERYTHING})
    await store.history({"Patient": EVERYTHING}, "a")
    await store.purge([("Patient", "b")])
    await engine.close()
    conditions = [one for command in sent for one in asked(command)]
    assert len(conditions) > 40
    assert [one for one in conditions if by_id_alone(one)] == []


async def test_ids_of_one_patients_resources_lie_together_and_tell_no_more() -> None:
    mongod.require()
    from fhir_server.store.mongo.routing import part

    engine = opening.open_engine(mongod.url(), max_pending=10, deadline_seconds=30)
    patient = engine.store.new_id("Patient")
    owned = [engine.store.new_id(type, lambda: f"Patient/{patient}") for type in ("Observation", "AuditEvent") * 50]
    assert {part("Observation", id) for id in owned} == {part("Patient", patient)}
    # Of somebody whose id came from elsewhere too; what is nobody's is spread.
    other = [engine.store.new_id("Observation", lambda: "Patient/1") for _ in range(5)]
    assert {part("Observation", id) for id in other} == {part("Patient", "1")}
    assert len({part("Group", engine.store.new_id("Group")) for _ in range(100)}) > 90
    assert len({part("Group", str(n)) for n in range(100)}) > 90
    assert all(patient[5:] not in id and len(id.rpartition("-")[2]) >= 24 for id in owned)
    await engine.close()
