"""`Concepts` on a SQLite file of its own beside the store's: derived, so it may be deleted while no server runs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import apsw
import msgspec

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.concepts import Artifact, Concept, Found, Kind, Member, Part, Wanted
from fhir_server.store.embedded import concept_answers
from fhir_server.store.embedded.concept_conditions import Testing, condition, excluding, taking
from fhir_server.store.embedded.concept_loading import TABLES, VERSION, loaded
from fhir_server.store.embedded.connections import said

#: Expansions kept; the least recently made is forgotten first.
_KEPT = 2_000
#: How long one expansion may take; R4's largest takes a tenth of a second.
_EXPANDING_SECONDS = 20.0
_ARTIFACT = "SELECT aid, kind, url, version, source, stamp, supplements, body FROM artifact"
_CONCEPT = "c.cid, c.aid, u.url, c.code, c.display, c.inactive, c.abstract, c.extra"
_FROM = "FROM concept c CROSS JOIN uri u ON u.sys=c.sys"
_JOINS = "CROSS JOIN concept c ON c.cid=m.cid CROSS JOIN uri u ON u.sys=c.sys"
_WALK = {
    # UNION, not UNION ALL: a cycle ends where it began.
    "below": "WITH RECURSIVE w(x) AS (VALUES(?) UNION SELECT p.cid FROM w CROSS JOIN parent p ON p.pcid=w.x)",
    "above": "WITH RECURSIVE w(x) AS (VALUES(?) UNION SELECT p.pcid FROM w CROSS JOIN parent p ON p.cid=w.x)",
}


class EmbeddedConcepts:
    """`Concepts` on SQLite: one connection that reads, one that writes."""

    def __init__(self, path: Path, busy_seconds: float = 30.0) -> None:
        """Open the file, making it anew when it is of another version.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._lock = threading.Lock()
        self._tests = Testing()
        try:
            self._writer = _opened(path, busy_seconds)
            _prepare(self._writer)
            self._reader = _opened(path, busy_seconds)
        except apsw.Error as error:
            raise said(error) from error
        for connection in (self._writer, self._reader):
            connection.create_scalar_function("tested", self._tests, 2)

    def close(self) -> None:
        """As `Concepts.close`."""
        with self._lock:
            self._reader.close()
            self._writer.close()

    def mark(self) -> str:
        """As `Concepts.mark`."""
        found = self._rows("SELECT value FROM note WHERE name='mark'", ())
        return str(found[0][0]) if found else ""

    def stamps(self) -> dict[str, str]:
        """As `Concepts.stamps`."""
        return dict(self._rows("SELECT source, stamp FROM artifact WHERE source<>''", ()))

    def load(self, artifacts: Iterable[tuple[Artifact, Iterable[Concept]]], gone: Sequence[str], mark: str) -> None:
        """As `Concepts.load`."""
        with self._writing() as db:
            db.execute("DELETE FROM member; DELETE FROM expansion")
            for source in gone:
                _forget(db, source)
            for artifact, concepts in artifacts:
                _forget(db, artifact.source)
                loaded(db, artifact, concepts)
            db.execute("INSERT OR REPLACE INTO note VALUES('mark', ?)", (mark,))

    def artifacts(self, kind: Kind, url: str) -> Sequence[Artifact]:
        """As `Concepts.artifacts`."""
        found = [
            Artifact(*row) for row in self._rows(_ARTIFACT + " WHERE url=? AND kind=? AND source<>''", (url, kind))
        ]
        found.sort(key=lambda one: _natural(one.version), reverse=True)
        found.sort(key=lambda one: one.source.startswith(("core/", "shipped/")))
        return found

    def artifact(self, source: str) -> Artifact | None:
        """As `Concepts.artifact`."""
        rows = self._rows(_ARTIFACT + " WHERE source=?", (source,))
        return Artifact(*rows[0]) if rows else None

    def all(self, kind: Kind) -> Sequence[Artifact]:
        """As `Concepts.all`."""
        return [
            Artifact(*row) for row in self._rows(_ARTIFACT + " WHERE kind=? AND source<>'' ORDER BY aid DESC", (kind,))
        ]

    def supplements(self, url: str) -> Sequence[Artifact]:
        """As `Concepts.supplements`."""
        rows = self._rows(_ARTIFACT + " WHERE supplements<>'' AND (supplements=? OR supplements>=? AND supplements<?)",
                          (url, url + "|", url + "}"))  # fmt: skip
        return [Artifact(*row) for row in rows]

    def concept(self, artifact: int, code: str, *, any_case: bool = False) -> Found | None:
        """As `Concepts.concept`."""
        text = f"SELECT {_CONCEPT} {_FROM} WHERE c.aid=? AND c.code=?"
        rows = self._rows(text, (artifact, code))
        if not rows and any_case:
            rows = self._rows(text + " COLLATE NOCASE LIMIT 1", (artifact, code))
        return _found(rows[0]) if rows else None

    def related(self, artifact: int, code: str, direction: Literal["above", "below"], limit: int) -> Sequence[str]:
        """As `Concepts.related`."""
        rows = self._rows("SELECT cid FROM concept WHERE aid=? AND code=?", (artifact, code))
        if not rows:
            return ()
        text = _WALK[direction] + " SELECT c.code FROM w CROSS JOIN concept c ON c.cid=w.x LIMIT ?"
        return [row[0] for row in self._rows(text, (rows[0][0], limit))]

    def neighbours(self, artifact: int, code: str) -> tuple[Sequence[str], Sequence[str]]:
        """As `Concepts.neighbours`."""
        text = (
            "SELECT o.code FROM concept c CROSS JOIN parent p ON p.{0}=c.cid CROSS JOIN concept o ON o.cid=p.{1} "
            "WHERE c.aid=? AND c.code=? ORDER BY o.cid"
        )
        parents = self._rows(text.format("cid", "pcid"), (artifact, code))
        children = self._rows(text.format("pcid", "cid"), (artifact, code))
        return [row[0] for row in parents], [row[0] for row in children]

    def uses(self, artifacts: Sequence[int], property: str) -> bool:
        """As `Concepts.uses`."""
        marks = ",".join("?" * len(artifacts))
        rows = "concept c CROSS JOIN property p ON p.cid=c.cid"
        text = f"SELECT 1 FROM {rows} WHERE c.aid IN ({marks}) AND p.code=? LIMIT 1"
        return bool(self._rows(text, [*artifacts, property]))

    def holds(self, part: Part, code: str) -> bool:
        """As `Concepts.holds`."""
        bound: list[Any] = [part.artifact[0], code]
        with self._tests.asked() as tests:
            wheres = [condition(one, part, bound, tests, single=True) for one in part.conditions]
            text = " AND ".join(["SELECT 1 FROM concept c WHERE c.aid=? AND c.code=?", *wheres])
            return bool(self._rows(text, bound))

    def expansion(self, key: str) -> tuple[int, bytes] | None:
        """As `Concepts.expansion`."""
        rows = self._rows("SELECT eid, note FROM expansion WHERE key=?", (key,))
        return rows[0] if rows else None

    def expand(
        self, key: str, parts: Sequence[Part], note: bytes, limit: int, *, active_only: bool = False
    ) -> int | None:
        """As `Concepts.expand`."""
        with self._tests.asked() as tests:
            try:
                with self._writing(_EXPANDING_SECONDS) as db:
                    db.execute("DELETE FROM member WHERE eid IN (SELECT eid FROM expansion WHERE key=?)", (key,))
                    db.execute("INSERT OR REPLACE INTO expansion(key, note) VALUES(?, ?)", (key, note))
                    eid = db.last_insert_rowid()
                    self._fill(db, eid, parts, limit, tests)
                    if active_only:
                        inactive = (
                            "SELECT m.n FROM member m CROSS JOIN concept c ON c.cid=m.cid WHERE m.eid=? AND c.inactive"
                        )
                        db.execute(f"DELETE FROM member WHERE eid=? AND n IN ({inactive})", (eid, eid))
                    old = "SELECT eid FROM expansion ORDER BY eid DESC LIMIT -1 OFFSET ?"
                    db.execute(f"DELETE FROM member WHERE eid IN ({old})", (_KEPT,))
                    db.execute(f"DELETE FROM expansion WHERE eid IN ({old})", (_KEPT,))
            except _TooMany:
                return None
        return eid

    def _fill(self, db: apsw.Connection, eid: int, parts: Sequence[Part], limit: int, tests: Any) -> None:
        for part in parts:
            if not part.exclude:
                taking(db, eid, part, tests)
        for part in parts:
            if part.exclude:
                excluding(db, eid, part, tests)
        if db.execute("SELECT count(*) FROM member WHERE eid=?", (eid,)).get > limit:
            raise _TooMany

    def page(self, expansion: int, wanted: Wanted, offset: int, count: int) -> tuple[int, Sequence[Member]]:
        """As `Concepts.page`."""
        text, bound = _wanted(expansion, wanted)
        # A count that asks nothing of the concepts themselves need not look at them.
        plain = not (wanted.active_only or wanted.selectable_only or wanted.without)
        counted = text.replace(_JOINS, "") if plain else text
        total = self._rows(f"SELECT count(*) {counted}", bound)[0][0]
        if not count:
            return total, []
        rows = f"SELECT m.n, m.cid, m.display, m.extra {counted} ORDER BY m.n LIMIT ? OFFSET ?"
        columns = f"SELECT {_CONCEPT}, m.display, m.extra FROM ({rows}) m {_JOINS} ORDER BY m.n"
        found = self._rows(columns, [*bound, count, offset])
        return total, [Member(_found(row), row[8] or "", _json(row[9])) for row in found]

    def codings(self, expansion: int, limit: int) -> Sequence[tuple[str, str]]:
        """As `Concepts.codings`."""
        text, bound = _wanted(expansion, Wanted())
        return self._rows(f"SELECT u.url, c.code {text} LIMIT ?", [*bound, limit])

    def answer(self, key: str) -> tuple[int, bytes] | None:
        """As `Concepts.answer`."""
        try:
            return concept_answers.kept(self._reader, key)
        except apsw.Error as error:
            raise said(error) from error

    def keep(self, key: str, at: int, value: bytes) -> None:
        """As `Concepts.keep`."""
        with self._writing() as db:
            concept_answers.keep(db, key, at, value)

    def _rows(self, text: str, bound: Sequence[Any]) -> list[Any]:
        try:
            return self._reader.execute(text, bound).fetchall()
        except apsw.Error as error:
            raise said(error) from error

    @contextmanager
    def _writing(self, seconds: float = inf) -> Iterator[apsw.Connection]:
        with self._lock:
            end = monotonic() + seconds
            self._writer.set_progress_handler(lambda: monotonic() > end, 1000)
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                except BaseException:
                    self._writer.execute("ROLLBACK")
                    raise
                self._writer.execute("COMMIT")
            except apsw.Error as error:
                raise said(error) from error


