"""Traces are found by all that is said of them as soon as they are stored, though their index rows are written later.

https://hl7.org/fhir/R4/search.html; `fhir_server/store/embedded/outstanding.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from fhir_server.store.chain import CHAINED
from fhir_server.store.embedded import writer
from fhir_server.store.embedded.engine import EmbeddedEngine, open_engine
from fhir_server.store.embedded.history import History
from fhir_server.store.embedded.outstanding import any_outstanding, asks
from fhir_server.store.embedded.search import Search
from fhir_server.store.embedded.traversal import traverse
from fhir_server.store.filters import (
    EVERYTHING,
    And,
    Filter,
    Linked,
    LinkedFrom,
    Missing,
    Not,
    Or,
    Range,
    Refers,
    Span,
    Text,
    Together,
    Token,
    Word,
)
from fhir_server.store.protocol import NEWEST, Delete, Guard, Scope, Sort, Stale
from tests.store.making import a_put, an_index, defects, found, history_of, stored, walked

ABOUT = Refers("patient", "Patient/p")
#: A row of each kind, one of a code system that nothing else uses, and words that only the full-text index keeps.
A_TRACE = an_index(
    Word("patient", "Patient/p"),
    Word("subtype", "read", "http://codes.example/only-here"),
    Span("date", 10, 10),
    content="restful",
)


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddedEngine]:
    """An engine that writes outstanding rows only when somebody asks for them, with a patient and a trace of them."""
    monkeypatch.setattr(writer, "_IDLE_SECONDS", 3_600.0)
    monkeypatch.setattr(writer, "_MANY", 1_000_000)
    opened = open_engine(tmp_path / "store.sqlite")
    await stored(opened, "Patient", {"p": an_index(Word("active", "true"))})
    await opened.store.append([a_put(CHAINED, "t", 0, A_TRACE)])
    assert await outstanding(opened)
    yield opened
    await opened.close()


async def outstanding(engine: EmbeddedEngine) -> bool:
    return await engine._readers.quickly(lambda search: any_outstanding(search.connection))


#: Filters that a trace of `A_TRACE` satisfies.
OF_A_TRACE: dict[str, Filter] = {
    "nothing asked": EVERYTHING,
    "a reference": ABOUT,
    "a token of its system": Token("subtype", "read", "http://codes.example/only-here"),
    "a date": Range("date", low_from=5, high_to=15),
    "a word of its content": Text("content", ("restful",)),
    "what it does not have": Missing("site"),
    "not what it does not say": Not(Token("subtype", "write")),
    "where a chain leads": Linked("patient", "Patient", Token("active", "true")),
}


@pytest.mark.parametrize("where", OF_A_TRACE.values(), ids=OF_A_TRACE)
async def test_a_trace_is_found_at_once_by_all_that_it_says(engine: EmbeddedEngine, where: Filter) -> None:
    assert await found(engine, CHAINED, where) == ["t"]
    assert not await outstanding(engine)
    assert await defects(engine) == []


async def by_find_each(engine: EmbeddedEngine) -> list[str]:
    return [one.id for page in await engine.store.find_each([{CHAINED: ABOUT}]) for one in page.versions]


async def by_count(engine: EmbeddedEngine) -> list[str]:
    return ["t"] * await engine.store.count({CHAINED: ABOUT})


async def by_history(engine: EmbeddedEngine) -> list[str]:
    return [id for id, _ in await history_of(engine, {CHAINED: ABOUT})]


async def by_history_count(engine: EmbeddedEngine) -> list[str]:
    return ["t"] * await engine.store.history_count({CHAINED: ABOUT})


async def by_walk(engine: EmbeddedEngine) -> list[str]:
    return [one.id for one in await walked(engine, {CHAINED: ABOUT})]


async def by_sorting(engine: EmbeddedEngine) -> list[str]:
    return await found(engine, CHAINED, EVERYTHING, [Sort("date", "span")])


async def by_what_leads_to_a_patient(engine: EmbeddedEngine) -> list[str]:
    ids = await found(engine, "Patient", LinkedFrom(CHAINED, "patient", Token("subtype", "read")))
    return ["t"] if ids == ["p"] else ids


async def by_a_guard(engine: EmbeddedEngine) -> list[str]:
    guard = Guard(CHAINED, ABOUT, frozenset({"t"}))
    await engine.store.transact([a_put("Basic", "b")], [guard])
    return ["t"]


async def by_a_guard_that_it_is_not_there(engine: EmbeddedEngine) -> list[str]:
    with pytest.raises(Stale):
        await engine.store.transact([a_put("Basic", "b")], [Guard(CHAINED, ABOUT, frozenset())])
    return ["t"]


@pytest.mark.parametrize(
    "way",
    [
        by_find_each, by_count, by_history, by_history_count, by_walk, by_sorting, by_what_leads_to_a_patient,
        by_a_guard, by_a_guard_that_it_is_not_there,
    ],
)  # fmt: skip
async def test_every_way_of_looking_finds_it(
    engine: EmbeddedEngine, way: Callable[[EmbeddedEngine], Awaitable[list[str]]]
) -> None:
    assert await way(engine) == ["t"]


async def test_another_process_finds_it(engine: EmbeddedEngine, tmp_path: Path) -> None:
    other = open_engine(tmp_path / "store.sqlite")
    assert await found(other, CHAINED, ABOUT) == ["t"]
    await other.close()


async def test_a_process_that_ends_leaves_nothing_to_do(engine: EmbeddedEngine, tmp_path: Path) -> None:
    await engine.close()
    with apsw.Connection(str(tmp_path / "store.sqlite")) as connection:
        assert not any_outstanding(connection)


async def test_what_a_killed_process_left_is_done_by_the_next(engine: EmbeddedEngine, tmp_path: Path) -> None:
    await engine.maintenance.backup(tmp_path / "copy.sqlite")
    with apsw.Connection(str(tmp_path / "copy.sqlite")) as connection:
        assert any_outstanding(connection)
    other = open_engine(tmp_path / "copy.sqlite")
    # The writer does one thing after the other: that is done between the two.
    await other.records.put("code", "a", b"1")
    await other.records.put("code", "b", b"1")
    assert not await outstanding(other)
    assert await found(other, CHAINED, ABOUT) == ["t"]
    await other.close()


#: What is committed while somebody looks, after what they look for was indexed, is not there yet for them.
def _found(search: Search, scope: Scope) -> list[str]:
    return [one.id for one in search.find(scope, NEWEST, None, 10).versions]


def _counted(search: Search, scope: Scope) -> list[str]:
    return ["t"] * search.count(scope, None)


def _walked(search: Search, scope: Scope) -> list[str]:
    return [one.id for one in traverse(search, scope, None, 10, "body").versions]


def _in_history(search: Search, scope: Scope) -> list[str]:
    return [one.id for one in History(search).page(scope, None, None, None, None, 10).versions]


@pytest.mark.parametrize("look", [_found, _counted, _walked, _in_history])
@pytest.mark.parametrize("where", [Not(ABOUT), Missing("patient")], ids=["not", "missing"])
async def test_what_is_not_indexed_yet_is_not_taken_for_what_says_nothing(
    engine: EmbeddedEngine, look: Callable[[Search, Scope], list[str]], where: Filter
) -> None:
    assert await engine._readers.quickly(lambda search: look(search, {CHAINED: where})) == []
    assert await outstanding(engine)


CHANGED = an_index(Word("patient", "Patient/q"))


async def replaced(engine: EmbeddedEngine) -> None:
    await engine.store.transact([a_put(CHAINED, "t", 1, CHANGED)])


async def replaced_in_its_own_commit(engine: EmbeddedEngine) -> None:
    await engine.store.transact([a_put(CHAINED, "u", 0, A_TRACE), a_put(CHAINED, "u", 1, CHANGED)])
    await engine.store.transact([Delete(CHAINED, "t", 1)])


async def reindexed(engine: EmbeddedEngine) -> None:
    version = await engine.store.read(CHAINED, "t")
    assert version is not None
    await engine.store.reindex([(version, CHANGED)])


@pytest.mark.parametrize("change", [replaced, replaced_in_its_own_commit, reindexed])
async def test_what_is_changed_before_it_is_indexed_is_found_as_it_is_now(
    engine: EmbeddedEngine, change: Callable[[EmbeddedEngine], Awaitable[None]]
) -> None:
    await change(engine)
    assert await found(engine, CHAINED, ABOUT) == []
    assert len(await found(engine, CHAINED, Refers("patient", "Patient/q"))) == 1
    assert await found(engine, CHAINED, Text("content", ("restful",))) == []
    assert await defects(engine) == []


async def test_what_is_deleted_before_it_is_indexed_is_judged_by_what_it_said(engine: EmbeddedEngine) -> None:
    await engine.store.transact([Delete(CHAINED, "t", 1)])
    assert await found(engine, CHAINED, ABOUT) == []
    assert await history_of(engine, {CHAINED: ABOUT}) == [("t", 2), ("t", 1)]
    assert await defects(engine) == []


async def test_a_store_with_outstanding_rows_is_sound(engine: EmbeddedEngine) -> None:
    assert await defects(engine) == []
    assert await outstanding(engine)


async def test_rows_of_many_are_written_without_anybody_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_IDLE_SECONDS", 3_600.0)
    monkeypatch.setattr(writer, "_MANY", 3)
    engine = open_engine(tmp_path / "store.sqlite")
    await engine.records.put("code", "a", b"1")
    for n in range(3):
        await engine.store.append([a_put(CHAINED, f"t{n}", 0, A_TRACE)])
    # The writer does one thing after the other: what it is asked next is answered when that is done.
    await engine.records.put("code", "b", b"1")
    assert not await outstanding(engine)
    await engine.close()


ASKING: tuple[tuple[Filter, bool], ...] = (
    (Token("code", "x"), False),
    (Not(Token("code", "x")), False),
    (Linked("subject", "Patient", EVERYTHING), False),
    (LinkedFrom(CHAINED, "entity", EVERYTHING), True),
    (Linked("target", CHAINED, EVERYTHING), True),
    (Not(LinkedFrom(CHAINED, "entity", EVERYTHING)), True),
    (And((Token("code", "x"), Or((Together((LinkedFrom(CHAINED, "entity", EVERYTHING),)),)))), True),
    (Linked("subject", "Patient", LinkedFrom(CHAINED, "patient", EVERYTHING)), True),
)


@pytest.mark.parametrize(("where", "asked"), ASKING)
def test_a_search_waits_for_traces_where_it_or_a_link_of_it_leads_to_them(where: Filter, asked: bool) -> None:
    assert (asks({"Basic": where}), asks({CHAINED: where})) == (asked, True)
