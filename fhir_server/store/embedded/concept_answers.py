"""Answers of another terminology server, kept for a while in the file of concepts: so many, and so many bytes."""

from __future__ import annotations

import apsw

#: Answers kept, and their bytes in all; those that were kept longest go first.
MOST, MOST_BYTES = 50_000, 64_000_000
#: An answer larger than this is not kept, in bytes.
LARGEST = 2_000_000

#: Made where it is not there yet: a file made before there were answers stays as it is.
TABLE = """
CREATE TABLE IF NOT EXISTS answer(n INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
    size INTEGER NOT NULL, value BLOB NOT NULL)
"""


def kept(db: apsw.Connection, key: str) -> tuple[int, bytes] | None:
    """When an answer was kept (Unix seconds), and the answer."""
    found: tuple[int, bytes] | None = db.execute("SELECT at, value FROM answer WHERE key=?", (key,)).fetchone()
    return found


def keep(db: apsw.Connection, key: str, at: int, value: bytes) -> None:
    """Keep an answer in place of an earlier one, and let go of the oldest that are too many."""
    if len(value) > LARGEST:
        return
    row = (key, at, len(value), value)
    db.execute("INSERT OR REPLACE INTO answer(key, at, size, value) VALUES(?,?,?,?)", row)
    # Their bytes are added up once in a while: between two times, what is over the limit is small.
    if db.last_insert_rowid() % 64:
        return
    db.execute("DELETE FROM answer WHERE n <= (SELECT max(n) FROM answer) - ?", (MOST,))
    over = "SELECT n FROM (SELECT n, sum(size) OVER (ORDER BY n DESC) AS total FROM answer) WHERE total>?"
    db.execute(f"DELETE FROM answer WHERE n IN ({over})", (MOST_BYTES,))
