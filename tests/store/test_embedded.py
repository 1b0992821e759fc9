"""What is SQLite's own: a killed process, a full or read-only disk, a locked file, several processes, copies, damage.

https://sqlite.org/atomiccommit.html, https://sqlite.org/wal.html
"""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from fhir_server.fhir.outcome import FhirError, InsufficientStorage, TooCostly, Unavailable
from fhir_server.store.chain import CHAINED, begun, follows
from fhir_server.store.embedded import connections
from fhir_server.store.embedded.backup import restore
from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.embedded.schema import VERSION
from fhir_server.store.filters import EVERYTHING, And, LinkedFrom, Not, Span, String, Token, Word
from fhir_server.store.protocol import Delete, Sort, Stale
from tests.examples import ROOT
from tests.store.making import a_put, an_index, defects, found, stored


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "store.sqlite", busy_seconds=0.2)
    yield opened
    await opened.close()


def a_load(path: Path, name: str, most: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.load", f"sqlite:///{path}", name, str(most)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def printed(child: subprocess.Popen[str]) -> list[str]:
    lines = child.communicate()[0].split("\n")
    # The last line may have been cut by the kill.
    return lines[:-1]


async def test_a_killed_process_loses_nothing_it_acknowledged_and_leaves_no_half_transaction(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    dice = random.Random(7)
    acknowledged: list[str] = []
    for life in range(5):
        child = a_load(path, f"life{life}", 1_000_000)
        await asyncio.sleep(dice.uniform(0.05, 0.5))
        child.send_signal(signal.SIGKILL)
        acknowledged += printed(child)
    engine = open_engine(path)
    try:
        assert await defects(engine) == []
        halves = [{version.id[:-2] for version in await everything(engine, type)} for type in ("Patient", "Group")]
        assert halves[0] == halves[1]
        assert acknowledged
        assert halves[0].issuperset(acknowledged)
        last = acknowledged[-1]
        assert await found(engine, "Patient", Token("pair", last)) == [f"{last}-a"]
    finally:
        await engine.close()


async def everything(engine: EmbeddedEngine, type: str) -> list[object]:
    after, seen = None, []
    while True:
        page = await engine.store.walk({type: EVERYTHING}, after, 1000)
        seen += page.versions
        if page.next is None:
            return seen
        after = page.next


async def test_several_processes_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    engine = open_engine(path)
    children = [a_load(path, f"child{n}", 15) for n in range(2)]
    ours = await asyncio.gather(*[engine.store.transact([a_put("Patient", f"own{n}")]) for n in range(50)])
    lines = [await asyncio.to_thread(printed, child) for child in children]
    try:
        assert [line[-1] for line in lines] == ["done", "done"]
        assert len(ours) == 50
        assert await engine.store.count({"Patient": EVERYTHING}) == 2 * 8 * 15 + 50
        assert await engine.store.count({"Group": Token("tag", "t", "http://s.example")}) == 2 * 8 * 15
        page = await engine.store.history({"Patient": EVERYTHING, "Group": EVERYTHING}, count=1000)
        ats = [version.at for version in page.versions]
        assert ats == sorted(ats, reverse=True)
        assert await defects(engine) == []
    finally:
        await engine.close()


async def test_a_full_disk_refuses_writes_with_507_and_goes_on_when_there_is_room(engine: EmbeddedEngine) -> None:
    await stored(engine, "Patient", {"a": an_index()})
    pages = engine._connection.pragma("page_count")
    engine._connection.execute(f"PRAGMA max_page_count={pages + 5}")
    refused: list[str] = []
    for n in range(20):
        try:
            await engine.store.transact([a_put("Patient", f"b{n}", note="x" * 20_000)])
        except InsufficientStorage as error:
            assert error.status == 507
            assert "Retry-After" in error.headers
            refused.append(f"b{n}")
    assert refused
    assert [await engine.store.read("Patient", id) for id in refused] == [None] * len(refused)
    engine._connection.execute("PRAGMA max_page_count=1000000")
    await stored(engine, "Patient", {id: an_index() for id in refused})
    assert await engine.store.count({"Patient": EVERYTHING}) == 21
    assert await defects(engine) == []


async def test_a_file_that_may_not_grow_refuses_writes_with_507(engine: EmbeddedEngine, tmp_path: Path) -> None:
    await stored(engine, "Patient", {"a": an_index()})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = largest(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60_000, hard))
    try:
        with pytest.raises(InsufficientStorage):
            for n in range(20):
                await engine.store.transact([a_put("Patient", f"b{n}", note="x" * 20_000)])
        assert await engine.store.read("Patient", "a") is not None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await stored(engine, "Patient", {"c": an_index()})
    assert await defects(engine) == []


def largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.iterdir())


