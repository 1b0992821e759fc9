"""Traces are chained in the order of their commits, whoever writes them and with whatever else.

`fhir_server/store/chain.py`, `fhir_server/store/protocol.py`: `Store.chain`.
"""

from __future__ import annotations

import asyncio

from fhir_server.store.chain import CHAINED, Link, follows
from fhir_server.store.engine import Engine
from fhir_server.store.protocol import Delete, Stale
from tests.store.making import OPEN, a_put


async def links(engine: Engine, count: int = 1_000) -> list[Link]:
    """The whole chain, read so many links at a time, each seen to follow the one before."""
    found: list[Link] = []
    stretch = await engine.store.chain(count=count)
    digest = stretch.start.digest
    assert stretch.start.older == 0
    while True:
        for link in stretch.links:
            assert follows(link, digest) and not link.lost
            digest = link.digest
        found += stretch.links
        if len(stretch.links) < count:
            return found
        stretch = await engine.store.chain(after=found[-1].place, count=count)


async def append(engine: Engine, *ids: str) -> None:
    await engine.store.append([a_put(CHAINED, id, 0, OPEN, "POST") for id in ids])


async def test_a_new_store_has_a_chain_without_links(engine: Engine) -> None:
    await engine.store.transact([a_put("Patient", "p")])
    assert await links(engine) == []
    assert list((await engine.store.chain(since=0)).links) == []


async def test_each_trace_is_a_link_whether_appended_or_in_a_commit_with_others(engine: Engine) -> None:
    await append(engine, "a")
    await engine.store.transact([a_put("Patient", "p"), a_put(CHAINED, "b", 0, OPEN, "POST"), a_put("Group", "g")])
    await append(engine, "c")
    found = await links(engine)
    assert [(link.version.id, link.version.version) for link in found] == [("a", 1), ("b", 1), ("c", 1)]
    stored = await engine.store.read_many([(CHAINED, link.version.id) for link in found])
    assert [link.version.body for link in found] == [version and version.body for version in stored]


async def test_what_follows_a_trace_is_a_link_of_its_own(engine: Engine) -> None:
    await append(engine, "a", "b")
    await engine.store.transact([a_put(CHAINED, "a", 1, OPEN)])
    await engine.store.transact([Delete(CHAINED, "b", 1)])
    versions = [(link.version.id, link.version.version, link.version.method) for link in await links(engine)]
    assert sorted(versions[:2]) == [("a", 1, "POST"), ("b", 1, "POST")]
    assert versions[2:] == [("a", 2, "PUT"), ("b", 2, "DELETE")]


async def test_a_trace_whose_commit_was_refused_is_no_link(engine: Engine) -> None:
    await engine.store.transact([a_put("Patient", "p")])
    overtaken = [a_put(CHAINED, "lost", 0, OPEN, "POST"), a_put("Patient", "p")]
    both = await asyncio.gather(append(engine, "a"), engine.store.transact(overtaken), return_exceptions=True)
    assert isinstance(both[1], Stale)
    await append(engine, "b")
    assert [link.version.id for link in await links(engine)] == ["a", "b"]


async def test_many_writers_at_once_make_one_chain(engine: Engine) -> None:
    writing = [append(engine, *(f"{n}-{m}" for m in range(4))) for n in range(20)]
    await asyncio.gather(*writing, engine.store.transact([a_put("Patient", "p")]))
    assert len({link.version.id for link in await links(engine)}) == 80


async def test_the_chain_is_read_in_parts(engine: Engine) -> None:
    await append(engine, *(f"t{n}" for n in range(7)))
    whole = await links(engine)
    assert await links(engine, count=3) == whole
    assert (await engine.store.chain(after=whole[-1].place)).links == ()


async def test_a_part_since_an_instant_begins_with_the_link_before_it(engine: Engine) -> None:
    for n in range(4):
        await append(engine, f"t{n}")
        await asyncio.sleep(0.005)
    whole = await links(engine)
    assert len({link.version.at for link in whole}) == 4
    for n in range(1, 4):
        assert list((await engine.store.chain(since=whole[n].version.at)).links) == whole[n - 1 :]
    assert list((await engine.store.chain(since=whole[-1].version.at + 10_000)).links) == whole[-1:]
    assert list((await engine.store.chain(since=0)).links) == whole
