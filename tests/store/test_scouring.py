"""After a purge no file of an embedded store has a byte of what was purged: neither the database nor its log.

`fhir_server/store/purging.py`; https://sqlite.org/pragma.html#pragma_secure_delete. Files are read as they lie on the
disk while the store is open, in the middle of others' writing.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fhir_server.store.chain import CHAINED
from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.filters import Index, Span, Text, Word
from fhir_server.store.protocol import Delete, Keep
from tests.store.making import a_put, defects, found


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "fhir.sqlite")
    yield opened
    await opened.close()


def an_index_of(mark: str, chance: random.Random) -> Index:
    words = tuple(Word(f"param{n}", f"{mark}{chance.randrange(9_999)}", mark, n) for n in range(12))
    spans = tuple(Span(f"span{n}", chance.randrange(999), 1_000 + n, mark) for n in range(4))
    texts = " ".join(f"{mark}x{chance.randrange(99)}" for _ in range(40))
    return Index(words, spans, texts, texts)


def where(folder: Path, mark: str) -> list[str]:
    """The files that say it, or much of it: an index keeps the beginning that neighbours share but once."""
    return [one.name for one in folder.rglob("*") if one.is_file() and mark[4:].encode() in one.read_bytes()]


async def filled(engine: EmbeddedEngine, chance: random.Random, marks: list[str]) -> list[tuple[str, str]]:
    """Resources of several people, each a few times written over and some deleted; the names of the first's."""
    versions: dict[tuple[str, str], int] = {}
    for turn in range(400):
        mark = chance.choice(marks)
        known = [key for key in versions if key[1].startswith(mark[:4])]
        key = (
            chance.choice(known)
            if known and chance.random() < 0.5
            else (
                chance.choice(["Observation", "Condition", CHAINED]),
                f"{mark[:4]}{turn}",
            )
        )
        expected = versions.get(key, 0)
        if expected and chance.random() < 0.2:
            await engine.store.transact([Delete(*key, expected)])
        else:
            note = mark * chance.choice([1, 20, 700])
            put = a_put(*key, expected, an_index_of(mark, chance), note=note)
            claimed = frozenset({f"{mark}{key[1]}"})
            await engine.store.transact([put if key[0] == CHAINED else replace(put, claims=claimed)])
        versions[key] = expected + 1
        await engine.records.apply([Keep("kind", mark + str(turn % 7), mark.encode() * 50, ttl_seconds=None)])
    return [key for key in versions if key[1].startswith(marks[0][:4])]


@pytest.mark.parametrize("seed", range(4))
async def test_no_file_has_what_was_purged(engine: EmbeddedEngine, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    marks = [f"{name}{chance.randrange(10**9):09d}q" for name in ("mine", "your", "hers", "ours")]
    keys = await filled(engine, chance, marks)
    assert where(tmp_path, marks[0])
    await engine.store.purge(keys, under="teller")
    records = await engine.records.list("kind", marks[0])
    for key, _ in records:
        await engine.records.take("kind", key)
    for turn in range(100):
        await engine.store.transact([a_put("Basic", f"late{turn}", 0, an_index_of(marks[1], chance))])
        if await engine.store.scour():
            break
    assert where(tmp_path, marks[0]) == []
    assert where(tmp_path, marks[1])
    assert await defects(engine) == []
    assert await found(engine, "Basic", Text("content", (f"{marks[1]}x1",))) is not None


async def test_scouring_goes_on_where_a_process_died(engine: EmbeddedEngine, tmp_path: Path) -> None:
    chance = random.Random(7)
    keys = await filled(engine, chance, ["mine12345678q", "your12345679q"])
    await engine.store.purge(keys)
    await engine.store.scour()
    again = open_engine(tmp_path / "fhir.sqlite")
    try:
        for key, _ in await engine.records.list("kind", "mine"):
            await engine.records.take("kind", key)
        for _ in range(100):
            if await again.store.scour():
                break
        assert where(tmp_path, "mine12345678q") == []
    finally:
        await again.close()


async def test_what_was_scoured_is_left_alone_until_something_is_purged(engine: EmbeddedEngine) -> None:
    assert await engine.store.scour()
    await engine.store.transact([a_put("Basic", "b")])
    await engine.store.purge([("Basic", "never")])
    assert await engine.store.scour()
