"""One transaction that holds many callers' writes: judged one after the other, written in a few statements.

Statements, not rows, are what costs: apsw lets go of Python's lock around every step, and taking it back from a busy
event loop can last milliseconds. So a batch reads what it must know in one statement and inserts each table's rows
with one, rows travelling as JSON and bodies as an array of bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from fhir_server.fhir.json import instant
from fhir_server.store.chain import CHAINED, linked
from fhir_server.store.embedded.claims import Claims, Key, claimed
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.outstanding import DEFERRED, leads, taken
from fhir_server.store.embedded.schema import SHORT
from fhir_server.store.embedded.waiting import Waiting
from fhir_server.store.filters import EMPTY, Index, Span
from fhir_server.store.matching import pack
from fhir_server.store.protocol import Delete, Guard, Method, Put, Stale, Version, Write

#: How `resource.method` and `version.method` say the verb.
METHODS: tuple[Method, ...] = ("POST", "PUT", "PATCH", "DELETE")
DELETE = METHODS.index("DELETE")

_NUMBER = {method: number for number, method in enumerate(METHODS)}
_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode

_STATE = """
SELECT json_group_array(
    json_array(j.key, r.rid, r.vid, CASE WHEN j.value->>2 THEN hex(substr(c.bytes, r.size + 1)) END))
