"""The engine and the meaning of filters agree: on what is found, how much, in which order, and page by page.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.store.embedded import candidates, connections, search
from fhir_server.store.engine import Engine
from fhir_server.store.filters import (
    BEGINNING,
    END,
    And,
    Filter,
    Id,
    Index,
    Linked,
    LinkedFrom,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    Span,
    String,
    Text,
    Together,
    Token,
    Uri,
    Word,
)
from fhir_server.store.matching import matches
from fhir_server.store.protocol import Delete, Sort
from tests.store.conftest import ENGINES
from tests.store.making import a_put, defects

TYPES = ("A", "B", "C")
PARAMS = ("p", "q", "near", "near$2", "c$1", "c$2")
IDS = tuple("12345")
#: Signs that mean something to LIKE, GLOB, FTS5, JSON or SQL, and the ends of Unicode's planes.
VALUES = (
    "a",
    "ab",
    "a%",
    "a_b",
    "A*",
    "a/b",
    "a/",
    "x'y",
    'x"y',
    "",
    "é",
    "a\U0010ffff",
    "a\ud7ff",
    "A/1",
    "B/2",
    "C/3",
)
SYSTEMS = ("", "s", "http://s.example/x", "urn:oid:1.2", "1")
DAY = 86_400_000_000
NUMBERS = (0, 1, 2, 2.5, 3, 10, DAY, 40 * DAY, 41 * DAY, -5, BEGINNING, END)
WORDS = ("chat", "l'eau", 'a"b', "a-b", "é")


def texts() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    low, high = sorted((draw(st.sampled_from(NUMBERS)), draw(st.sampled_from(NUMBERS))))
    if draw(st.booleans()):
        high = low
    code = draw(st.sampled_from(("", "mg")))
    return Span(draw(st.sampled_from(PARAMS)), low, high, code, draw(st.sampled_from(SYSTEMS)), draw(st.integers(0, 2)))


words = st.builds(
    Word, st.sampled_from(PARAMS), st.sampled_from(VALUES), st.sampled_from((*SYSTEMS, *VALUES)), st.integers(0, 2)
)


@st.composite
def indexes(draw: st.DrawFn) -> Index:
    return Index(
        tuple(draw(st.lists(words, max_size=5, unique=True))),
        tuple(draw(st.lists(spans(), max_size=4, unique=True))),
        draw(texts()),
        draw(texts()),
    )


bounds = st.none() | st.sampled_from(NUMBERS)
#: Instants of versions are around now: bounds before, after, and in between.
instants = st.none() | st.sampled_from((0, 2**60, BEGINNING, END))
leaves: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Id, st.lists(st.sampled_from((*IDS, "none")), max_size=3).map(tuple)),
    st.builds(Token, st.sampled_from(PARAMS), st.none() | st.sampled_from(VALUES), st.none() | st.sampled_from(SYSTEMS)),
    st.builds(String, st.sampled_from(PARAMS), st.sampled_from(VALUES), st.sampled_from(("starts", "contains", "ends", "exact"))),
    st.builds(Refers, st.sampled_from(PARAMS), st.sampled_from(VALUES), st.none() | st.sampled_from(SYSTEMS)),
    st.builds(Uri, st.sampled_from(PARAMS), st.sampled_from(VALUES), st.sampled_from(("equal", "below"))),
    st.builds(
        Range, st.sampled_from(PARAMS), bounds, bounds, bounds, bounds,
        st.none() | st.sampled_from(("", "mg")), st.none() | st.sampled_from(SYSTEMS),
    ),
    st.builds(Range, st.just("_lastUpdated"), instants, instants, instants, instants),
    st.builds(Near, st.just("near"), st.just(1.0), st.sampled_from((0.0, 2.0)), st.sampled_from((0.0, 1e5, 1e6, 3e7))),
    st.builds(Text, st.sampled_from(("narrative", "content")), st.lists(st.sampled_from((*WORDS, "rien", "a b", "")), max_size=2).map(tuple)),
    st.builds(Missing, st.sampled_from((*PARAMS, "never", "_id", "_lastUpdated"))),
)  # fmt: skip


def _more(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    parts = st.lists(inner, max_size=4).map(tuple)
    return st.one_of(
        st.builds(And, parts),
        st.builds(Or, parts),
        st.builds(Not, inner),
        st.builds(Together, parts),
        st.builds(Linked, st.sampled_from(PARAMS), st.sampled_from(TYPES), inner),
        st.builds(LinkedFrom, st.sampled_from(TYPES), st.sampled_from(PARAMS), inner),
    )


filters = st.recursive(leaves, _more, max_leaves=8)
sorts = st.lists(
    st.one_of(
        st.builds(Sort, st.sampled_from(PARAMS), st.sampled_from(("word", "span")), st.booleans()),
        st.builds(Sort, st.sampled_from(("_id", "_lastUpdated")), st.just("own"), st.booleans()),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
writes = st.lists(
    st.tuples(st.sampled_from(TYPES), st.sampled_from(IDS), st.none() | indexes()), min_size=1, max_size=14
)


@dataclass
class Kept:
    """A resource as the model has it."""

    number: int
    version: int
    seq: int
    at: int
    index: Index
    live: bool


@dataclass
class Model:
    """The store in plain Python: what was written, and what filters mean by it."""

    prefix: str
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)
    versions: list[tuple[tuple[str, str], Kept]] = field(default_factory=list)

    def holds(self, where: Filter, type: str, id: str, past: Kept | None = None) -> bool:
        """Whether a resource satisfies `where` as it is now, or as it was; texts of the past are not kept."""
        now = self.kept[type, id]
        index = Index(past.index.words, past.index.spans) if past else now.index
        at = (past or now).at * 1000
        return matches(where, index, id, at, lambda link: self._linked(link, type, id, index))

    def history(self, scope: dict[str, Filter]) -> list[tuple[str, str, int]]:
        """Versions that satisfied the filter of their type, of resources that do now, newest first."""
        return [
            (*key, past.version)
            for key, past in reversed(self.versions)
            if key[0] in scope and self.holds(scope[key[0]], *key)
            and (past is self.kept[key] or self.holds(scope[key[0]], *key, past))
        ]  # fmt: skip

    def _linked(self, link: Linked | LinkedFrom, type: str, id: str, index: Index) -> bool:
        if isinstance(link, Linked):
            targets = {w.value for w in index.words if w.param == link.param}
            return any(
                f"{other}/{oid}" in targets and kept.live and self.holds(link.where, other, oid)
                for (other, oid), kept in self.kept.items()
                if other == link.type
            )
        return any(
            kept.live
            and any(w.param == link.param and w.value == f"{type}/{id}" for w in kept.index.words)
            and self.holds(link.where, other, oid)
            for (other, oid), kept in self.kept.items()
            if other == link.type
        )

    def found(self, scope: dict[str, Filter]) -> list[tuple[str, str]]:
        return [
            key for key, kept in self.kept.items() if kept.live and key[0] in scope and self.holds(scope[key[0]], *key)
        ]

    def ordered(self, scope: dict[str, Filter], sort: tuple[Sort, ...]) -> list[tuple[str, str]]:
        return sorted(self.found(scope), key=cmp_to_key(lambda a, b: self._compare(a, b, sort)))

    def _compare(self, a: tuple[str, str], b: tuple[str, str], sort: tuple[Sort, ...]) -> int:
        for place, key in enumerate(sort):
            x, y = (self._value(one, key, place == len(sort) - 1) for one in (a, b))
            if x != y:
                if x is None or y is None:
                    return 1 if x is None else -1
                return (-1 if x < y else 1) * (-1 if key.descending else 1)
        return (self.kept[a].number - self.kept[b].number) * (-1 if sort[0].descending else 1)

    def _value(self, one: tuple[str, str], key: Sort, last: bool) -> Any:
        kept = self.kept[one]
        if key.kind == "own":
            return one[1] if key.param == "_id" else kept.seq if last else kept.at
        if key.kind == "word":
            values: list[Any] = [w.value for w in kept.index.words if w.param == key.param]
        else:
            values = [s.high if key.descending else s.low for s in kept.index.spans if s.param == key.param]
        return (max if key.descending else min)(values) if values else None


_examples = count()
_seqs = count(1)


async def filled(engine: Engine, todo: list[tuple[str, str, Index | None]]) -> Model:
    """A model and a store in which the same was written; each example has types of its own."""
    model = Model("")
    for type, id, index in todo:
        before = model.kept.get((type, id))
        expected = before.version if before else 0
        if index is None and before is None:
            continue
        write = Delete(type, id, expected) if index is None else a_put(type, id, expected, index)
        (version,) = await engine.store.transact([write])
        model.kept[type, id] = Kept(
            before.number if before else next(model.numbers),
            version.version,
            next(_seqs),
            version.at,
            index if index is not None else before.index,  # type: ignore[union-attr]
            index is not None,
        )
        model.versions.append(((type, id), model.kept[type, id]))
    return model


async def paged(engine: Engine, scope: dict[str, Filter], sort: tuple[Sort, ...], size: int) -> list[tuple[str, str]]:
    after, seen = None, []
    while True:
        page = await engine.store.find(scope, sort, after, size)
        assert len(page.versions) <= size
        seen += [(version.type, version.id) for version in page.versions]
        if page.next is None:
            return seen
        after = page.next


#: Name, and figures of the planner: small ones make every way be taken with a handful of resources.
PLANS = [
    ("usual", 1_000, 20_000, 500, 100_000, 150, 2_000),
    ("walked", 1, 0, -1, 10**9, 150, 2_000),
    ("walked in vain", 1, 0, -1, 0, 0, 1),
    ("driven", 1, 10**9, 10**9, 0, 150, 2_000),
]


@pytest.mark.parametrize("plan", PLANS, ids=[plan[0] for plan in PLANS])
@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_finds_counts_orders_and_pages_as_the_filters_mean(
    name: str, plan: tuple[str, int, int, int, int, int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, figure in zip(FIGURES, plan[1:], strict=True):
        monkeypatch.setattr(*place, figure)
    with asyncio.Runner() as runner:
        folders = count()

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(writes, st.lists(st.tuples(filters, sorts), min_size=1, max_size=6), st.integers(1, 4))
        def agree(todo: Any, asked: Any, size: int) -> None:
            folder = tmp_path / str(next(folders))
            folder.mkdir()
            runner.run(_agree(name, folder, todo, asked, size))

        agree()


#: Filters that are easily taken apart wrongly → ids of what satisfies them; "1" has two groups, "2" has one.
NESTED: list[tuple[Filter, list[str]]] = [
    (Together((Token("c$1", "a"), Together((Token("c$2", "b"),)))), ["2"]),
    (Together((Token("c$1", "a"), Not(Together((Token("c$2", "b"),))))), ["1"]),
    (Together((Token("c$1", "a"), Or((Together((Token("c$2", "b"), Token("c$1", "a"))), Token("c$1", "x'y"))))), ["2"]),
    (And((Token("c$1", "a"), Together((Token("c$2", "b"),)))), ["1", "2"]),
]


@pytest.mark.parametrize("where", [where for where, _ in NESTED], ids=repr)
@pytest.mark.parametrize("name", ENGINES)
async def test_a_group_within_a_group_is_the_same_one(name: str, where: Filter, tmp_path: Path) -> None:
    engine = ENGINES[name](tmp_path)
    try:
        apart = Index((Word("c$1", "a", "", 1), Word("c$2", "b", "", 2)))
        model = await filled(engine, [("A", "1", apart), ("A", "2", Index((Word("c$1", "a"), Word("c$2", "b"))))])
        expected = next(ids for one, ids in NESTED if one is where)
        assert sorted(id for _, id in model.found({"A": where})) == expected
        page = await engine.store.find({"A": where})
        assert sorted(version.id for version in page.versions) == expected
    finally:
        await engine.close()


FIGURES = (
    (candidates, "FEW"),
    (candidates, "MANY"),
    (search, "_DRIVEN"),
    (search, "_LEAST"),
    (search, "_JUDGING"),
    (connections, "_INSTRUCTIONS"),
)
EXAMPLES = 80


async def _agree(name: str, folder: Path, todo: Any, asked: Any, size: int) -> None:
    engine = ENGINES[name](folder)
    try:
        model = await filled(engine, todo)
        for where, sort in asked:
            for scope in ({"A": where}, {"A": where, "B": where}, {"A": where, "C": Not(where)}):
                expected = model.ordered(scope, sort)
                assert sorted(await paged(engine, scope, sort, 100)) == sorted(expected)
                assert await paged(engine, scope, sort, size) == expected
                assert await engine.store.count(scope) == len(expected)
                assert await engine.store.count(scope, size) == min(size, len(expected))
                history = await engine.store.history(scope, count=100)
                assert [(v.type, v.id, v.version) for v in history.versions] == model.history(scope)
                assert await engine.store.history_count(scope) == len(history.versions)
        assert await defects(engine) == []
    finally:
        await engine.close()
