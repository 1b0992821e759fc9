"""The tables of the embedded store, and the version number that says which server may open them.

Numbers, not names, stand in the rows: `name` gives each resource type (code "") and each search parameter of a type
its number, `system` each URI used as a qualifier. What a search sorts or scans is kept apart from the bodies, which
are large.
"""

from __future__ import annotations

import apsw

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.chain import CHAINED, begun
from fhir_server.store.private import APPLICATION

#: Notes of changed records. Numbers are never used again, though notes are thrown away.
NOTES = """
CREATE TABLE IF NOT EXISTS record_change(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL,
    new INTEGER NOT NULL, at REAL NOT NULL);
"""

#: Where the chain of traces begins: one row. Its digests stand with the versions.
CHAIN = "CREATE TABLE chain(seq INTEGER NOT NULL, digest BLOB NOT NULL);"

#: Whose rows of `word`, `span` and `text` are still to be written, with what only `text` will hold.
UNINDEXED = "CREATE TABLE unindexed(rid INTEGER PRIMARY KEY, narrative TEXT NOT NULL, content TEXT NOT NULL);"

#: What is left of purged resources: the links of traces, and how far versions, resources and instants had come, which
#: go on rising from there. `todo` is what `scour` still has to do: 0 nothing.
PURGED = """
CREATE TABLE erased(seq INTEGER PRIMARY KEY, vid INTEGER NOT NULL, at INTEGER NOT NULL, method INTEGER NOT NULL,
    digest BLOB, said BLOB NOT NULL, under TEXT NOT NULL);
CREATE TABLE stood(seq INTEGER NOT NULL, rid INTEGER NOT NULL, at INTEGER NOT NULL, todo INTEGER NOT NULL);
INSERT INTO stood(seq, rid, at, todo) VALUES(0, 0, 0, 0);
"""

#: Written into the file's header. A server refuses a file with a greater number and upgrades one with a smaller.
VERSION = 6

#: The longest interval of form 1: 32 days in µs, so that days and months are short (numbers always are).
SHORT = 32 * 86_400_000_000

#: Every printable ASCII sign is part of a word: words come folded and already split at spaces.
_SIGNS = "".join(chr(n) for n in range(33, 127) if not chr(n).isalnum()).replace("'", "''''").replace('"', '""')

#: Names that one resource of a type alone holds (`Put.claims`).
CLAIM = """
CREATE TABLE claim(type INTEGER NOT NULL, name TEXT NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(type, name)) WITHOUT ROWID;
CREATE INDEX claim_rid ON claim(rid);
"""