class _TooMany(Exception):
    pass


def _opened(path: Path, busy_seconds: float) -> apsw.Connection:
    db = apsw.Connection(str(path), statementcachesize=200)
    db.set_busy_timeout(int(busy_seconds * 1000))
    # As for every connection: `connections`.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    # What is lost in a power cut is made again.
    db.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;"
        "PRAGMA journal_size_limit=67108864"
    )
    return db


def _prepare(db: apsw.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    version = db.pragma("user_version")
    if version not in (0, VERSION):
        db.execute("ROLLBACK")
        raise Unavailable("The file of concepts is another version's: delete it, it is made again.")
    if not version:
        db.execute(TABLES)
    db.execute(concept_answers.TABLE)
    db.execute("COMMIT")


def _forget(db: apsw.Connection, source: str) -> None:
    aid = db.execute("SELECT aid FROM artifact WHERE source=?", (source,)).get
    if aid is None:
        return
    own = "cid IN (SELECT cid FROM concept WHERE aid=?)"
    db.execute(f"DELETE FROM property WHERE {own}", (aid,))
    db.execute(f"DELETE FROM parent WHERE {own}", (aid,))
    db.execute("DELETE FROM words WHERE rowid IN (SELECT cid FROM concept WHERE aid=?)", (aid,))
    db.execute("DELETE FROM concept WHERE aid=?", (aid,))
    db.execute("DELETE FROM artifact WHERE aid=?", (aid,))


def _natural(version: str) -> list[tuple[int, int, str]]:
    """Versions in the order people mean: 2.10 after 2.9."""
    return [
        (1, int(p), "") if p.isdecimal() and len(p) < 19 else (0, 0, p) for p in version.replace("-", ".").split(".")
    ]


def _wanted(expansion: int, wanted: Wanted) -> tuple[str, list[Any]]:
    bound: list[Any] = [expansion]
    start, wheres = "FROM member m", []
    words = _words(wanted.text)
    if words:
        # The words first: they are few, the members may be a hundred thousand.
        start, bound = "FROM words w CROSS JOIN member m INDEXED BY member_cid ON m.cid=w.rowid", [words, expansion]
        wheres.append("w.words MATCH ?")
    wheres.append("m.eid=?")
    if wanted.active_only:
        wheres.append("NOT c.inactive")
    if wanted.selectable_only:
        wheres.append("NOT c.abstract")
    for system in wanted.without:
        wheres.append("u.url<>?")
        bound.append(system)
    return f"{start} {_JOINS} WHERE {' AND '.join(wheres)}", bound


def _words(text: str) -> str:
    split = "".join(sign if sign.isalnum() else " " for sign in text[:500]).split()[:20]
    if text.strip() and not split:
        return '"\u0001"'  # only signs: nothing has them as a word
    return " ".join(f'"{word}"*' for word in split)


def _found(row: Any) -> Found:
    return Found(row[0], row[1], row[2], row[3], row[4], bool(row[5]), bool(row[6]), _json(row[7]))


def _json(value: bytes | None) -> dict[str, Any]:
    return _decode(value) if value else {}


_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
