"""What was done to traces behind the server's back is found, and the first place is named.

`fhir_server/audit/verifying.py`; CSP R1111-43 (each access is traced), IHE ATNA (the repository protects what it keeps).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from fhir_server.audit.erasures import telling
from fhir_server.audit.verifying import Head, Verdict, head, verify
from fhir_server.fhir.json import serialize, stamped
from fhir_server.store.chain import CHAINED, linked
from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.protocol import Delete, Put
from tests.store.making import OPEN, a_put

#: Traces of the scene, as they are called; each committed alone, with a patient between them.
TRACES = [f"t{n}" for n in range(8)]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    opened = open_engine(tmp_path / "fhir.sqlite")
    for id in TRACES:
        await opened.store.append([a_put(CHAINED, id, 0, OPEN, "POST", note=f"about {id}")])
        await opened.store.transact([a_put("Patient", f"p{id}")])
    yield opened
    await opened.close()


async def verified(engine: EmbeddedEngine, *anchors: Head) -> Verdict:
    return await verify(engine, anchors=anchors)


@pytest.fixture
def sql(tmp_path: Path, engine: EmbeddedEngine) -> Iterator[Callable[[str], object]]:
    """What somebody who has the file may do to it."""
    connection = apsw.Connection(str(tmp_path / "fhir.sqlite"))
    yield lambda statements: connection.execute(statements).fetchall()
    connection.close()


def _seq(id: str) -> str:
    return f"(SELECT seq FROM resource WHERE id='{id}')"


def _gone(id: str) -> str:
    return (
        f"DELETE FROM content WHERE seq={_seq(id)}; DELETE FROM version WHERE seq={_seq(id)};"
        f"DELETE FROM resource WHERE id='{id}';"
    )


_SWAPPED = """
CREATE TEMP TABLE a AS SELECT * FROM content WHERE seq IN ({0}, {1});
UPDATE content SET bytes=(SELECT bytes FROM a WHERE seq={1}) WHERE seq={0};
UPDATE content SET bytes=(SELECT bytes FROM a WHERE seq={0}) WHERE seq={1};
UPDATE resource SET id='x' WHERE id='t3'; UPDATE resource SET id='t3' WHERE id='t4';
UPDATE resource SET id='t4' WHERE id='x';
""".format(_seq("t3"), _seq("t4"))

_INSERTED = """
INSERT INTO content SELECT (SELECT max(seq) FROM version) + 1, bytes FROM content WHERE seq={0};
INSERT INTO version SELECT seq + 1, 1000, (SELECT type FROM version WHERE seq={0}), 1, at, 0, size, {1}
    FROM version ORDER BY seq DESC LIMIT 1;
INSERT INTO resource SELECT 1000, type, 'new', 1, (SELECT max(seq) FROM version), 1, at, 0, size
    FROM resource WHERE id='t3';