async def test_a_file_locked_by_another_process_is_503_and_free_again_afterwards(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    await stored(engine, "Patient", {"a": an_index()})
    other = apsw.Connection(str(tmp_path / "store.sqlite"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as refused:
        await engine.store.transact([a_put("Patient", "b")])
    assert refused.value.headers["Retry-After"] == "1"
    assert await engine.store.read("Patient", "a") is not None
    other.execute("ROLLBACK")
    other.close()
    await stored(engine, "Patient", {"b": an_index()})


async def test_a_read_only_store_is_503(engine: EmbeddedEngine) -> None:
    await stored(engine, "Patient", {"a": an_index()})
    engine._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(Unavailable):
        await engine.store.transact([a_put("Patient", "b")])
    assert await engine.store.read("Patient", "a") is not None
    engine._connection.execute("PRAGMA query_only=OFF")
    await stored(engine, "Patient", {"b": an_index()})


@pytest.mark.parametrize("what", ["a folder", "text", "a database", "a newer store", "no folder"])
def test_what_cannot_be_a_store_is_not_opened(tmp_path: Path, what: str) -> None:
    path = tmp_path / "store.sqlite"
    if what == "a folder":
        path.mkdir()
    elif what == "text":
        path.write_text("Ceci n'est pas une base. " * 100)
    elif what == "a database":
        apsw.Connection(str(path)).execute("CREATE TABLE t(x)")
    elif what == "a newer store":
        asyncio.run(open_engine(path).close())
        apsw.Connection(str(path)).execute(f"PRAGMA user_version={VERSION + 1}")
    else:
        path = tmp_path / "nowhere" / "store.sqlite"
    with pytest.raises(Unavailable):
        open_engine(path)


async def test_more_writes_than_may_wait_are_refused(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "store.sqlite", max_pending=3)
    other = apsw.Connection(str(tmp_path / "store.sqlite"))
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.ensure_future(engine.store.transact([a_put("Patient", f"p{n}")])) for n in range(10)]
    await asyncio.sleep(0.1)
    other.execute("ROLLBACK")
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
    assert 5 <= len(refused) <= 7
    assert await engine.store.count({"Patient": EVERYTHING}) == 10 - len(refused)
    await engine.close()


async def test_one_callers_bad_data_fails_that_caller_alone(engine: EmbeddedEngine) -> None:
    good = [engine.store.transact([a_put("Patient", f"p{n}")]) for n in range(5)]
    bad = engine.store.transact([a_put("Patient", "bad", 0, an_index(Word("name", "\ud800")))])
    outcomes = await asyncio.gather(*good, bad, return_exceptions=True)
    assert [isinstance(outcome, list) for outcome in outcomes] == [True] * 5 + [False]
    assert isinstance(outcomes[5], FhirError)
    assert await engine.store.read("Patient", "bad") is None


async def test_a_closing_engine_finishes_what_it_accepted_and_takes_no_more(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "store.sqlite")
    accepted = [asyncio.ensure_future(engine.store.transact([a_put("Patient", f"p{n}")])) for n in range(30)]
    await asyncio.sleep(0)
    await engine.close()
    assert len([await versions for versions in accepted]) == 30
    with pytest.raises(Unavailable):
        await engine.store.transact([a_put("Patient", "late")])


async def test_a_read_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "store.sqlite", deadline_seconds=0.05)
    rows = [Word("link", f"Patient/p{n}") for n in range(1500)]
    await stored(engine, "Patient", {f"p{n}": an_index(*rows) for n in range(300)})
    hard = LinkedFrom("Patient", "link", Not(LinkedFrom("Patient", "link", String("link", "Q", "contains"))))
    with pytest.raises(TooCostly):
        await engine.store.count({"Patient": And((hard, hard))})
    assert await engine.store.read("Patient", "p1") is not None
    await engine.close()


async def test_a_page_given_up_at_any_moment_leaves_the_next_read_unharmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock is looked at before every instruction, the last one's included.
    monkeypatch.setattr(connections, "_INSTRUCTIONS", 1)
    engine = open_engine(tmp_path / "store.sqlite")
    await stored(engine, "Patient", {f"p{n}": an_index(Word("name", f"n{n}")) for n in range(300)})
    reader = engine._readers._inline
    for microseconds in range(0, 8000, 20):
        with suppress(apsw.InterruptError):
            reader.run(lambda search: search.find({"Patient": EVERYTHING}, NAMES, None, 50), microseconds / 1e6)
        assert not reader.connection.in_transaction
    assert len((await engine.store.find({"Patient": EVERYTHING}, NAMES)).versions) == 50
    await engine.close()


NAMES = (Sort("name", "word"), Sort("_id", "own"))


async def test_a_copy_made_while_writing_restores_to_a_sound_store(engine: EmbeddedEngine, tmp_path: Path) -> None:
    await stored(engine, "Patient", {f"p{n}": an_index(Word("tag", "a")) for n in range(200)})
    stop = asyncio.Event()

    async def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            await engine.store.transact([a_put("Patient", f"w{n}-a"), a_put("Group", f"w{n}-b")])

    writing = asyncio.ensure_future(write())
    await asyncio.sleep(0.05)
    await engine.maintenance.backup(tmp_path / "copy.sqlite")
    stop.set()
    await writing
    target = tmp_path / "elsewhere" / "store.sqlite"
    target.parent.mkdir()
    restore(tmp_path / "copy.sqlite", target)
    other = open_engine(target)
    try:
        assert await defects(other) == []
        assert await other.store.count({"Patient": Token("tag", "a")}) == 200
        halves = [{version.id[:-2] for version in await everything(other, type)} for type in ("Patient", "Group")]
        assert {half for half in halves[0] if half.startswith("w")} == halves[1]
        for version in await everything(other, "Patient"):
            assert await engine.store.read("Patient", version.id) == version
    finally:
        await other.close()


async def test_restoring_replaces_what_was_there_and_keeps_it_beside(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    engine = open_engine(path)
    await stored(engine, "Patient", {"a": an_index()})
    await engine.maintenance.backup(tmp_path / "copy")
    await engine.store.transact([Delete("Patient", "a", 1)])
    with pytest.raises(Unavailable):
        restore(tmp_path / "copy", path)
    await engine.close()
    restore(tmp_path / "copy", path)
    engine = open_engine(path)
    assert await found(engine, "Patient", EVERYTHING) == ["a"]
    await engine.close()
    assert (tmp_path / "store.sqlite.before-restore").exists()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"x" * 5000, b"text"])
