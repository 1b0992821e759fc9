"""Search parameters added while the server runs: seen by every worker, indexed in the background, usable when complete.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fhir_server.changes.engine import followed
from fhir_server.fhir.json import serialize, stamped
from fhir_server.search.activation.reindex import (
    BATCH,
    SLICE_BYTES,
    Indexing,
    Progress,
    indexed_anew,
    progress,
    reindexed,
    types_of,
)
from fhir_server.search.activation.watch import FORMAT, FORMAT_KEPT, STANDING, Watch, complete
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Index, String, Word
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Delete, Put, Version
from tests.engines import an_engine
from tests.search.test_declared import a_parameter

URL = "http://a.example/SearchParameter/nickname"
JOJO = String("nickname", "jojo")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    opened = an_engine(tmp_path)
    yield opened
    await opened.close()


class Worker:
    """One of several processes on the same store: its own registry, nothing shared but the engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine, follower = followed(engine)
        self.registry = Registry()
        self.watch = Watch(self.registry, self.engine.store, self.engine.records, follower)
        self.indexing = Indexing(self.engine.store, self.engine.records, self.watch, settle_seconds=0)

    async def put(self, *trees: dict[str, Any]) -> None:
        writes = []
        for tree in trees:
            before = await self.engine.store.read(tree["resourceType"], tree["id"])
            expected = before.version if before else 0
            body, stamp = stamped(serialize(tree), tree["id"], expected + 1)
            index = extract(tree["resourceType"], tree, self.registry)
            writes.append(Put(tree["resourceType"], tree["id"], expected, body, stamp, index))
        await self.engine.store.transact(writes)

    async def declare(self, **changes: Any) -> None:
        await self.put({**a_parameter(**changes), "id": "nickname"})

    async def found(self) -> list[str]:
        page = await self.engine.store.find({"Patient": JOJO}, count=1000)
        return sorted(version.id for version in page.versions)


def a_patient(id: str, nickname: str = "Jojo") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"use": "nickname", "given": [nickname]}]}


