"""Reading the chain of traces: the digests that stand with the versions, and what they were made over."""

from __future__ import annotations

from typing import Any

from fhir_server.store.chain import CHAINED, Erased, Link, Start, Stretch
from fhir_server.store.embedded.batch import DELETE, METHODS
from fhir_server.store.embedded.search import Search
from fhir_server.store.protocol import Version

#: A version is lost that no resource has as its current one, unless a later version has taken its place.
_LINKS = f"""
SELECT * FROM (SELECT v.seq, coalesce(r.id, ''), v.vid, v.at, v.method, coalesce(substr(c.bytes, 1, v.size), x''),
    coalesce(v.digest, x''),
    CASE WHEN r.seq = v.seq AND r.type = v.type AND r.live = (v.method <> {DELETE}) THEN 0
         ELSE NOT EXISTS (SELECT 1 FROM version l WHERE l.rid = v.rid AND l.vid = v.vid + 1) END,
    NULL, NULL
FROM version v LEFT JOIN resource r ON r.rid = v.rid LEFT JOIN content c ON c.seq = v.seq
WHERE v.type=?1 AND v.seq>?2 ORDER BY v.seq LIMIT ?3)
UNION ALL
SELECT * FROM (SELECT seq, '', vid, at, method, x'', coalesce(digest, x''), 0, said, under
FROM erased WHERE seq>?2 ORDER BY seq LIMIT ?3) ORDER BY 1 LIMIT ?3"""
#: A start that was taken away is none that anything follows.
_START = "SELECT coalesce(max(seq), 0), coalesce((SELECT digest FROM chain), x'') FROM chain"
_BEFORE = """
SELECT max(coalesce((SELECT max(seq) FROM version WHERE type=?1 AND seq<?2), 0),
    coalesce((SELECT max(seq) FROM erased WHERE seq<?2), 0))"""
_AT = """
SELECT min(coalesce((SELECT at FROM version WHERE seq>=?1 ORDER BY seq LIMIT 1), 9e15),
    coalesce((SELECT at FROM erased WHERE seq>=?1 ORDER BY seq LIMIT 1), 9e15))"""
_LAST = "SELECT max(coalesce((SELECT max(seq) FROM version), 0), seq) FROM stood"
_OLDER = """
SELECT (SELECT count(*) FROM version WHERE type=?1 AND seq<=?2) + (SELECT count(*) FROM erased WHERE seq<=?2)"""


def stretch(search: Search, after: int | None, since: int | None, count: int) -> Stretch:
    """Arguments and result as `Store.chain`."""
    connection, type = search.connection, search.compiler.type(CHAINED)
    with search.clock.snapshot():
        place, digest = connection.execute(_START).get
        older = connection.execute(_OLDER, (type, place)).get if after is None and since is None else 0
        if after is None:
            after = place if since is None else max(place, _before(search, type, since))
        rows: list[Any] = connection.execute(_LINKS, (type, after, count)).fetchall()
    links = [
        Link(
            seq,
            Version(CHAINED, id, vid, at, METHODS[method], bytes(body), b""),
            digest,
            bool(lost),
            None if said is None else Erased(said, under),
        )
        for seq, id, vid, at, method, body, digest, lost, said, under in rows
    ]
    return Stretch(Start(place, digest, older), tuple(links))


def _before(search: Search, type: int | None, since: int) -> int:
    """The place before the last link that was committed before an instant: instants rise with places."""
    connection = search.connection
    low, high = 0, connection.execute(_LAST).get + 1
    while low < high:
        middle = (low + high) // 2
        at = connection.execute(_AT, (middle,)).get
        if at >= since:
            high = middle
        else:
            low = middle + 1
    last = connection.execute(_BEFORE, (type, low)).get
    return int(last) - 1 if last else 0
