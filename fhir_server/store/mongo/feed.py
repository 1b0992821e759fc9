"""The feed of changes: rows of `log` and of `notes`, numbered in the order of commits.

A number is given inside the transaction that takes the turn (`batch.py`), so what has a greater one was committed
later; and it is read of the majority, so that no election takes back what somebody has met.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.changes import Changed, Changes
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import Document
from fhir_server.store.mongo.rows import plain
from fhir_server.store.mongo.schema import ERASED, STANDS
from fhir_server.store.notes import NOTES_SECONDS, News, Noted
from fhir_server.store.protocol import Position

_NO_PLACE = "The place is not one of this store's changes."


async def changes(
    stored: Collections, session: Any, after: Position | None, types: Sequence[str], count: int
) -> Changes:
    """Arguments and result as `Store.changes`."""
    stands = await _stands(stored, session)
    return await _changed(stored, session, stands["seq"], after, types, count)


async def news(
    stored: Collections,
    session: Any,
    after: Position | None,
    types: Sequence[str],
    kinds: Sequence[str],
    count: int,
) -> News:
    """Arguments and result as `Engine.changes`."""
    if after is not None and len(after) != 2:
        raise InvalidParameter(_NO_PLACE, "http.cursor")
    stands = await _stands(stored, session)
    last: int = stands["note"]
    since = last if after is None else _place(after[1:], last)
    versions = await _changed(stored, session, stands["seq"], None if after is None else after[:1], types, count)
    rows: list[Document] = []
    whole = True
    if since < last:
        rows = await stored.notes.find({"_id": {"$gt": since}}, session=session).sort("_id", 1).to_list(count)
        # Notes are thrown away from the first on.
        whole = await stored.notes.find_one({"_id": since + 1}, session=session) is not None
    return News(
        versions.changed,
        tuple([Noted(one["kind"], one["key"], one["new"]) for one in rows if not kinds or one["kind"] in kinds]),
        (*versions.position, int(rows[-1]["_id"]) if len(rows) == count else last),
        more=len(rows) == count or len(versions.changed) == count,
        whole=whole,
    )


async def prune(stored: Collections) -> None:
    """Throw away notes that are older than anybody needs."""
    await stored.notes.delete_many({"at": {"$lt": int((time.time() - NOTES_SECONDS) * 1000)}})


async def _stands(stored: Collections, session: Any) -> Document:
    found: Document = await stored.state.find_one({"_id": STANDS}, session=session)
    return {name: plain(value) for name, value in found.items()}


async def _changed(
    stored: Collections, session: Any, last: int, after: Position | None, types: Sequence[str], count: int
) -> Changes:
    since = last if after is None else _place(after, last)
    if since == last:
        return Changes((), (last,))
    asked: Document = {"_id": {"$gt": since, "$lte": last}}
    asked["t"] = {"$in": list(types)} if types else {"$ne": ERASED}
    rows = await stored.log.find(asked, session=session).sort("_id", 1).to_list(count)
    changed = tuple([Changed(one["t"], one["id"], int(one["v"]), int(one["at"]), one["m"]) for one in rows])
    return Changes(changed, (int(rows[-1]["_id"]) if len(rows) == count else last,))


def _place(position: Position, last: int) -> int:
    """The number that a position is.

    Raises:
        InvalidParameter: it is none, or another store's, or this one's before a copy was put in its place.
    """
    at = position[0] if len(position) == 1 else None
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at <= last:
        raise InvalidParameter(_NO_PLACE, "http.cursor")
    return at
