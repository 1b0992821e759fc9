"""Numbers of names and conditions made of them: kept once they are committed, by whichever way they were found.

https://sqlite.org/c3ref/txn_state.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from fhir_server.store.embedded.conditions import Compiler, Frame
from fhir_server.store.embedded.connections import open_reader
from fhir_server.store.embedded.engine import open_engine
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.sql import TRUE
from fhir_server.store.filters import Filter, Not, Token, Word
from tests.store.making import a_put, an_index

SYSTEM, LATER = "http://example.org/system", "http://example.org/later"
PATIENT = Frame(("Patient",))
HIDDEN = Not(Token("identifier", "1", SYSTEM))


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store in which a Patient has an identifier."""
    await _stored(tmp_path / "store.sqlite", SYSTEM)
    return tmp_path / "store.sqlite"


async def _stored(path: Path, system: str) -> None:
    engine = open_engine(path, busy_seconds=0.2)
    await engine.store.transact([a_put("Patient", system[-5:], index=an_index(Word("identifier", "1", system)))])
    await engine.close()


@pytest.fixture
def reader(path: Path) -> Iterator[apsw.Connection]:
    connection = open_reader(path, 0.2)
    yield connection
    connection.close()


def _asked(connection: apsw.Connection, compiler: Compiler, where: Filter) -> int:
    """How many statements a condition takes to be made, in a snapshot."""
    statements: list[str] = []
    connection.execute("BEGIN")
    connection.exec_trace = lambda _cursor, text, _values: not statements.append(text)
    try:
        compiler.condition(where, PATIENT)
    finally:
        connection.exec_trace = None
        connection.execute("COMMIT")
    return len(statements)


def test_what_a_snapshot_found_is_not_asked_for_again(reader: apsw.Connection) -> None:
    names = Names()
    assert _asked(reader, Compiler(reader, names), HIDDEN) == 2
    assert _asked(reader, Compiler(reader, names), HIDDEN) == 0


async def test_a_name_that_has_no_number_yet_is_asked_for_until_it_has_one(path: Path, reader: apsw.Connection) -> None:
    compiler, hidden = Compiler(reader, Names()), Not(Token("identifier", "1", LATER))
    assert compiler.condition(hidden, PATIENT) == TRUE
    await _stored(path, LATER)
    assert compiler.condition(hidden, PATIENT) != TRUE


def test_what_a_writer_undid_is_not_kept(path: Path) -> None:
    writer = apsw.Connection(str(path))
    names = Names()
    compiler, hidden = Compiler(writer, names), Not(Token("identifier", "1", LATER))
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO system(uri) VALUES(?)", (LATER,))
    assert compiler.condition(hidden, PATIENT) != TRUE
    writer.execute("ROLLBACK")
    assert compiler.condition(hidden, PATIENT) == TRUE
    writer.close()
