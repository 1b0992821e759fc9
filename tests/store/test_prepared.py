"""A statement is prepared once, whatever values it is given later.

https://sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfigenableqpsg: without that guarantee SQLite makes the plan
anew whenever a value is bound that the planner has looked at, which takes longer than most reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.readers import Reader
from fhir_server.store.embedded.search import Search
from fhir_server.store.filters import (
    EVERYTHING,
    And,
    Filter,
    Linked,
    Missing,
    Not,
    Or,
    Range,
    Refers,
    Span,
    String,
    Token,
    Word,
)
from fhir_server.store.protocol import NEWEST, Sort
from tests.store.making import a_put, an_index, stored

TYPE = "Observation"
BY_DATE = (Sort("date", "span"),)


def find(where: Filter, sort: tuple[Sort, ...] = NEWEST) -> Callable[[Search], object]:
    return lambda search: search.find({TYPE: where}, sort, None, 20, 1_000_000)


def count(where: Filter) -> Callable[[Search], object]:
    return lambda search: search.count({TYPE: where}, 10)


#: What is asked, of a value that differs from one time to the next.
ASKED: dict[str, Callable[[str], Callable[[Search], object]]] = {
    "by id": lambda n: lambda search: search.versions_of([(TYPE, f"o{n}")], "body"),
    "a token": lambda n: find(Token("code", n)),
    "a reference": lambda n: find(Refers("subject", f"Patient/{n}")),
    "the beginning of a name": lambda n: find(String("name", f"ada{n}")),
    "a date": lambda n: find(Range("date", low_from=int(n), high_to=int(n) + 10)),
    "in the order of dates": lambda n: find(Token("code", n), BY_DATE),
    "what a rule withholds": lambda n: find(And((Refers("subject", f"Patient/{n}"), Not(Token("security", n))))),
    "one of several": lambda n: find(Or((Token("code", n), Missing("name")))),
    "a chain": lambda n: find(Linked("subject", "Patient", Token("code", n))),
    "how many": lambda n: count(And((Token("code", n), Token("security", "n")))),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("prepared") / "store.sqlite"
    asyncio.run(_filled(found))
    return found


async def _filled(path: Path) -> None:
    engine = open_engine(path)
    for type in (TYPE, "Patient"):
        await stored(engine, type, {f"o{n}": _index(n) for n in range(30)})
    await engine.close()


def _index(n: int):  # type: ignore[no-untyped-def]
    words = [Word("code", str(n % 3)), Word("subject", f"Patient/{n}"), Word("name", f"ada{n}"), Word("security", "n")]
    return an_index(*words, Span("date", n, n), narrative="a word")


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    opened = Reader(path, Names(), 5.0)
    yield opened
    opened.connection.close()


@pytest.mark.parametrize("asked", ASKED)
def test_a_question_is_prepared_once_for_all_values(reader: Reader, asked: str) -> None:
    prepared = _prepared(reader.connection)
    reader.run(ASKED[asked]("1"), 10)
    assert prepared
    prepared.clear()
    for value in ("2", "3", "1"):
        reader.run(ASKED[asked](value), 10)
    assert prepared == []


async def test_so_is_the_write_of_a_trace(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "store.sqlite")
    prepared = _prepared(engine._connection)
    for n in range(2):
        await engine.store.append([a_put("AuditEvent", f"trace-{n}")])
        # Else its index rows are written when nobody has written for a while, with statements of their own.
        await engine.store.count({"AuditEvent": EVERYTHING})
    assert prepared
    prepared.clear()
    for n in (2, 3, 4):
        await engine.store.append([a_put("AuditEvent", f"trace-{n}")])
    assert prepared == []
    await engine.close()


def _prepared(connection: apsw.Connection) -> list[str | None]:
    """Grows whenever a statement is prepared from now on: SQLite then asks whether it may read each column."""
    prepared: list[str | None] = []

    def asked(action: int, one: str | None, other: str | None, schema: str | None, inside: str | None) -> int:
        prepared.append(one)
        return apsw.SQLITE_OK

    connection.authorizer = asked
    return prepared