async def test_a_new_parameter_is_pending_until_what_was_there_is_indexed(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.put(a_patient("old"))
    await worker.declare()
    assert worker.registry.state(URL) == "pending"
    assert worker.registry.get("Patient", "nickname") is None
    await worker.put(a_patient("new"))
    assert await worker.found() == ["new"]
    assert await worker.indexing.run()
    assert worker.registry.state(URL) == "complete"
    assert worker.registry.get("Patient", "nickname") is not None
    assert await worker.found() == ["new", "old"]


async def test_other_workers_follow(engine: Engine) -> None:
    first, second = Worker(engine), Worker(engine)
    await second.watch.refresh()
    await first.declare()
    assert second.registry.state(URL) is None
    assert await second.watch.refresh()
    assert second.registry.state(URL) == "pending"
    await first.indexing.run()
    await second.watch.refresh()
    assert second.registry.state(URL) == "complete"


async def test_nothing_is_read_while_nothing_changed(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.declare()
    generation = worker.registry.generation
    assert not await worker.watch.refresh()
    await worker.put(a_parameter(id="another", status="retired"))
    assert not await worker.watch.refresh()  # looked, and found the same
    assert worker.registry.generation == generation


async def test_a_worker_that_starts_later_knows_what_is_complete(engine: Engine) -> None:
    first = Worker(engine)
    await first.declare()
    await first.indexing.run()
    later = Worker(engine)
    await later.watch.refresh()
    assert later.registry.state(URL) == "complete"


async def test_a_changed_definition_is_indexed_again(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.put(a_patient("p"))
    await worker.declare()
    await worker.indexing.run()
    await worker.declare(expression="Patient.name.family")
    assert worker.registry.state(URL) == "pending"
    await worker.indexing.run()
    assert worker.registry.state(URL) == "complete"
    assert await worker.found() == []


async def test_a_parameter_that_goes_and_comes_back_is_indexed_again(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.declare()
    await worker.indexing.run()
    await engine.store.transact([Delete("SearchParameter", "nickname", 1)])
    await worker.watch.refresh()
    assert URL not in worker.registry.added()
    await worker.put(a_patient("between"))
    await worker.declare()
    assert worker.registry.state(URL) == "pending"
    await worker.indexing.run()
    assert await worker.found() == ["between"]


async def test_a_retired_parameter_is_no_longer_searched(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.declare()
    await worker.indexing.run()
    await worker.declare(status="retired")
    assert worker.registry.get("Patient", "nickname") is None
    assert URL not in dict(await engine.records.list(STANDING))


async def test_a_parameter_that_would_be_refused_harms_nobody(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.put({**a_parameter(url="http://a.example/bad", code="bad", expression="Patient.nope"), "id": "bad"})
    await worker.declare()
    assert URL in worker.registry.added()
    assert "http://a.example/bad" not in worker.registry.added()


#: Versions of two resources with one URL → the expression of the one in force: the last version, then the last id.
TWINS = {("1.0.0", "1.0.0"): "b", ("2.10.0", "2.9.0"): "a", ("1", "1.1"): "b", ("", "1"): "b", ("2", ""): "a"}


@pytest.mark.parametrize("versions", TWINS)
async def test_of_two_with_one_url_the_last_version_is_in_force_in_every_worker(
    engine: Engine, versions: tuple[str, str]
) -> None:
    one, other = Worker(engine), Worker(engine)
    said = {"a": "Patient.name.given", "b": "Patient.name.family"}
    twins = [
        {**a_parameter(expression=said[id]), "id": id, **({"version": version} if version else {})}
        for id, version in zip("ab", versions, strict=True)
    ]
    # One that is told at once and one that looks: neither takes the standing from the other without an end.
    await asyncio.wait_for(one.put(*twins), 60)
    await asyncio.wait_for(other.watch.refresh(), 60)
    for worker in (one, other):
        [(parameter, _)] = [v for url, v in worker.registry.added().items() if url == URL]
        assert parameter.expression == said[TWINS[versions]]
    assert not await one.watch.refresh() and not await other.watch.refresh()


async def test_complete_is_not_said_of_a_definition_that_was_overtaken(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.declare()
    await complete(engine.records, URL, "the fingerprint of another definition")
    await worker.watch.refresh()
    assert worker.registry.state(URL) == "pending"


async def test_one_worker_at_a_time(engine: Engine) -> None:
    first, second = Worker(engine), Worker(engine)
    await first.put(*[a_patient(f"p{n}") for n in range(BATCH + 1)])
    await first.declare()
    await second.watch.refresh()
    assert sorted(await asyncio.gather(first.indexing.run(), second.indexing.run())) == [False, True]
    assert len(await first.found()) == BATCH + 1


async def test_where_a_worker_stopped_another_goes_on(engine: Engine) -> None:
    first, second = Worker(engine), Worker(engine)
    await first.put(*[a_patient(f"p{n:04}") for n in range(3 * BATCH)])
    await first.declare()
    await second.watch.refresh()
    steps: list[Progress] = []

    def stop(job: Progress) -> None:
        steps.append(job)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await first.indexing.run(report=stop)
    assert await second.indexing.run(report=steps.append)
    assert [job.done for job in steps] == [BATCH, 2 * BATCH, 3 * BATCH]
    assert len(await second.found()) == 3 * BATCH
    assert second.registry.state(URL) == "complete"


async def test_progress_can_be_read(engine: Engine) -> None:
    worker = Worker(engine)
    assert await progress(engine.records) is None
    await worker.put(*[a_patient(f"p{n}") for n in range(5)])
    await worker.declare()
    await worker.indexing.run()
    found = await progress(engine.records)
    assert found is not None
    assert (found.state, found.done, found.total, found.types) == ("complete", 5, 5, ("Patient",))
    assert URL in found.parameters
    assert found.ended is not None
    assert found.ended >= found.started


async def test_all_can_be_indexed_on_command(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.put(a_patient("p"), {"resourceType": "Person", "id": "q", "name": [{"family": "Q"}]})
    page = await engine.store.walk(dict.fromkeys(["Patient", "Person"], EVERYTHING))
    await engine.store.reindex([(version, Index()) for version in page.versions])
    assert await worker.indexing.run(types_of(["Resource"]))
    person = await engine.store.read("Person", "q")
    assert person is not None
    assert Word("name", "q", "Q") in unpack(person.packed).words


async def test_a_command_for_some_types_completes_only_what_is_about_them(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.declare()
    await worker.indexing.run(["Person"])
    assert worker.registry.state(URL) == "pending"
    await worker.indexing.run(["Patient"])
    assert worker.registry.state(URL) == "complete"


async def test_deletions_are_passed_over(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.put(a_patient("gone"), a_patient("here"))
    await engine.store.transact([Delete("Patient", "gone", 1)])
    await worker.declare()
    await worker.indexing.run()
    assert await worker.found() == ["here"]


async def test_rows_that_are_no_part_of_the_resource_are_carried_over(engine: Engine) -> None:
    worker = Worker(engine)
    binary = {
        "resourceType": "Binary",
        "id": "b",
        "contentType": "text/plain",
        "securityContext": {"reference": "Patient/1"},
    }
    body, stamp = stamped(serialize(binary), "b", 1)
    await engine.store.transact(
        [Put("Binary", "b", 0, body, stamp, Index((Word("_writer", "app"), Word("_securityContext", "Patient/0"))))]
    )
    stored = await engine.store.read("Binary", "b")
    assert stored is not None
    rows = {(w.param, w.value) for w in indexed_anew(stored, worker.registry).words if w.param[0] == "_"}
    assert rows == {("_writer", "app"), ("_securityContext", "Patient/1")}


async def test_attending_indexes_what_comes(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.put(a_patient("p"))
    task = asyncio.create_task(worker.indexing.attend(every_seconds=0.01))
    await worker.declare()
    async with asyncio.timeout(120):
        while worker.registry.state(URL) != "complete":  # noqa: ASYNC110 - nothing tells of it, as for a client
            await asyncio.sleep(0.01)
    task.cancel()
    assert await worker.found() == ["p"]


@pytest.mark.parametrize(
    "bases, some, count",
    [(["Patient"], "Patient", 1), (["Resource"], "Binary", 146), (["DomainResource"], "Patient", 143), ([], None, 0)],
)
def test_abstract_bases_are_the_types_that_inherit(bases: list[str], some: str | None, count: int) -> None:
    found = types_of(bases)
    assert len(found) == count
    assert some is None or some in found


async def test_what_an_earlier_server_indexed_otherwise_is_indexed_anew_by_itself(engine: Engine) -> None:
    """An index written by other rules answers wrongly, and nobody would know that a command is to be run."""
    trees = [{"resourceType": "Immunization", "id": id, "occurrenceDateTime": "2024-03-01T18:00:00Z"} for id in "ab"]
    puts = [Put("Immunization", tree["id"], 0, *stamped(serialize(tree), tree["id"], 1), Index()) for tree in trees]
    await engine.store.transact(puts)
    worker = Worker(engine)
    assert await worker.indexing.bring_up_to_date()
    for id in "ab":
        found = await engine.store.read("Immunization", id)
        assert found is not None and [span.param for span in unpack(found.packed).spans] == ["date"]
    # Done once: the second time there is nothing to do.
    assert await engine.records.get(*FORMAT_KEPT) == FORMAT
    assert not await worker.indexing.bring_up_to_date()


async def test_a_new_store_has_nothing_to_index_anew(engine: Engine) -> None:
    worker = Worker(engine)
    await worker.watch.refresh()
    assert await engine.records.get(*FORMAT_KEPT) == FORMAT


async def test_a_slice_is_short_at_first_and_ends_at_large_resources(engine: Engine) -> None:
    """Whoever needs the process that makes the indexes waits for one slice of them."""
    worker = Worker(engine)
    large = {**a_patient("large"), "name": [{"text": "x" * SLICE_BYTES}]}
    await worker.put(*[a_patient(f"p{n:02}") for n in range(10)], large, *[a_patient(f"q{n:02}") for n in range(10)])
    page = await engine.store.walk({"Patient": EVERYTHING})
    slices: list[list[str]] = []

    async def anew(versions: Sequence[Version]) -> list[Index]:
        slices.append([version.id for version in versions])
        return [indexed_anew(version, worker.registry) for version in versions]

    await reindexed(engine.store, page.versions, anew)
    assert len(slices[0]) == 1
    assert next(one for one in slices if "large" in one)[-1] == "large"
    assert [id for one in slices for id in one] == [version.id for version in page.versions]
