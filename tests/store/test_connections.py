"""What connections are set to is in force: a pragma behind one that answers with a row is done all the same."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fhir_server.store.embedded.connections import open_reader, open_writer

#: Pragma → what it answers: https://sqlite.org/pragma.html, of `synchronous` FULL and of `temp_store` MEMORY.
BOTH = {
    "page_size": 4096,
    "journal_mode": "wal",
    "synchronous": 2,
    "temp_store": 2,
    "foreign_keys": 0,
    "cache_size": -4096,
}
OF = {
    "writer": (open_writer, BOTH | {"wal_autocheckpoint": 0, "journal_size_limit": 67_108_864, "secure_delete": 1}),
    "reader": (open_reader, BOTH | {"query_only": 1}),
}


@pytest.mark.parametrize("kind", OF)
def test_what_a_connection_is_set_to_is_in_force(tmp_path: Path, kind: str) -> None:
    make, expected = OF[kind]
    with closing(open_writer(tmp_path / "fhir.sqlite", 1.0)), closing(make(tmp_path / "fhir.sqlite", 1.0)) as found:
        assert {name: found.pragma(name) for name in expected} == expected
