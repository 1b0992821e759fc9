"""Index rows that arrive together: the statement that writes them into the file keeps no copies of pages.

SQLite opens a statement journal (https://sqlite.org/tempfiles.html#stmtjrnl) for a statement of many rows that may end
amid them, as one that calls a function may.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from fhir_server.store.embedded import batch
from fhir_server.store.embedded.connections import open_writer
from fhir_server.store.embedded.schema import prepare


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    with closing(open_writer(tmp_path / "fhir.sqlite", 1.0)) as found:
        prepare(found)
        yield found


@pytest.mark.parametrize("statements", [batch._WORD, batch._SPAN], ids=["words", "spans"])
def test_rows_of_the_index_are_moved_into_the_file_without_calling_a_function(
    connection: apsw.Connection, statements: tuple[str, ...]
) -> None:
    _, moving, _ = statements
    steps = {row[1] for row in connection.execute(f"EXPLAIN {moving}")}
    assert {"IdxInsert"} <= steps
    assert not steps & {"Function", "PureFunc"}


@pytest.mark.parametrize("statements", [batch._WORD, batch._SPAN], ids=["words", "spans"])
def test_rows_that_were_moved_do_not_arrive_again(connection: apsw.Connection, statements: tuple[str, ...]) -> None:
    given, *moving = statements
    columns = 5 if statements is batch._WORD else 9
    for rid in (1, 2):
        connection.execute(given, (f"[{[rid] * columns}]",))
        for statement in moving:
            connection.execute(statement)
    table = "word" if columns == 5 else "span"
    assert [row[0] for row in connection.execute(f"SELECT rid FROM {table} ORDER BY rid")] == [1, 2]
    assert connection.execute(f"SELECT count(*) FROM temp.arriving_{table}").get == 0