"""

#: What is done → the first place that is named, and a word of what is said.
DONE = {
    "a byte is changed": (
        f"UPDATE content SET bytes=CAST(replace(bytes, 'about t3', 'about t9') AS BLOB) WHERE seq={_seq('t3')}",
        "t3/_history/1",
        "changed",
    ),
    "one is removed with all that belongs to it": (_gone("t3"), "t4/_history/1", "removed"),
    "the first is removed": (_gone("t0"), "t1/_history/1", "removed"),
    "its bytes are removed": (f"DELETE FROM content WHERE seq={_seq('t3')}", "t3/_history/1", "changed"),
    "its resource is removed": ("DELETE FROM resource WHERE id='t3'", "?/_history/1", "changed"),
    "two are exchanged": (_SWAPPED, "t4/_history/1", "order"),
    "one is put at the end without a digest": (_INSERTED.format(_seq("t3"), "NULL"), "new/_history/1", "inserted"),
    "one is put at the end with another's": (
        _INSERTED.format(_seq("t3"), f"(SELECT digest FROM version WHERE seq={_seq('t3')})"),
        "new/_history/1",
        "changed",
    ),
    "its digest is taken away": (f"UPDATE version SET digest=NULL WHERE seq={_seq('t3')}", "t3", "inserted"),
    "its digest is changed": (f"UPDATE version SET digest=randomblob(32) WHERE seq={_seq('t3')}", "t3", "changed"),
    "it is made another type's": (f"UPDATE version SET type=type+1 WHERE seq={_seq('t3')}", "t4/_history/1", "removed"),
    "it is called deleted": ("UPDATE resource SET live=0 WHERE id='t3'", "t3/_history/1", "no longer be found"),
    "it is another type's resource": ("UPDATE resource SET type=77 WHERE id='t3'", "t3", "no longer be found"),
    "the start is moved": (f"UPDATE chain SET seq={_seq('t3')}", "Before the chain begins", "4 traces"),
    "the start is moved with its link": (
        f"UPDATE chain SET seq={_seq('t3')}, digest=(SELECT digest FROM version WHERE seq={_seq('t3')})",
        "Before the chain begins",
        "4 traces",
    ),
    "the start is taken away": ("DELETE FROM chain", "Before the chain begins", "0 traces"),
    "something is put before the start": (
        "UPDATE chain SET seq=-5; UPDATE version SET seq=-6 WHERE seq=1",
        "Before the chain begins",
        "1 traces",
    ),
}


@pytest.mark.parametrize("done", DONE)
async def test_what_is_done_behind_the_server_s_back_is_named(
    engine: EmbeddedEngine, sql: Callable[[str], object], done: str
) -> None:
    assert (await verified(engine)).broken == ""
    statements, place, words = DONE[done]
    sql(statements)
    broken = (await verified(engine)).broken
    assert place in broken and words in broken


async def test_a_whole_chain_says_how_many_it_has_and_where_it_stands(engine: EmbeddedEngine) -> None:
    found = await verified(engine)
    assert (found.broken, found.verified, found.older, found.rewritten) == ("", 8, 0, [])
    assert found.head == await head(engine)
    assert Head.all_in(f"12:00 head {found.head}, and so on") == (found.head,)


async def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_written_down(
    engine: EmbeddedEngine, sql: Callable[[str], object]
) -> None:
    kept = await head(engine)
    sql(_gone("t7") + _gone("t6"))
    assert (await verified(engine)).broken == ""
    assert f"Place {kept.place}: what stood there" in (await verified(engine, kept)).broken
    # What is stored afterwards does not stand in for it.
    await engine.store.append([a_put(CHAINED, f"n{n}", 0, OPEN, "POST") for n in range(9)])
    assert (await verified(engine, kept)).broken


async def test_a_chain_that_was_made_anew_is_found_by_a_head_that_was_written_down(
    engine: EmbeddedEngine, sql: Callable[[str], object]
) -> None:
    middle = (await engine.store.chain(count=5)).links[-1]
    kept = (Head(middle.place, middle.digest), await head(engine))
    sql(DONE["a byte is changed"][0])
    stretch = await engine.store.chain()
    digest = stretch.start.digest
    for link in stretch.links:
        one = link.version
        digest = linked(digest, one.id, one.version, one.method, one.body)
        sql(f"UPDATE version SET digest=x'{digest.hex()}' WHERE seq={link.place}")
    assert (await verified(engine)).broken == ""
    for anchor in kept:
        assert f"head of place {anchor.place} was written down" in (await verified(engine, anchor)).broken


async def test_heads_that_are_met_are_counted_and_those_of_the_future_are_not_there(engine: EmbeddedEngine) -> None:
    links = (await engine.store.chain()).links
    heads = [Head(link.place, link.digest) for link in links]
    assert (await verified(engine, *heads)).anchored == 8
    assert (await verified(engine, Head(links[-1].place + 1, b"x" * 32))).broken


async def test_what_the_server_wrote_over_is_told_and_breaks_nothing(engine: EmbeddedEngine) -> None:
    await engine.store.transact([a_put(CHAINED, "t1", 1, OPEN)])
    await engine.store.transact([Delete(CHAINED, "t2", 1)])
    found = await verified(engine)
    assert (found.broken, found.rewritten) == ("", ["AuditEvent/t1/_history/2", "AuditEvent/t2/_history/2"])


async def erase(engine: EmbeddedEngine, told: int, *ids: str) -> None:
    """Erase traces as a server does: what tells of it first."""
    body, stamp = stamped(serialize(telling("http://here/fhir", told)), "teller", 1)
    await engine.store.append([Put(CHAINED, "teller", 0, body, stamp, OPEN, "POST")])
    await engine.store.purge([(CHAINED, id) for id in ids], under="teller")


@pytest.mark.parametrize("ids", [("t0",), ("t3", "t4"), ("t7",), tuple(TRACES)])
async def test_traces_that_were_erased_and_told_of_break_nothing(engine: EmbeddedEngine, ids: tuple[str, ...]) -> None:
    kept = await head(engine)
    await erase(engine, len(ids), *ids)
    found = await verified(engine, kept)
    assert (found.broken, found.erased, found.anchored, found.verified) == ("", len(ids), 1, 9)


async def test_one_that_is_removed_as_if_it_had_been_erased_is_found(
    engine: EmbeddedEngine, sql: Callable[[str], object]
) -> None:
    await erase(engine, 1, "t3")
    await engine.store.purge([(CHAINED, "t5")], under="teller")
    assert "2 traces are erased" in (await verified(engine)).broken
    sql("DELETE FROM erased WHERE seq=(SELECT max(seq) FROM erased)")
    assert (await verified(engine)).broken


@pytest.mark.parametrize("under", ["", "t1", "nowhere"])
async def test_traces_that_are_gone_and_nothing_tells_of_were_removed(engine: EmbeddedEngine, under: str) -> None:
    await engine.store.purge([(CHAINED, "t3")], under=under)
    assert "nothing tells of it" in (await verified(engine)).broken


@pytest.mark.parametrize("id", ["t2", "t4", "teller"])
async def test_what_stands_around_an_erased_one_is_vouched_for_still(
    engine: EmbeddedEngine, sql: Callable[[str], object], id: str
) -> None:
    await erase(engine, 1, "t3")
    sql(f"UPDATE content SET bytes=CAST(replace(bytes, '{id}', 'tt') AS BLOB) WHERE seq={_seq(id)}")
    assert id in (await verified(engine)).broken


async def test_what_is_left_of_an_erased_one_cannot_be_changed(
    engine: EmbeddedEngine, sql: Callable[[str], object]
) -> None:
    await erase(engine, 1, "t3")
    for column in ("said", "digest"):
        was = sql(f"SELECT hex({column}) FROM erased")[0][0]  # type: ignore[index]
        sql(f"UPDATE erased SET {column}=randomblob(32)")
        assert "changed" in (await verified(engine)).broken
        sql(f"UPDATE erased SET {column}=x'{was}'")


async def test_a_part_is_looked_through_from_the_link_before_it(
    engine: EmbeddedEngine, sql: Callable[[str], object]
) -> None:
    await asyncio.sleep(0.005)
    await engine.store.append([a_put(CHAINED, "later", 0, OPEN, "POST")])
    links = (await engine.store.chain()).links
    last = datetime.fromtimestamp(links[-1].version.at / 1000, UTC)
    first = datetime.fromtimestamp(links[0].version.at / 1000, UTC)
    assert (await verify(engine, since=last)).verified == 2
    whole = Head(links[0].place, links[0].digest)
    assert (await verify(engine, since=last, anchors=(whole,))).broken == ""
    sql(DONE["a byte is changed"][0])
    assert (await verify(engine, since=last)).broken == ""
    assert (await verify(engine, until=first, anchors=(await head(engine),))).broken == ""
    assert (await verify(engine)).broken


@pytest.mark.parametrize("text", ["", "1", "1:ab", ":" + "0" * 64, "1:" + "g" * 64, "1:" + "0" * 65])
def test_what_is_no_head_is_none(text: str) -> None:
    assert Head.all_in(text) == ()