def test_what_is_not_a_copy_is_not_restored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "copy").write_bytes(content)
    with pytest.raises(Unavailable):
        restore(tmp_path / "copy", tmp_path / "store.sqlite")
    with pytest.raises(Unavailable):
        restore(tmp_path / "absent", tmp_path / "store.sqlite")
    assert not (tmp_path / "store.sqlite").exists()


#: What was done to the file behind the engine's back, and a word of the defect that must be found.
DAMAGE = [
    ("DELETE FROM word WHERE value='x'", "word rows differ"),
    ("INSERT INTO word VALUES(1, 1, 'extra', '', 0)", "word rows differ"),
    ("DELETE FROM span", "range rows differ"),
    ("INSERT INTO word VALUES(99, 1, 'x', '', 0)", "not there"),
    ("INSERT INTO claim VALUES(1, 's|1', 99)", "held"),
    ("DELETE FROM version WHERE vid=1", "gap"),
    ("UPDATE version SET at=1 WHERE seq=(SELECT max(seq) FROM version)", "older"),
    ("UPDATE resource SET vid=7 WHERE rid=1", "not its own"),
    ("DELETE FROM content WHERE seq=1", "no content"),
    ("DELETE FROM resource WHERE rid=1", "belongs to no resource"),
    ("UPDATE resource SET live=0 WHERE rid=1", "live"),
    ("UPDATE resource SET id='z' WHERE rid=1", "differ from the store's"),
    ("UPDATE content SET bytes=zeroblob(length(bytes))", "not JSON"),
]


