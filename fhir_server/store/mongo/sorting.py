"""Sort keys as stages of a pipeline: the value a resource is ordered by, and what comes after a place in that order.

A resource without a value comes last in either direction (R4 leaves it open,
https://hl7.org/fhir/R4/search.html#sort); ties are broken by the resource's own number, in the direction of the first
key. Words are compared as they are kept (`rows.escaped`), which is the order of what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.mongo.documents import Document
from fhir_server.store.mongo.rows import plain
from fhir_server.store.protocol import Position, Sort


def stages(sort: Sequence[Sort], after: Position | None) -> list[Document]:
    """What puts documents of `res` in order, those after a position alone.

    Raises:
        InvalidParameter: the position is not one of this sort.
    """
    names = [_name(key, place, place == len(sort) - 1) for place, key in enumerate(sort)]
    found: list[Document] = []
    computed: Document = {}
    for name, key in zip(names, sort, strict=True):
        if key.kind != "own":
            computed |= {name: _value(key), f"{name}m": {}}
    if computed:
        found.append({"$set": {name: value for name, value in computed.items() if value}})
        missing = [name for name, key in zip(names, sort, strict=True) if key.kind != "own"]
        found.append({"$set": {f"{name}m": {"$cond": [{"$eq": [f"${name}", None]}, 1, 0]} for name in missing}})
    if after is not None:
        found.append({"$match": _beyond(checked(after, sort), sort, names)})
    return [*found, {"$sort": _order(sort, names)}]


def place(document: Document, sort: Sequence[Sort]) -> Position:
    """The position of a document that came through `stages`."""
    last = len(sort) - 1
    names = [_name(key, at, at == last) for at, key in enumerate(sort)]
    return (*[plain(document.get(name)) for name in names], int(document["n"]))


def checked(after: Position, sort: Sequence[Sort]) -> Position:
    """A position, if it could be one of this sort: a key's value each, then the number of a resource."""
    numbers = [value for value in after if isinstance(value, int | float)]
    whole = bool(after) and isinstance(after[-1], int) and not isinstance(after[-1], bool)
    if len(after) != len(sort) + 1 or not whole or any(abs(number) > 2**63 - 1 for number in numbers):
        raise InvalidParameter("The page asked for is not one of this search.", "http.cursor")
    return after


def _name(key: Sort, at: int, last: bool) -> str:
    """The field that holds a key: of its own, a document has it already."""
    if key.kind != "own":
        return f"k{at}"
    # Two versions of one millisecond are told apart by their numbers, unless a further key is to do it.
    return "id" if key.param == "_id" else "q" if last else "at"


def _value(key: Sort) -> Any:
    chosen = "$max" if key.descending else "$min"
    if key.kind == "word":
        start, end = f"{key.param}\0", f"{key.param}\1"
        of = {"$and": [{"$gte": ["$$this", {"$literal": start}]}, {"$lt": ["$$this", {"$literal": end}]}]}
        found = {chosen: {"$filter": {"input": "$s", "cond": of}}}
        return {"$arrayElemAt": [{"$split": [found, {"$literal": "\0"}]}, 1]}
    rows = {"$filter": {"input": "$d", "cond": {"$eq": ["$$this.p", {"$literal": key.param}]}}}
    return {chosen: {"$map": {"input": rows, "in": "$$this.h" if key.descending else "$$this.l"}}}


def _order(sort: Sequence[Sort], names: Sequence[str]) -> Document:
    order: Document = {}
    for name, key in zip(names, sort, strict=True):
        if key.kind != "own":
            order.setdefault(f"{name}m", 1)
        order.setdefault(name, -1 if key.descending else 1)
    if "q" not in order:
        order["n"] = -1 if sort[0].descending else 1
    return order


def _beyond(after: Position, sort: Sequence[Sort], names: Sequence[str]) -> Document:
    alternatives: list[Document] = []
    equal: list[Document] = []
    for name, key, value in zip(names, sort, after, strict=False):
        if value is not None:
            further: Document = {name: {"$lt" if key.descending else "$gt": value}}
            if key.kind != "own":
                further = {"$or": [further, {name: None}]}
            alternatives.append({"$and": [*equal, further]})
        equal.append({name: value})
    if "q" not in names:
        alternatives.append({"$and": [*equal, {"n": {"$lt" if sort[0].descending else "$gt": after[-1]}}]})
    if len(alternatives) == 1:
        parts = alternatives[0]["$and"]
        return dict(parts[0]) if len(parts) == 1 else alternatives[0]
    return {"$or": alternatives} if alternatives else {"_id": {"$in": []}}
