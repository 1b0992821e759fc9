"""Reading the chain of traces: the digests that stand with the rows of `log`, and what they were made over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.store.chain import CHAINED, Erased, Link, Start, Stretch, begun
from fhir_server.store.mongo.bodies import Bodies
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import WANTED, Document, past_key
from fhir_server.store.mongo.schema import ERASED
from fhir_server.store.mongo.search import Search
from fhir_server.store.protocol import Version

#: As what `log` has the links of the chain.
_CHAINED = {"$in": [CHAINED, ERASED]}


async def stretch(stored: Collections, session: Any, after: int | None, since: int | None, count: int) -> Stretch:
    """Arguments and result as `Store.chain`."""
    if after is None:
        after = 0 if since is None else await _before(stored, session, since)
    asked = {"t": _CHAINED, "_id": {"$gt": after}}
    every = await stored.log.find(asked, session=session).sort("_id", 1).limit(count).to_list(count)
    rows = [row for row in every if row["t"] != ERASED]
    search = Search(stored, session)
    heads = await search.documents([row["k"] for row in rows], WANTED["index"])
    names = [_name(row) for row in rows if heads.get(row["k"], {}).get("v") != row["v"]]
    pasts = await search.documents(names, WANTED["index"], stored.hist)
    found = [_document(row, heads, pasts) for row in rows]
    await Bodies(stored, session).fill([one for one in found if one is not None], "body")
    # What a later version has replaced may be gone from sight; what nothing replaced must be there.
    links = [_link(row, one) for row, one in zip(rows, found, strict=True)]
    links += [_erased(row) for row in every if row["t"] == ERASED]
    return Stretch(Start(0, begun(0, 0)), tuple(sorted(links, key=lambda link: link.place)))


def _name(row: Document) -> str:
    return past_key(row["t"], row["id"], row["v"])


def _document(row: Document, heads: Mapping[str, Document], pasts: Mapping[str, Document]) -> Document | None:
    head = heads.get(row["k"])
    if head is not None and head["q"] == row["_id"]:
        return head
    past = pasts.get(_name(row))
    return past if past is not None and past["q"] == row["_id"] else None


def _link(row: Document, one: Document | None) -> Link:
    body: bytes = one["b"] if one is not None else b""
    version = Version(CHAINED, row["id"], int(row["v"]), int(row["at"]), row["m"], body, b"")
    lost = one is None or (one["m"] == "DELETE") == one.get("live", one["m"] != "DELETE")
    return Link(int(row["_id"]), version, row.get("g", b""), lost)


def _erased(row: Document) -> Link:
    version = Version(CHAINED, "", int(row["v"]), int(row["at"]), row["m"], b"", b"")
    return Link(int(row["_id"]), version, row.get("g", b""), erased=Erased(row["e"]["said"], row["e"]["under"]))


async def _before(stored: Collections, session: Any, since: int) -> int:
    """The place before the last link that was committed before an instant: instants rise with places."""
    asked = {"t": _CHAINED, "at": {"$lt": since}}
    last: Sequence[Document] = await stored.log.find(asked, session=session).sort("_id", -1).limit(1).to_list(1)
    return int(last[0]["_id"]) - 1 if last else 0