@pytest.mark.parametrize(("statement", "word"), DAMAGE)
async def test_damage_is_found(engine: EmbeddedEngine, statement: str, word: str) -> None:
    index = an_index(Word("tag", "x", "http://s.example"), Span("date", 1, 2))
    await stored(engine, "Patient", {"a": index, "b": index})
    await engine.store.transact([a_put("Patient", "a", 1, index)])
    assert await defects(engine) == []
    engine._connection.execute(statement)
    assert any(word in defect for defect in await defects(engine))


async def test_what_expired_is_thrown_away(engine: EmbeddedEngine) -> None:
    await engine.records.put("code", "k", b"1", ttl_seconds=0)
    await engine.records.put("code", "stays", b"1", ttl_seconds=60)
    engine._writer._swept -= 3600
    await engine.records.put("code", "other", b"1")
    await engine.records.put("code", "more", b"1")
    keys = {row[0] for row in engine._connection.execute("SELECT key FROM record").fetchall()}
    assert keys == {"stays", "other", "more"}


async def test_explaining_names_the_index(engine: EmbeddedEngine) -> None:
    await stored(engine, "Patient", {"a": an_index(Word("security", "N"))})
    assert any("word_value" in line for line in await engine.store.explain({"Patient": Token("security", "N")}))


#: What a store of a version had not yet.
EARLIER = {
    1: "DROP TABLE claim; DROP TABLE chain; DROP TABLE unindexed; ALTER TABLE version DROP COLUMN digest;",
    # The chain was made otherwise.
    5: "",
}


@pytest.mark.parametrize("version", EARLIER)
async def test_a_store_of_an_earlier_server_is_brought_up_to_date_when_it_is_opened(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "fhir.sqlite"
    engine = open_engine(path)
    await stored(engine, "Device", {"a": an_index()})
    await stored(engine, CHAINED, {"old": an_index()})
    engine._connection.execute(f"{EARLIER[version]} DROP TABLE erased; DROP TABLE stood; PRAGMA user_version={version}")
    await engine.close()
    engine = open_engine(path)
    await engine.store.transact([replace(a_put("Device", "a", 1), claims=frozenset({"s|1"}))])
    with pytest.raises(Stale):
        await engine.store.transact([replace(a_put("Device", "b"), claims=frozenset({"s|1"}))])
    assert (await defects(engine), engine._connection.pragma("user_version")) == ([], VERSION)
    await stored(engine, CHAINED, {"new": an_index()})
    chain = await engine.store.chain()
    assert (chain.start.older, chain.start.digest) == (1, begun(chain.start.place, 1))
    assert [(link.version.id, follows(link, chain.start.digest)) for link in chain.links] == [("new", True)]
    await engine.close()


async def test_workers_that_write_by_turns_make_one_chain(tmp_path: Path) -> None:
    engines = [open_engine(tmp_path / "fhir.sqlite") for _ in range(3)]
    for n in range(12):
        await asyncio.gather(*[stored(one, CHAINED, {f"{n}-{m}": an_index()}) for m, one in enumerate(engines)])
    chain = await engines[0].store.chain()
    digests = [chain.start.digest, *(link.digest for link in chain.links)]
    assert len(chain.links) == 36
    assert all(follows(link, digest) for link, digest in zip(chain.links, digests, strict=False))
    for one in engines:
        await one.close()
