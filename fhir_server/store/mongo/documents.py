"""Resources as documents: what is stored of a version, and how it is read again.

`res` has the current version of each resource under "Type/id", `hist` those before under "Type/id/version", and `log` a
row for each version, numbered in the order of commits. A body lies in one place: it moves from `res` to `hist` when it
is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.store.filters import Index
from fhir_server.store.matching import pack, unpack
from fhir_server.store.mongo import rows
from fhir_server.store.mongo.routing import part
from fhir_server.store.protocol import Method, Version, Want

#: A document as the driver gives it.
Document = dict[str, Any]

#: Fields of `res`: _id "Type/id", rk part, t type, id, n number of the resource, q number of the version, v version, at
#: instant (ms), m method, live whether it is no deletion, z bytes of the body, b body, x packed index, s strings and
#: d spans and w words of texts (`rows`), c claims. What a reader never needs is left where it is.
WANTED: Mapping[Want, Mapping[str, int]] = {
    "body": {"s": 0, "d": 0, "w": 0, "c": 0},
    "bare": {"s": 0, "d": 0, "w": 0, "c": 0},
    "index": {"s": 0, "d": 0, "w": 0, "c": 0, "b": 0},
    "head": {"s": 0, "d": 0, "w": 0, "c": 0, "b": 0, "x": 0},
}


def key(type: str, id: str) -> str:
    """The `_id` of a resource."""
    return f"{type}/{id}"


def past_key(type: str, id: str, version: int) -> str:
    """The `_id` of a version that is no more the current one."""
    return f"{type}/{id}/{version}"


def packed(index: Index) -> bytes:
    """`index` as it is kept beside the body: without its texts, of which only the words are kept."""
    return pack(Index(index.words, index.spans) if index.narrative or index.content else index)


def indexed(index: Index) -> Document:
    """The fields by which a resource is found."""
    found: Document = {"x": packed(index), "s": rows.strings(index), "d": rows.spans(index.spans)}
    found["w"] = rows.words_of_texts(index)
    return found


def current(document: Document) -> Version:
    """The version that a document of `res` is."""
    return Version(
        document["t"],
        document["id"],
        int(document["v"]),
        int(document["at"]),
        document["m"],
        document.get("b", b""),
        document.get("x", b""),
    )


def past(document: Document, now: bytes) -> Version:
    """The version that a document of `hist` is; `now` is the packed index of its resource."""
    return Version(
        document["t"],
        document["id"],
        int(document["v"]),
        int(document["at"]),
        document["m"],
        document.get("b", b""),
        now,
        current=False,
        past=document.get("x", b""),
    )


def moved(document: Document, until: int) -> Document:
    """A document of `hist`, of what was current until the instant `until` (ms)."""
    kept = {name: document[name] for name in ("rk", "t", "id", "n", "q", "v", "at", "m", "z", "b", "x")}
    return {"_id": past_key(document["t"], document["id"], document["v"]), **kept, "until": until}


def logged(document: Document, digest: bytes | None) -> Document:
    """A document of `log`, of what is current now."""
    row = {"_id": document["q"], "k": document["_id"], **{name: document[name] for name in ("t", "id", "v", "at", "m")}}
    return row if digest is None else {**row, "g": digest}


def made(type: str, id: str, number: int, method: Method, body: bytes) -> Document:
    """A document of `res` without its index, its instant and its place."""
    return {
        "_id": key(type, id),
        "rk": part(type, id),
        "t": type,
        "id": id,
        "n": number,
        "m": method,
        "live": method != "DELETE",
        "z": len(body),
        "b": body,
    }


def index_of(document: Document, with_texts: bool = False) -> Index:
    """The index that a document was stored with; its texts are words in no order, where they are asked for."""
    index = unpack(document["x"])
    return rows.with_texts(index, document["w"]) if with_texts else index
