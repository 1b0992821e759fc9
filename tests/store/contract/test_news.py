"""One look tells what was committed of resources and of records, in order, without gap: `Engine.changes`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.embedded.notes import pruned
from fhir_server.store.engine import Engine
from fhir_server.store.notes import NOTED, NOTES_SECONDS, Noted
from fhir_server.store.protocol import Drop, Keep, Position, Records
from tests.store.making import OPEN, stored

Act = Callable[[Records], Awaitable[object]]
OLD = "client", "old"


async def told(engine: Engine, after: Position | None, *kinds: str, count: int = 1_000) -> tuple[list[Noted], Position]:
    news = await engine.changes(after, (), kinds, count)
    assert news.whole
    return [*news.records], news.position


#: What is done with a record of which "old" is there and "other" is not → what is told of it.
TOLD: list[tuple[Act, list[Noted]]] = [
    (lambda r: r.put("client", "old", b"2"), [Noted("client", "old")]),
    (lambda r: r.put("client", "other", b"2"), [Noted("client", "other", new=True)]),
    (lambda r: r.add("client", "other", b"2"), [Noted("client", "other", new=True)]),
    (lambda r: r.add("client", "old", b"2"), []),
    (lambda r: r.take("client", "old"), [Noted("client", "old")]),
    (lambda r: r.take("client", "other"), []),
    (lambda r: r.swap("client", "old", b"1", b"2"), [Noted("client", "old")]),
    (lambda r: r.swap("client", "old", b"9", b"2"), []),
    (lambda r: r.apply([Keep(*OLD, b"2", old=b"1")]), [Noted("client", "old")]),
    (lambda r: r.apply([Keep(*OLD, b"2", old=b"9"), Keep("client", "other", b"")]), []),
    (lambda r: r.apply([Drop(*OLD), Drop("client", "other")]), [Noted("client", "old")]),
    (lambda r: r.put("code", "other", b"2"), []),
]


@pytest.mark.parametrize(("act", "expected"), TOLD, ids=range(len(TOLD)))
async def test_every_change_of_a_noted_kind_is_told(engine: Engine, act: Act, expected: list[Noted]) -> None:
    await engine.records.put(*OLD, b"1")
    _, start = await told(engine, None)
    await act(engine.records)
    assert await told(engine, start) == (expected, (await engine.changes(None)).position)


async def test_kinds_that_are_not_asked_for_are_passed_over_for_good(engine: Engine) -> None:
    _, start = await told(engine, None)
    for kind in sorted(NOTED):
        await engine.records.put(kind, "one", b"")
    seen, place = await told(engine, start, "family")
    assert seen == [Noted("family", "one", new=True)]
    assert await told(engine, place) == ([], place)


async def test_pages_of_both_have_neither_gap_nor_repetition(engine: Engine) -> None:
    _, place = await told(engine, None)
    await stored(engine, "Patient", {name: OPEN for name in "abcde"})
    for name in "vwxyz":
        await engine.records.put("account", name, b"")
    versions, records, more = "", "", True
    while more:
        news = await engine.changes(place, ("Patient",), ("account",), 2)
        versions += "".join(one.id for one in news.versions)
        records += "".join(one.key for one in news.records)
        place, more = news.position, news.more
    assert (versions, records) == ("abcde", "vwxyz")


@pytest.mark.parametrize("place", [(0,), (0, 10**9), (10**9, 0), ("x", 0), (0, "x")])
async def test_a_place_of_another_store_is_refused(engine: Engine, place: Position) -> None:
    with pytest.raises(InvalidParameter):
        await engine.changes(place)


async def test_a_place_outlives_the_process(tmp_path: Path) -> None:
    first = open_engine(tmp_path / "store.sqlite")
    place = (await first.changes(None)).position
    await first.records.put(*OLD, b"")
    await first.close()
    second = open_engine(tmp_path / "store.sqlite")
    assert (await told(second, place))[0] == [Noted("client", "old", new=True)]
    await second.close()


async def test_who_was_away_for_longer_than_notes_are_kept_is_told_so(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "store.sqlite")
    place = (await engine.changes(None)).position
    await engine.records.put(*OLD, b"")
    after = (await engine.changes(None)).position
    beside = apsw.Connection(str(tmp_path / "store.sqlite"))
    beside.execute("UPDATE record_change SET at = at - ?", (NOTES_SECONDS + 1,))
    pruned(beside)
    beside.close()
    assert not (await engine.changes(place)).whole
    assert (await engine.changes(after)).whole
    await engine.records.put("client", "next", b"")
    assert not (await engine.changes(place)).whole
    assert (await told(engine, after))[0] == [Noted("client", "next", new=True)]
    await engine.close()
