"""Of several conditions the rarest is looked through, whatever their kind or place, and however many each has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from fhir_server.store.embedded import candidates, search
from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.readers import Reader
from fhir_server.store.filters import And, Filter, Not, Or, Range, Refers, Span, String, Token, Word
from fhir_server.store.protocol import NEWEST, Sort
from tests.store.making import an_index, stored

ALL, HALF, FEWER = 480, 240, 120
#: Every one, every second and every fourth of the resources has it; a condition of each kind.
CONDITIONS: dict[str, tuple[int, Filter]] = {
    "status": (ALL, Token("status", "free")),
    "schedule": (ALL, Or((Refers("schedule", "Schedule/1"), Refers("schedule", "Schedule/2")))),
    "start": (HALF, Range("start", low_from=1)),
    "name": (HALF, String("name", "ada")),
    "category": (HALF, Token("category", "a")),
    "actor": (FEWER, Refers("actor", "Practitioner/1")),
    "city": (FEWER, Or((Token("city", "x"), Token("city", "y")))),
}
#: What is asked → the only one that may be looked through.
ASKED = (
    (("status", "actor"), "actor"),
    (("actor", "status"), "actor"),
    (("status", "schedule", "city"), "city"),
    (("status", "start"), "start"),
    (("start", "category", "actor"), "actor"),
    (("schedule", "name"), "name"),
    (("category", "schedule", "status"), "category"),
    (("city", "status", "name", "start"), "city"),
)
ORDERS = {"newest": NEWEST, "by two keys": (Sort("name", "word"), Sort("start", "span"))}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("rarest") / "store.sqlite"
    asyncio.run(_filled(found))
    return found


async def _filled(path: Path) -> None:
    engine = open_engine(path)
    await stored(engine, "Slot", {f"s{n}": _index(n) for n in range(ALL)})
    await engine.close()


def _index(n: int) -> Any:
    rows: list[Word | Span] = [Word("status", "free"), Word("schedule", f"Schedule/{n % 2 + 1}")]
    if n % 2:
        rows += [Span("start", n, n), Word("name", "ada"), Word("category", "a")]
    if n % 4 == 1:
        rows += [Word("actor", "Practitioner/1"), Word("city", "xy"[n % 8 // 4])]
    return an_index(*rows)


@pytest.fixture(params=(10, 50, 200))
def reader(path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader to whom so many are few, and twice as many are many."""
    for module in (candidates, search):
        monkeypatch.setattr(module, "FEW", request.param)
        monkeypatch.setattr(module, "MANY", 2 * request.param)
    # What is few is looked through before all of it was counted, whichever it is: here it is longer.
    monkeypatch.setattr(search, "_JUDGING", 10)
    opened = Reader(path, Names(), 5.0, instructions=100)
    yield opened
    opened.connection.close()


def where(names: tuple[str, ...]) -> And:
    # Nothing satisfies all of it, so that whatever is looked through is so to its end.
    return And((*(CONDITIONS[name][1] for name in names), Not(Token("status", "free"))))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("names", "rarest"), ASKED)
def test_the_rarest_condition_gives_the_candidates(
    reader: Reader, names: tuple[str, ...], rarest: str, order: str
) -> None:
    first = reader.run(lambda search: search.explain({"Slot": where(names)}, ORDERS[order]), 10)[0]
    assert f"({rarest})" in first


@pytest.mark.parametrize("limit", (None, 1, 30, 1_000))
@pytest.mark.parametrize(("names", "rarest"), ASKED)
def test_it_is_what_is_counted_through(reader: Reader, names: tuple[str, ...], rarest: str, limit: int | None) -> None:
    run = _run(reader.connection)
    assert reader.run(lambda search: search.count({"Slot": where(names)}, limit), 10) == 0
    counted = [sql for sql in run if sql.startswith("SELECT count(*) FROM (SELECT 1")]
    assert _first(reader, counted[-1]) == rarest


@pytest.mark.parametrize(("names", "rarest"), ASKED)
def test_so_is_finding(reader: Reader, names: tuple[str, ...], rarest: str) -> None:
    run = _run(reader.connection)
    page = reader.run(lambda search: search.find({"Slot": where(names)}, ORDERS["by two keys"], None, 20), 10)
    assert page.versions == ()
    assert _first(reader, next(sql for sql in run if "OVER ()" in sql)) == rarest


def _run(connection: apsw.Connection) -> list[str]:
    """Grows by each statement that is run from now on."""
    run: list[str] = []
    connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: run.append(event["sql"]))
    return run


def _first(reader: Reader, sql: str) -> str:
    """The parameter of the condition that a statement takes its candidates from."""
    number = int(sql.partition("w.param=")[2].partition(" ")[0].rstrip(")"))
    found: str = reader.connection.execute("SELECT code FROM name WHERE id=?", (number,)).get
    return found
