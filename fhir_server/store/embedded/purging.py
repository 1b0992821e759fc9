"""Erasing from the embedded store: first every row of what is purged, in one commit; then what is left in the file.

https://sqlite.org/pragma.html#pragma_secure_delete, https://sqlite.org/fts5.html#the_merge_command. Rows that are
deleted are overwritten (`connections.open_writer`), but a full-text index without content only notes that one of its
documents is gone: its words stay until its parts are merged. What was written before stands in the log until that
begins anew, and between the cells of pages until that is wiped (`gaps`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from fhir_server.store.chain import CHAINED, said
from fhir_server.store.embedded.batch import FORGET, METHODS, Batch
from fhir_server.store.embedded.claims import Key
from fhir_server.store.embedded.connections import open_writer
from fhir_server.store.embedded.gaps import wiped

_VERSIONS = "SELECT seq FROM version WHERE rid IN (SELECT value FROM json_each(?))"
#: What takes away all but the index rows of resources.
_END = (
    "DELETE FROM claim WHERE rid IN (SELECT value FROM json_each(?))",
    f"DELETE FROM content WHERE seq IN ({_VERSIONS})",
    "DELETE FROM version WHERE rid IN (SELECT value FROM json_each(?))",
    "DELETE FROM resource WHERE rid IN (SELECT value FROM json_each(?))",
)
_FOUND = """
SELECT r.rid FROM json_each(?) j CROSS JOIN name n ON n.type = j.value->>0 AND n.code = ''
CROSS JOIN resource r ON r.type = n.id AND r.id = j.value->>1"""
_STOOD = """
UPDATE stood SET todo=1, seq=max(seq, (SELECT max(seq) FROM version)), rid=max(rid, (SELECT max(rid) FROM resource)),
    at=max(at, (SELECT at FROM version ORDER BY seq DESC LIMIT 1))"""
_LINKS = """
SELECT v.seq, r.id, v.vid, v.at, v.method, v.digest, substr(c.bytes, 1, v.size)
FROM json_each(?) j CROSS JOIN resource r ON r.rid=j.value JOIN version v ON v.rid=r.rid JOIN content c ON c.seq=v.seq
WHERE v.type=(SELECT id FROM name WHERE type=? AND code='')"""
_KEPT = "INSERT INTO erased(seq, vid, at, method, digest, said, under) VALUES(?, ?, ?, ?, ?, ?, ?)"

#: `stood.todo`: all is done; the index is to be merged anew; it is being merged; the log is to begin anew; from this
#: number on, the page to be wiped next.
_DONE, _BEGIN, _MERGING, _LOG, _WIPING = range(5)
#: Pages of the index that are merged in one go: some tens of milliseconds.
_PAGES = 500
#: How long those who read in the log are waited for.
_WAIT_SECONDS = 0.2


def purge(batch: Batch, connection: apsw.Connection, keys: Sequence[Key], under: str) -> int:
    """As `Store.purge`, inside the transaction of `batch`."""
    batch.flush()
    numbers = _purged(connection, keys, under)
    batch.forget(keys, numbers)
    return len(numbers)


def is_scoured(connection: apsw.Connection) -> bool:
    """Whether nothing purged is left in the file."""
    return bool(connection.execute("SELECT todo FROM stood").get == _DONE)


def merged(connection: apsw.Connection) -> bool:
    """Merge a part of the full-text index inside the transaction under way; True when that is done."""
    left = connection.execute("SELECT todo FROM stood").get
    if left not in (_BEGIN, _MERGING):
        return True
    before = connection.total_changes()
    connection.execute("INSERT INTO text(text, rank) VALUES('merge', ?)", (-_PAGES if left == _BEGIN else _PAGES,))
    # https://sqlite.org/fts5.html: fewer than two changes, and there was nothing left to merge.
    done = connection.total_changes() - before < 2
    connection.execute("UPDATE stood SET todo=?", (_LOG if done else _MERGING,))
    return done


def emptied(path: Path) -> bool:
    """Have the log begin anew, and wipe some pages; False where there are more, or somebody reads in the log."""
    connection = open_writer(path, _WAIT_SECONDS)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.execute("BEGIN IMMEDIATE")
        if path.with_name(f"{path.name}-wal").stat().st_size:
            # Somebody wrote meanwhile: what the file has is not what is stored.
            return False
        todo = connection.execute("SELECT todo FROM stood").get
        if todo < _LOG:
            # More was purged meanwhile.
            return bool(todo == _DONE)
        after = wiped(path, connection, max(todo - _WIPING, 1))
        connection.execute("UPDATE stood SET todo=?", (_DONE if after is None else _WIPING + after,))
        connection.execute("COMMIT")
        return after is None
    except apsw.BusyError:
        return False
    finally:
        # Whatever it was in the middle of is undone.
        connection.close()


def _purged(connection: apsw.Connection, keys: Sequence[Key], under: str) -> list[int]:
    """Erase resources inside the transaction under way; the numbers of those that were there."""
    numbers = [rid for (rid,) in connection.execute(_FOUND, (_text([*dict.fromkeys(keys)]),))]
    if not numbers:
        return []
    rids = _text(numbers)
    connection.execute(_STOOD)
    links: list[Any] = connection.execute(_LINKS, (rids, CHAINED)).fetchall()
    connection.executemany(
        _KEPT,
        [
            (seq, vid, at, method, digest, said(id, vid, METHODS[method], body), under)
            for seq, id, vid, at, method, digest, body in links
        ],
    )
    for statement in (*FORGET, *_END):
        connection.execute(statement, (rids,))
    return numbers


def _text(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()
