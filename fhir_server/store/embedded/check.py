"""Whether what is stored is whole: the file itself, versions without gaps, bodies and index rows that say the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.fhir.json import instant
from fhir_server.store.content import json_of
from fhir_server.store.embedded.batch import DELETE
from fhir_server.store.embedded.readers import Readers
from fhir_server.store.embedded.search import Search
from fhir_server.store.filters import EMPTY
from fhir_server.store.matching import unpack

_CHUNK = 1_000

#: What each query finds is a defect: words for one row, and the query.
_QUERIES = (
    ("resource {} points to a version that is not its own or not there",
     "SELECT r.rid FROM resource r LEFT JOIN version v ON v.seq=r.seq AND v.rid=r.rid AND v.vid=r.vid AND v.at=r.at"
     " AND v.type=r.type AND v.method=r.method AND v.size=r.size WHERE v.seq IS NULL"),
    ("resource {} is live after a deletion, or not live without one",
     f"SELECT rid FROM resource WHERE live<>(method<>{DELETE})"),
    ("the versions of resource {} have a gap",
     "SELECT r.rid FROM resource r WHERE r.vid<>(SELECT count(*) FROM version v WHERE v.rid=r.rid)"
     " OR r.vid<>(SELECT max(v.vid) FROM version v WHERE v.rid=r.rid)"),
    ("version {} belongs to no resource", "SELECT seq FROM version WHERE rid NOT IN (SELECT rid FROM resource)"),
    ("version {} has no content", "SELECT seq FROM version WHERE seq NOT IN (SELECT seq FROM content)"),
    ("content {} belongs to no version", "SELECT seq FROM content WHERE seq NOT IN (SELECT seq FROM version)"),
    ("version {} is older than the one before it",
     "SELECT seq FROM (SELECT seq, at < lag(at) OVER (ORDER BY seq) AS early FROM version) WHERE early"),
    ("a name is held by resource {}, which is not there, deleted or of another type",
     "SELECT c.rid FROM claim c LEFT JOIN resource r ON r.rid=c.rid AND r.type=c.type AND r.live WHERE r.rid IS NULL"),
    ("word rows belong to resource {}, which is not there",
     "SELECT DISTINCT rid FROM word WHERE rid NOT IN (SELECT rid FROM resource)"),
    ("range rows belong to resource {}, which is not there",
     "SELECT DISTINCT rid FROM span WHERE rid NOT IN (SELECT rid FROM resource)"),
    ("resource {}, which is not there, is still to be indexed",
     "SELECT rid FROM unindexed WHERE rid NOT IN (SELECT rid FROM resource)"),
)  # fmt: skip


async def defects(path: Path, readers: Readers) -> AsyncIterator[str]:
    """Each defect in words; nothing when all is sound. Reads everything once, in pieces, while others work."""
    for row in await _rows(readers, "PRAGMA integrity_check"):
        if row[0] != "ok":
            yield f"{path.name}: {row[0]}"
    for words, query in _QUERIES:
        for (number,) in await _rows(readers, query):
            yield words.format(number)
    rid: int | None = 0
    while rid is not None:
        found, rid = await readers.slowly(partial(_compared, after=rid), patient=True)
        for defect in found:
            yield defect


async def _rows(readers: Readers, query: str) -> list[Any]:
    return await readers.slowly(lambda search: search.connection.execute(query).fetchall(), patient=True)


def _compared(search: Search, after: int) -> tuple[list[str], int | None]:
    """The defects of the next resources after number `after`, and where to go on."""
    with search.clock.snapshot():
        rows: list[Any] = search.connection.execute(
            "SELECT r.rid, r.type, r.id, r.vid, r.at, r.size, c.bytes, u.rid FROM resource r"
            " JOIN content c ON c.seq=r.seq LEFT JOIN unindexed u ON u.rid=r.rid WHERE r.rid>? ORDER BY r.rid LIMIT ?",
            (after, _CHUNK),
        ).fetchall()
        found = [f"{search.kind(row[1])}/{row[2]}: {words}" for row in rows for words in _of(search, row)]
    return found, rows[-1][0] if len(rows) == _CHUNK else None


class _Meta(msgspec.Struct):
    versionId: str | None = None
    lastUpdated: str | None = None


class _Head(msgspec.Struct):
    resourceType: str | None = None
    id: str | None = None
    meta: _Meta | None = None


_head = msgspec.json.Decoder(_Head)


def _of(search: Search, row: tuple[Any, ...]) -> list[str]:
    rid, type, id, vid, at, size, blob, outstanding = row
    words: list[str] = []
    if size:
        try:
            head = _head.decode(json_of(blob[:size]))
        except (msgspec.MsgspecError, IndexError):
            return ["the body is not JSON"]
        said = (head.resourceType, head.id, head.meta and head.meta.versionId, head.meta and head.meta.lastUpdated)
        if said != (search.kind(type), id, str(vid), instant(at)):
            words.append("type, id, versionId or lastUpdated in the body differ from the store's")
    try:
        index = unpack(blob[size:])
    except msgspec.MsgspecError:
        return [*words, "the packed index cannot be read"]
    if outstanding:
        # Its rows are written later, from the packed index.
        index = EMPTY
    kind = search.kind(type)
    if {(w.param, w.value, w.qualifier, w.group) for w in index.words} != _words(search, rid, kind):
        words.append("word rows differ from the packed index")
    if {(s.param, s.low, s.high, s.code, s.system, s.group) for s in index.spans} != _spans(search, rid, kind):
        words.append("range rows differ from the packed index")
    return words


def _words(search: Search, rid: int, type: str) -> set[tuple[Any, ...]]:
    return set(
        search.connection.execute(
            "SELECT n.code, w.value, coalesce(s.uri, w.qualifier), w.grp FROM word w JOIN name n ON n.id=w.param"
            " LEFT JOIN system s ON typeof(w.qualifier)='integer' AND s.id=w.qualifier WHERE w.rid=? AND n.type=?",
            (rid, type),
        ).fetchall()
    )


def _spans(search: Search, rid: int, type: str) -> set[tuple[Any, ...]]:
    return set(
        search.connection.execute(
            "SELECT n.code, w.low, w.high, w.code, coalesce(s.uri, w.system), w.grp FROM span w"
            " JOIN name n ON n.id=w.param LEFT JOIN system s ON typeof(w.system)='integer' AND s.id=w.system"
            " WHERE w.rid=? AND n.type=?",
            (rid, type),
        ).fetchall()
    )