TABLES = f"""
CREATE TABLE name(id INTEGER PRIMARY KEY, type TEXT NOT NULL, code TEXT NOT NULL, UNIQUE(type, code));
CREATE TABLE system(id INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE);

-- One row a resource. `seq` is its current version; seq and instants rise together. `live` is 0 once deleted.
CREATE TABLE resource(rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id TEXT NOT NULL, live INTEGER NOT NULL,
    seq INTEGER NOT NULL, vid INTEGER NOT NULL, at INTEGER NOT NULL, method INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE UNIQUE INDEX resource_id ON resource(type, id);
CREATE INDEX resource_newest ON resource(type, live, seq);

-- One row a version, in the order of commits; `size` is the length of the body inside `content.bytes`, `digest` its
-- link in the chain of traces.
CREATE TABLE version(seq INTEGER PRIMARY KEY, rid INTEGER NOT NULL, type INTEGER NOT NULL, vid INTEGER NOT NULL,
    at INTEGER NOT NULL, method INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB);
CREATE UNIQUE INDEX version_vid ON version(rid, vid);
CREATE INDEX version_type ON version(type, seq);

-- The body, then the packed index, in one blob: one look-up, and one array of bytes for a whole batch.
CREATE TABLE content(seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);

-- Index rows of the current version, kept after a deletion (history is judged by them). Clustered by resource for
-- checking and sorting, and by value for finding. A qualifier is text, or the number of a `system`.
CREATE TABLE word(rid INTEGER NOT NULL, param INTEGER NOT NULL, value TEXT NOT NULL, qualifier NOT NULL,
    grp INTEGER NOT NULL, PRIMARY KEY(rid, param, value, qualifier, grp)) WITHOUT ROWID;
CREATE INDEX word_value ON word(param, value, rid, qualifier, grp);
-- `form` is 0 for a point, 1 for an interval no longer than SHORT, 2 beyond: an interval that holds an instant began
-- at most SHORT before it, or is one of the few of form 2. `many`: the resource has other spans of the parameter, so
-- that two bounds may be met by two rows.
CREATE TABLE span(rid INTEGER NOT NULL, param INTEGER NOT NULL, low NOT NULL, high NOT NULL, code TEXT NOT NULL,
    system NOT NULL, grp INTEGER NOT NULL, form INTEGER NOT NULL, many INTEGER NOT NULL,
    PRIMARY KEY(rid, param, low, high, code, system, grp)) WITHOUT ROWID;
CREATE INDEX span_low ON span(param, form, low, rid, high, code, system, grp);
CREATE INDEX span_high ON span(param, form, high, rid, low, code, system, grp) WHERE low < high;
CREATE INDEX span_many ON span(param, rid) WHERE many;

CREATE VIRTUAL TABLE text USING fts5(narrative, content, content='', contentless_delete=1, detail=column,
    tokenize="ascii tokenchars '{_SIGNS}'");

{CLAIM}
CREATE TABLE record(kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, expires REAL,
    PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE INDEX record_expires ON record(expires) WHERE expires IS NOT NULL;
{NOTES}{CHAIN}{UNINDEXED}{PURGED}"""


#: What makes a file of version n one of n + 1, by n.
_UPGRADES = (
    "",
    CLAIM,
    NOTES,
    f"ALTER TABLE version ADD COLUMN digest BLOB; {CHAIN}",
    UNINDEXED,
    f"UPDATE version SET digest=NULL WHERE digest IS NOT NULL; DELETE FROM chain; {PURGED}",
)
#: The first version whose traces are chained as now: of a store that had some before, the chain begins after them.
_WITH_CHAIN = 6
#: What is stored until now, and how many of it are of the chained type: they are in no chain.
_STANDS = """
SELECT coalesce((SELECT max(seq) FROM version), 0),
    (SELECT count(*) FROM version WHERE type = (SELECT id FROM name WHERE type=? AND code=''))"""


def prepare(connection: apsw.Connection) -> None:
    """Create the tables in a new file, or make sure that this server understands the ones that are there.

    Raises:
        Unavailable: the file is not a store, or a newer server's.
    """
    connection.execute("BEGIN IMMEDIATE")
    with_tables = False
    try:
        application, version = connection.pragma("application_id"), connection.pragma("user_version")
        with_tables = bool(connection.execute("SELECT count(*) FROM sqlite_schema").get)
        if not with_tables:
            connection.execute(TABLES)
            connection.execute(f"PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}")
        else:
            _understood(application, version)
            for statements in _UPGRADES[int(str(version)) :]:
                connection.execute(statements)
            if version != VERSION:
                connection.execute(f"PRAGMA user_version={VERSION}")
        if not with_tables or int(str(version)) < _WITH_CHAIN:
            place, older = connection.execute(_STANDS, (CHAINED,)).get
            connection.execute("INSERT INTO chain(seq, digest) VALUES(?, ?)", (place, begun(place, older)))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _understood(application: object, version: object) -> None:
    if application != APPLICATION:
        raise Unavailable("The file of the store is another program's SQLite database.")
    if not isinstance(version, int) or version > VERSION:
        raise Unavailable(f"The store was written by a newer server (schema {version}, this one knows {VERSION}).")