FROM json_each(?) j CROSS JOIN resource r ON r.type = j.value->>0 AND r.id = j.value->>1
LEFT JOIN content c ON j.value->>2 AND c.seq = r.seq"""
_STANDS = """
SELECT max(coalesce((SELECT max(seq) FROM version), 0), s.seq),
    max(coalesce((SELECT max(rid) FROM resource), 0), s.rid),
    max(coalesce((SELECT at FROM version ORDER BY seq DESC LIMIT 1), 0), s.at){} FROM stood s"""
#: As `_STANDS`, and the digest that the next link of the chain follows. What is older than the chain has none.
_CHAINED = """,
    coalesce((SELECT digest FROM (
        SELECT * FROM (SELECT seq, digest FROM version WHERE type=? ORDER BY seq DESC LIMIT 1)
        UNION ALL SELECT * FROM (SELECT seq, digest FROM erased ORDER BY seq DESC LIMIT 1)) ORDER BY seq DESC LIMIT 1),
        (SELECT digest FROM chain), x'')"""
_CONTENT = "INSERT INTO content(seq, bytes) SELECT ? + rowid, value FROM carray(?)"
_VERSION = """
INSERT INTO version(seq, rid, type, vid, at, method, size, digest)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, unhex(value->>7)
FROM jsonb_each(jsonb(?))"""
_RESOURCE = """
INSERT INTO resource(rid, type, id, live, seq, vid, at, method, size)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
FROM jsonb_each(jsonb(?)) WHERE true
ON CONFLICT(rid) DO UPDATE SET live=excluded.live, seq=excluded.seq, vid=excluded.vid, at=excluded.at,
    method=excluded.method, size=excluded.size"""
#: A statement that calls a function may end amid its rows, so SQLite keeps each page as it was before it: of rows that
#: fall on a page each, that takes longer than writing them. So the functions are called for a table in memory, whose
#: rows the next statement moves, calling none. Ordered by value, so that the rows of a batch that share a leaf of the
#: by-value index arrive together.
_WORD = (
    """INSERT INTO temp.arriving_word
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM jsonb_each(jsonb(?))""",
    """INSERT OR IGNORE INTO word(rid, param, value, qualifier, grp)
    SELECT rid, param, value, qualifier, grp FROM temp.arriving_word ORDER BY param, value""",
    "DELETE FROM temp.arriving_word",
)
_SPAN = (
    """INSERT INTO temp.arriving_span
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
    FROM jsonb_each(jsonb(?))""",
    """INSERT OR IGNORE INTO span(rid, param, low, high, code, system, grp, form, many)
    SELECT rid, param, low, high, code, system, grp, form, many FROM temp.arriving_span ORDER BY param, low""",
    "DELETE FROM temp.arriving_span",
)
_TEXT = (
    """INSERT INTO text(rowid, narrative, content)
    SELECT value->>0, value->>1, value->>2 FROM jsonb_each(jsonb(?))""",
)
_UNINDEXED = """
INSERT INTO unindexed(rid, narrative, content)
SELECT value->>0, value->>1, value->>2 FROM jsonb_each(jsonb(?))"""
#: What takes away the index rows of resources.
FORGET = (
    "DELETE FROM unindexed WHERE rid IN (SELECT value FROM json_each(?))",
    "DELETE FROM word WHERE rid IN (SELECT value FROM json_each(?))",
    "DELETE FROM span WHERE rid IN (SELECT value FROM json_each(?))",
    "DELETE FROM text WHERE rowid IN (SELECT d.id FROM json_each(?) j JOIN text_docsize d ON d.id = j.value)",
)

Judge = Callable[[apsw.Connection, Guard], bool]


class _State(NamedTuple):
    """What a resource has become so far: its number, its latest version, and its index if a deletion needs it."""

    rid: int
    vid: int
    packed: bytes | None


class Batch:
    """The writes of one transaction, after `BEGIN IMMEDIATE` and before `COMMIT`.

    Attributes:
        at: the instant of every version in it, ms since 1970 UTC.
        deferred: of how many resources the index rows are left to be written later.
    """

    def __init__(self, connection: apsw.Connection, names: Names, judge: Judge, writes: Iterable[Write]) -> None:
        """Read where the store stands and what it holds of all the resources that `writes` name.

        Args:
            connection: in its transaction.
            names: what `names.rollback` or `names.commit` must be told the end of.
            judge: whether a guard holds in what the connection sees.
            writes: all those that `apply` will be given.
        """
        self._connection = connection
        self._names = names
        self._judge = judge
        writes = list(writes)
        self._seq, self._rid, last, self._digest = self._stands(writes)
        # A clock that goes back must not make a later version look older.
        self.at = max(int(time.time() * 1000), last)
        self._stamp = instant(self.at).encode()
        self._states = self._read(writes)
        self._claims = Claims(connection, names, writes)
        # Rows waiting for `flush`: bodies and versions in order of seq; the rest by resource, so that the last counts.
        self._bodies: list[bytes] = []
        self._versions: list[tuple[int | str | None, ...]] = []
        self._resources: dict[int, tuple[int | str, ...]] = {}
        self._indexes: dict[int, tuple[str, Index]] = {}
        self._later: dict[int, Index] = {}
        self.deferred = 0
        self._forgotten: set[int] = set()
        self._waiting = Waiting()

    def apply(self, writes: Sequence[Write], guards: Sequence[Guard]) -> list[Version]:
        """One caller's writes, all or none.

        Raises:
            Stale: a guard, an `expected` or a claim does not hold; nothing of it was taken.
        """
        for guard in guards:
            if not self._holds(guard):
                raise Stale(guard=guard)
        latest: dict[tuple[str, str], int] = {}
        for write in writes:
            key = (write.type, write.id)
            state = self._states.get(key)
            if write.expected != latest.get(key, state.vid if state else 0) or (
                isinstance(write, Delete) and not write.expected
            ):
                raise Stale(write)
            latest[key] = write.expected + 1
        wanted = claimed(writes)
        before = self._rids(wanted)
        self._claims.require_free(writes, wanted, before)
        made = [self._put(write) if isinstance(write, Put) else self._delete(write) for write in writes]
        self._claims.settle(wanted, before.values(), self._rids(wanted))
        return made

    def reindex(self, type: str, id: str, version: int, index: Index) -> bool:
        """Replace the index of a version; says whether it is the current one, whose rows are replaced too."""
        self.flush()
        row = self._connection.execute(
            "SELECT v.rid, v.seq, v.seq = r.seq, substr(c.bytes, 1, v.size) FROM resource r"
            " JOIN version v ON v.rid = r.rid AND v.vid=? JOIN content c ON c.seq = v.seq WHERE r.type=? AND r.id=?",
            (version, self._names.add(self._connection, type), id),
        ).get
        if row is None:
            return False
        rid, seq, current, body = row
        self._connection.execute("UPDATE content SET bytes=? WHERE seq=?", (body + packed(index), seq))
        if not current:
            return False
        self._states[type, id] = _State(rid, version, packed(index))
        self._forgotten.add(rid)
        self._indexes[rid] = (type, index)
        self._waiting.take(type, id, index)
        return True

    def forget(self, keys: Iterable[Key], numbers: Iterable[int]) -> None:
        """Resources that were written, and what they claimed, are gone from the file."""
        for key in keys:
            self._states.pop(key, None)
        self._claims.forget(numbers)

    def flush(self) -> None:
        """Write what waits, so that the connection sees it."""
        insert = self._connection.execute
        self._waiting.clear()
        if self._forgotten:
            rids = _text(list(self._forgotten))
            for statement in FORGET:
                insert(statement, (rids,))
            self._forgotten.clear()
        if self._bodies:
            insert(_CONTENT, (self._seq - len(self._bodies), apsw.carray(tuple(self._bodies))))
            insert(_VERSION, (_text(self._versions),))
            insert(_RESOURCE, (_text(list(self._resources.values())),))
            self._bodies.clear()
            self._versions.clear()
            self._resources.clear()
        if self._indexes:
            self._flush_indexes()
            self._indexes.clear()
        if self._later:
            insert(_UNINDEXED, (_text([(rid, one.narrative, one.content) for rid, one in self._later.items()]),))
            self.deferred += len(self._later)
            self._later.clear()
        self._claims.flush()

    def index_outstanding(self) -> None:
        """Write the index rows that were left for later, by this process or another."""
        self.flush()
        for rid, index in taken(self._connection):
            self._indexes[rid] = (DEFERRED, index)
        self.flush()

    def _holds(self, guard: Guard) -> bool:
        if guard.type == DEFERRED or leads(guard.where):
            self.index_outstanding()
        elif self._waiting.decides(guard, self.at):
            self.flush()
        holds = self._judge(self._connection, guard)
        if holds or not self._waiting.has(guard.type):
            return holds
        # Some of what was found may be no more once what waits is written.
        self.flush()
        return self._judge(self._connection, guard)

    def _stands(self, writes: Sequence[Write]) -> tuple[int, int, int, bytes]:
        # A batch of records alone has no use for where the versions stand.
        if not writes:
            return 0, 0, 0, b""
        stands: tuple[int, int, int, bytes]
        if any(write.type == CHAINED for write in writes):
            stands = self._connection.execute(
                _STANDS.format(_CHAINED), (self._names.add(self._connection, CHAINED),)
            ).get
        else:
            stands = (*self._connection.execute(_STANDS.format("")).get, b"")
        return stands

    def _rids(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return {key: state.rid for key in keys if (state := self._states.get(key)) is not None}

    def _read(self, writes: Iterable[Write]) -> dict[tuple[str, str], _State | None]:
        asked = [(write.type, write.id, isinstance(write, Delete)) for write in writes]
        if not asked:
            return {}
        rows = [(self._names.add(self._connection, type), id, int(deleting)) for type, id, deleting in asked]
        found = msgspec.json.decode(self._connection.execute(_STATE, (_text(rows),)).get)
        states: dict[tuple[str, str], _State | None] = {}
        for place, rid, vid, packed in found:
            key = asked[place][:2]
            before = states.get(key)
            kept = bytes.fromhex(packed) if packed is not None else before and before.packed
            states[key] = _State(rid, vid, kept or None)
        return states

    def _put(self, write: Put) -> Version:
        body = b"%b%b%b" % (write.body[: write.stamp], self._stamp, write.body[write.stamp + 24 :])
        return self._add(write, body, packed(write.index), write.method, write.index)

    def _delete(self, write: Delete) -> Version:
        state = self._states[write.type, write.id]
        # Present: `apply` has seen that the version expected is there, and `_read` fetched its index for deletions.
        kept = (state and state.packed) or packed(EMPTY)
        return self._add(write, b"", kept, "DELETE", None)

    def _add(self, write: Write, body: bytes, packed: bytes, method: Method, index: Index | None) -> Version:
        state = self._states.get((write.type, write.id))
        vid = write.expected + 1
        self._seq += 1
        if state is None:
            self._rid += 1
        rid = state.rid if state else self._rid
        type = self._names.add(self._connection, write.type)
        number = _NUMBER[method]
        self._bodies.append(body + packed)
        digest = None
        if write.type == CHAINED:
            self._digest = linked(self._digest, write.id, vid, method, body)
            digest = self._digest.hex()
        self._versions.append((self._seq, rid, type, vid, self.at, number, len(body), digest))
        self._resources[rid] = (
            rid, type, write.id, int(index is not None), self._seq, vid, self.at, number, len(body),
        )  # fmt: skip
        if index is not None and state is None and write.type == DEFERRED:
            self._later[rid] = index
        elif index is not None:
            if state is not None:
                self._forgotten.add(rid)
                self._later.pop(rid, None)
            self._indexes[rid] = (write.type, index)
        self._states[write.type, write.id] = _State(rid, vid, packed)
        self._waiting.take(write.type, write.id, index)
        return Version(write.type, write.id, vid, self.at, method, body, packed)

    def _flush_indexes(self) -> None:
        words: list[tuple[Any, ...]] = []
        spans: list[tuple[Any, ...]] = []
        texts: list[tuple[int, str, str]] = []
        number, qualifier, connection = self._names.add, self._names.add_qualifier, self._connection
        for rid, (type, index) in self._indexes.items():
            words += [
                (rid, number(connection, type, w.param), w.value, qualifier(connection, w.qualifier), w.group)
                for w in index.words
            ]
            if index.spans:
                repeated = _repeated(index.spans)
                spans += [
                    (
                        rid, number(connection, type, s.param), s.low, s.high, s.code,
                        qualifier(connection, s.system), s.group, _form(s.low, s.high), int(s.param in repeated),
                    )
                    for s in index.spans
                ]  # fmt: skip
            if index.narrative or index.content:
                texts.append((rid, index.narrative, index.content))
        for (given, *moving), rows in ((_WORD, words), (_SPAN, spans), (_TEXT, texts)):
            if rows:
                connection.execute(given, (_text(rows),))
                for statement in moving:
                    connection.execute(statement)


def packed(index: Index) -> bytes:
    """`index` as it is kept beside the body: without its texts, which only the full-text index holds."""
    if index.narrative or index.content:
        index = Index(index.words, index.spans)
    return pack(index)


def _text(rows: Sequence[Any]) -> str:
    return _json(rows).decode()


def _form(low: float, high: float) -> int:
    return 0 if low == high else 1 if high - low <= SHORT else 2


def _repeated(spans: Sequence[Span]) -> set[str]:
    seen: set[str] = set()
    return {s.param for s in spans if s.param in seen or seen.add(s.param)}  # type: ignore[func-returns-value]
