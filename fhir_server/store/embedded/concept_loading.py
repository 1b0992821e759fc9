"""The tables of concepts, and how a code system gets into them."""

from __future__ import annotations

from collections.abc import Iterable

import apsw

from fhir_server.store.concepts import Artifact, Concept

VERSION = 1

TABLES = f"""
CREATE TABLE note(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE uri(sys INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE);

-- `source` is "" for what no resource defines: the codes that value sets list of systems which are not here.
CREATE TABLE artifact(aid INTEGER PRIMARY KEY, kind TEXT NOT NULL, url TEXT NOT NULL, version TEXT NOT NULL,
    source TEXT NOT NULL, stamp TEXT NOT NULL, supplements TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX artifact_url ON artifact(url, kind);
CREATE INDEX artifact_source ON artifact(source);
CREATE INDEX artifact_supplements ON artifact(supplements) WHERE supplements<>'';

CREATE TABLE concept(cid INTEGER PRIMARY KEY, aid INTEGER NOT NULL, sys INTEGER NOT NULL, code TEXT NOT NULL,
    display TEXT NOT NULL, inactive INTEGER NOT NULL, abstract INTEGER NOT NULL, extra BLOB);
CREATE UNIQUE INDEX concept_code ON concept(aid, code);
CREATE TABLE parent(cid INTEGER NOT NULL, pcid INTEGER NOT NULL, PRIMARY KEY(cid, pcid)) WITHOUT ROWID;
CREATE INDEX parent_down ON parent(pcid, cid);
CREATE TABLE property(cid INTEGER NOT NULL, code TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY(cid, code, value)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(spoken, content='', contentless_delete=1, detail=none, prefix='1 2 3',
    tokenize='unicode61 remove_diacritics 2');

CREATE TABLE expansion(eid INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, note BLOB NOT NULL);
CREATE TABLE member(eid INTEGER NOT NULL, n INTEGER NOT NULL, cid INTEGER NOT NULL, display TEXT, extra BLOB,
    PRIMARY KEY(eid, n)) WITHOUT ROWID;
CREATE UNIQUE INDEX member_cid ON member(eid, cid);
PRAGMA user_version={VERSION};
"""


def system(db: apsw.Connection, url: str) -> int:
    """The number of a code system's URL."""
    db.execute("INSERT OR IGNORE INTO uri(url) VALUES(?)", (url,))
    number: int = db.execute("SELECT sys FROM uri WHERE url=?", (url,)).get
    return number


def loaded(db: apsw.Connection, artifact: Artifact, concepts: Iterable[Concept]) -> int:
    """Write an artifact and its concepts; gives its number. Of a code that stands twice, the first counts."""
    a = artifact
    db.execute(
        "INSERT INTO artifact(kind, url, version, source, stamp, supplements, body) VALUES(?,?,?,?,?,?,?)",
        (a.kind, a.url, a.version, a.source, a.stamp, a.supplements, a.body),
    )
    aid = db.last_insert_rowid()
    if a.kind == "CodeSystem":
        # A supplement's concepts stand under the system they speak of.
        _concepts(db, aid, system(db, a.supplements.partition("|")[0] or a.url), concepts)
    return aid


def _concepts(db: apsw.Connection, aid: int, sys: int, concepts: Iterable[Concept]) -> None:
    cid = (db.execute("SELECT max(cid) FROM concept").get or 0) + 1
    numbers: dict[str, int] = {}
    edges: list[tuple[int, tuple[str, ...]]] = []
    for one in concepts:
        if one.code in numbers:
            continue
        numbers[one.code] = cid
        row = (cid, aid, sys, one.code, one.display, one.inactive, one.abstract, one.extra or None)
        db.execute("INSERT INTO concept VALUES(?,?,?,?,?,?,?,?)", row)
        db.execute("INSERT INTO words(rowid, spoken) VALUES(?,?)", (cid, one.words or one.display))
        for code, value in one.properties:
            db.execute("INSERT OR IGNORE INTO property VALUES(?,?,?)", (cid, code, value))
        if one.parents:
            edges.append((cid, one.parents))
        cid += 1
    db.executemany(
        "INSERT OR IGNORE INTO parent VALUES(?,?)",
        ((n, numbers[code]) for n, parents in edges for code in parents if code in numbers),
    )
