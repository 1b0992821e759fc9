"""How a sharded cluster would divide the store, as a script for `mongosh`, and how large a store is that is there.

Nothing here changes a database. It is all of what `schema.py` declares; the driver is wanted for sizes alone.
https://www.mongodb.com/docs/manual/reference/method/sh.shardCollection/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.store.mongo.schema import INDEXES, SCATTERED, SHARD_KEYS, VERSION

#: Said first, whatever else is.
SAID = (
    "How a sharded cluster would divide the store. To be run in mongosh, connected to a router (mongos), by a user of",
    "the role clusterManager, after one start of the server has made the collections, and while no server runs.",
    "",
    "NOT TRIED: routing itself. The server has never met a router. What it sends was looked at instead: it names the",
    "shard key in all but what is listed at the end. Try it on a copy, and measure it, before you rely on it.",
    "Transactions go on one after the other, each changing the document of `state`, and most are of several shards:",
    "what is divided is volume, memory for indexes and the reading of single resources, not the rate of writing.",
)


def plan(database: str, sizes: Mapping[str, Mapping[str, int]] | None = None) -> Iterator[str]:
    """The lines of the script: commands, and what is said about them, each line of it after `//`.

    Args:
        database: its name.
        sizes: of the collections that are there, as `measured` gives them; None where no database was looked at.
    """
    yield from (f"// {line}".rstrip() for line in SAID)
    yield ""
    yield f"// Schema {VERSION}."
    yield f"sh.enableSharding({json.dumps(database)})"
    for name, shard_key in SHARD_KEYS.items():
        yield ""
        yield f"// {name}: {_indexes(name)}"
        if sizes is not None:
            yield f"// {_size(sizes.get(name))}"
        yield from _divided(database, name, shard_key)
    yield ""
    yield "// Asked without the shard key, and so maybe of every shard:"
    for (name, field), why in SCATTERED.items():
        yield f"// {name}{f' by {field}' if field else ''}: {why}"


def measured(database: Any) -> dict[str, dict[str, int]]:
    """What each collection of the store holds: documents, bytes of data, on disk and of indexes, and shards it is on.

    Args:
        database: of the synchronous driver.
    """
    there = set(database.list_collection_names())
    return {name: _measured(database[name]) for name in SHARD_KEYS if name in there}


def _measured(collection: Any) -> dict[str, int]:
    # One answer from each shard that has some of it.
    answers = [one["storageStats"] for one in collection.aggregate([{"$collStats": {"storageStats": {}}}])]
    names = {"documents": "count", "data": "size", "disk": "storageSize", "indexes": "totalIndexSize"}
    found = {name: sum(int(one.get(field, 0)) for one in answers) for name, field in names.items()}
    return {**found, "shards": len(answers)}


def _divided(database: str, name: str, shard_key: Mapping[str, int | str] | None) -> Iterator[str]:
    if shard_key is None:
        yield "// Not divided: it is small, and stays on the database's primary shard."
        return
    keys = json.dumps(shard_key)
    if not _is_made(name, shard_key):
        place = f"db.getSiblingDB({json.dumps(database)}).getCollection({json.dumps(name)})"
        yield f"{place}.createIndex({keys})"
    yield f"sh.shardCollection({json.dumps(f'{database}.{name}')}, {keys})"


def _is_made(name: str, shard_key: Mapping[str, int | str]) -> bool:
    """Whether a collection has an index that begins with its shard key without being given one."""
    there: list[Mapping[str, int | str]] = [{"_id": 1}, *({**keys} for keys, _ in INDEXES[name])]
    return any([*keys.items()][: len(shard_key)] == [*shard_key.items()] for keys in there)


def _indexes(name: str) -> str:
    made = ["_id", *(_index(keys, options) for keys, options in INDEXES[name])]
    return f"{'indexes' if len(made) > 1 else 'index'} {'; '.join(made)}"


def _index(keys: Mapping[str, int], options: Mapping[str, Any]) -> str:
    return " ".join([", ".join(keys), *(f"({name} {value})" for name, value in options.items())])


def _size(size: Mapping[str, int] | None) -> str:
    if size is None:
        return "Not there yet."
    where = f" on {size['shards']} shards" if size["shards"] > 1 else ""
    return (
        f"{size['documents']:,} documents{where}, {size['data']:,} bytes of data, {size['disk']:,} on disk, "
        f"{size['indexes']:,} of indexes."
    )
