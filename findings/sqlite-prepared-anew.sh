#!/usr/bin/env bash
# SQLite 3.54.1 as apsw 3.54.1.0 brings it prepares a kept statement again at each run, when it is a join or a sub-select
# and has a bound parameter: parsed and planned anew, though nothing was ever analysed, the schema is the same, and so
# may the value be. A statement of one table is not. For a look-up by key that is more work than the look-up.
# SQLITE_DBCONFIG_ENABLE_QPSG (https://sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfigenableqpsg) ends it.
# Seen: SQLite asks an authorizer for each column whenever it prepares: 14, 7, 7 times in three runs; 7, 0, 0 with QPSG.
# Fails when the statement is prepared once without it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check apsw==3.54.1.0
cat > prepared.py <<'PY'
import sys

import apsw

SCHEMA = """
CREATE TABLE resource(type INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL);
CREATE UNIQUE INDEX resource_id ON resource(type, id);
CREATE TABLE content(seq INTEGER PRIMARY KEY, bytes BLOB)"""
ONE = "SELECT r.seq FROM resource r WHERE r.type=? AND r.id=?"
TWO = "SELECT r.seq, c.bytes FROM resource r CROSS JOIN content c ON c.seq=r.seq WHERE r.type=? AND r.id=?"


def asked(statement, guaranteed):
    db = apsw.Connection(":memory:")
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, guaranteed)
    db.execute(SCHEMA)
    found, counts = [], []
    db.authorizer = lambda *action: found.append(action) or apsw.SQLITE_OK
    for id in ("a", "a", "b"):
        found.clear()
        db.execute(statement, (1, id)).fetchall()
        counts.append(len(found))
    return counts


one, two, guaranteed = asked(ONE, 0), asked(TWO, 0), asked(TWO, 1)
print(f"SQLite {apsw.sqlitelibversion()}: one table {one}, a join {two}, a join with QPSG {guaranteed}")
sys.exit(not (one[1:] == guaranteed[1:] == [0, 0] and all(two)))
PY
venv/bin/python prepared.py
