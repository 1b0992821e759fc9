"""Callers who come together are answered as if each had come alone, one after the other, whatever they ask.

`fhir_server/store/protocol.py`: `Store.transact`, guards and claims, and `Records.apply`. The engine in memory takes one
after the other; what it answers is what is meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.store.embedded import waiting
from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.engine import Engine
from fhir_server.store.filters import (
    EVERYTHING,
    And,
    Filter,
    Id,
    Index,
    Linked,
    LinkedFrom,
    Missing,
    Not,
    Or,
    Range,
    Span,
    Text,
    Token,
    Word,
)
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Delete, Drop, Guard, Keep, Put, Stale, Version, Write
from tests.store.making import a_put, an_index, defects
from tests.store.memory.engine import MemoryEngine

#: With traces, whose rows are written later; names that are claimed; places of records.
TYPES = ("A", "B", "AuditEvent")
NAMES = ("s|1", "s|2", "s|3")
PLACES = ("x", "y")
Job = Callable[[Engine], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class AskedWrite:
    """A write before it is known what is there: `index` None deletes; `amiss` is added to the version expected."""

    type: str
    id: str
    index: Index | None
    claims: frozenset[str] | None
    amiss: int


@dataclass(frozen=True)
class AskedGuard:
    """A condition: that there is what there is then, or what there was before anybody came."""

    type: str
    where: Filter
    of_before: bool


#: Few words, so that conditions and what is written have to do with each other.
IDS = ("1", "2")
words = st.builds(Word, st.just("p"), st.sampled_from(("x", "y", "A/1", "B/1")))
spans = st.builds(Span, st.just("q"), st.just(1), st.sampled_from((1, 2)))
indexes = st.builds(
    an_index,
    words,
    spans,
    st.just(Word("t", "x")),
    content=st.sampled_from((" chat ", " chien ")),
)
leaves: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Token, st.sampled_from(("p", "t", "never")), st.sampled_from(("x", "y"))),
    st.builds(Range, st.just("q"), st.none() | st.just(2), st.none(), st.none(), st.none() | st.just(2)),
    st.builds(Id, st.sets(st.sampled_from(IDS), max_size=2).map(sorted).map(tuple)),
    st.builds(Text, st.just("content"), st.just(("chat",))),
    st.builds(Missing, st.just("p")),
    st.just(Range("_lastUpdated", low_from=0)),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda *parts: And(parts), inner, inner),
        st.builds(lambda *parts: Or(parts), inner, inner),
        st.builds(Not, inner),
        st.builds(Linked, st.just("p"), st.sampled_from(("A", "B")), inner),
        st.builds(LinkedFrom, st.sampled_from(("A", "B")), st.just("p"), inner),
    ),
    max_leaves=2,
)
rarely = st.integers(0, 19).map(lambda n: {0: -1, 1: 1}.get(n, 0))
asked_writes = st.builds(
    AskedWrite,
    st.sampled_from(TYPES),
    st.sampled_from(IDS),
    st.sampled_from((True, True, True, False)).flatmap(lambda puts: indexes if puts else st.none()),
    st.none() | st.frozensets(st.sampled_from(NAMES), max_size=2),
    rarely,
)
asked_guards = st.builds(AskedGuard, st.sampled_from(("A", "A", "B", "AuditEvent")), filters, st.booleans())
changes = st.one_of(
    st.builds(Keep, st.just("job"), st.sampled_from(PLACES), st.sampled_from((b"1", b"2")), new=st.booleans()),
    st.builds(Keep, st.just("job"), st.sampled_from(PLACES), st.just(b"2"), old=st.sampled_from((b"1", b"2"))),
    st.builds(Drop, st.just("job"), st.sampled_from(PLACES)),
)
transacting = st.tuples(st.lists(asked_writes, min_size=1, max_size=3), st.lists(asked_guards, max_size=2))
applying = st.tuples(st.lists(changes, min_size=1, max_size=3), st.lists(asked_writes, max_size=2))
reindexing = st.tuples(st.sampled_from(TYPES), st.sampled_from(IDS), indexes)
jobs = st.lists(
    st.one_of(
        *[st.tuples(st.just("transact"), transacting)] * 6,
        st.tuples(st.just("apply"), applying),
        st.tuples(st.just("reindex"), reindexing),
    ),
    min_size=4,
    max_size=12,
)


async def written(serial: MemoryEngine, asked: Sequence[AskedWrite]) -> list[Write]:
    """The writes, of the versions that are there when they are asked for."""
    expected: dict[tuple[str, str], int] = {}
    made: list[Write] = []
    for one in asked:
        there = await serial.store.read(one.type, one.id)
        version = max(expected.get((one.type, one.id), there.version if there else 0) + one.amiss, 0)
        if one.index is None and version == 0:
            continue
        if one.index is None:
            made.append(Delete(one.type, one.id, version))
        else:
            made.append(replace(a_put(one.type, one.id, version, one.index), claims=one.claims))
        expected[one.type, one.id] = version + 1
    return made


async def guarded(serial: MemoryEngine, before: MemoryEngine, asked: Sequence[AskedGuard]) -> list[Guard]:
    made = []
    for one in asked:
        page = await (before if one.of_before else serial).store.find({one.type: one.where})
        made.append(Guard(one.type, one.where, frozenset(version.id for version in page.versions)))
    return made


async def job_of(serial: MemoryEngine, before: MemoryEngine, kind: str, asked: Any) -> Job:
    if kind == "apply":
        changed, appended = asked
        puts = [one for one in await written(serial, appended) if isinstance(one, Put)]
        return lambda engine: engine.records.apply(changed, puts)
    if kind == "reindex":
        type, id, index = asked
        there = await serial.store.read(type, id)
        again = [] if there is None or there.deleted else [(there, index)]
        return lambda engine: engine.store.reindex(again)
    writes, guards = await written(serial, asked[0]), await guarded(serial, before, asked[1])
    return lambda engine: engine.store.transact(writes, guards)


def told(outcome: Any) -> Any:
    """What a caller is told, without the instant."""
    if isinstance(outcome, Stale):
        return ("stale", outcome.write, outcome.guard, outcome.claim is not None)
    if isinstance(outcome, Exception):
        return outcome
    if isinstance(outcome, list):
        return [(one.type, one.id, one.version, one.method, rows(one)) for one in outcome]
    return outcome


def rows(version: Version) -> Any:
    """What a version is found by, but for its texts, which an engine need not give back."""
    index = unpack(version.packed)
    return index.words, index.spans


async def left(engine: Engine) -> Any:
    """What is there in the end."""
    found = await engine.store.find(dict.fromkeys(TYPES, EVERYTHING), count=1_000)
    return (
        {(one.type, one.id, one.version, rows(one)) for one in found.versions},
        await engine.records.list("job"),
        [[told(await outcome_of(engine, name, type)) for name in NAMES] for type in TYPES],
    )


async def outcome_of(engine: Engine, name: str, type: str) -> Any:
    try:
        return await engine.store.transact([replace(a_put(type, f"new-{name[-1]}"), claims=frozenset({name}))])
    except Stale as stale:
        return stale


async def _agree(path: Path, apart: int, asked: Any) -> None:
    serial, before = MemoryEngine(), MemoryEngine()
    engine = open_engine(path)
    try:
        meant, made = [], []
        for number, (kind, one) in enumerate(asked):
            job = await job_of(serial, before, kind, one)
            made.append(job)
            if number < apart:
                await asyncio.gather(job(before), return_exceptions=True)
            [outcome] = await asyncio.gather(job(serial), return_exceptions=True)
            meant.append(told(outcome))
        # Some are there before the others, which come together.
        first = [(await asyncio.gather(job(engine), return_exceptions=True))[0] for job in made[:apart]]
        together = await asyncio.gather(*[job(engine) for job in made[apart:]], return_exceptions=True)
        assert [told(one) for one in (*first, *together)] == meant
        assert await left(engine) == await left(serial)
        assert await defects(engine) == []
    finally:
        await engine.close()


#: Resources of one type that wait, up to which a guard is held against each: as it is, and so few that all are written.
@pytest.mark.parametrize("most", [waiting._MOST, 1], ids=["judged", "written"])
def test_callers_of_one_commit_are_answered_as_one_after_the_other(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_MOST", most)
    with asyncio.Runner() as runner:
        folders = count()

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.integers(0, 5), jobs)
        def agree(apart: int, asked: Any) -> None:
            runner.run(_agree(tmp_path / f"{next(folders)}.sqlite", apart, asked))

        agree()


EXAMPLES = 100
