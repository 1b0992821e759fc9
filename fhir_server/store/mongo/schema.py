"""The collections of the store, their indexes, what a sharded cluster divides them by, and who may use them.

res      the current version of each resource, with what it is found by
hist     the versions before
log      a row for each version, in the order of commits
parts    pieces of bodies that are longer than a document
claims   names that one resource alone holds
records  short-lived and secret things
notes    changes of records, in the order of commits
state    one document: where the store stands. Each commit begins by changing it, so that no two go on at once.

All of this is declared here: `prepare` makes the indexes, `planning.py` says how to divide the collections.
https://www.mongodb.com/docs/manual/core/sharding-shard-key/
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.outcome import Unavailable
from fhir_server.store.chain import begun

#: Written into `state`. A server refuses a store with a greater number.
VERSION = 1
#: The type that `log` gives to what is left of an erased trace.
ERASED = ""
#: The `_id` of the one document of `state`.
STANDS = "store"

#: Collection → its shard key; None: not divided, and all of it on the database's primary shard. `rk` is the part of the
#: data that a resource belongs to (`routing.py`): by its digest the parts are spread evenly from the first on, and the
#: `_id` behind it lets what belongs to one part be on several shards when it is too much for one.
SHARD_KEYS: dict[str, dict[str, int | str] | None] = {
    "res": {"rk": "hashed", "_id": 1},
    "hist": {"rk": "hashed", "_id": 1},
    "log": {"_id": 1},
    "parts": {"q": 1},
    "claims": {"_id": "hashed"},
    "records": {"_id": 1},
    # Thrown away after a while.
    "notes": None,
    "state": None,
}

#: (collection, field asked for) → what asks so without an equal value of the shard key, and so maybe all shards.
#: Nothing else does.
SCATTERED: dict[tuple[str, str], str] = {
    ("res", "t"): "a search, a count, a walk, a condition of a transaction: by what resources say, wherever they lie",
    ("log", "k"): "the history of resources by their ids, and their erasure: rows of versions by the resource",
    ("log", "_id"): "the feed of changes, in every process, and the chain of traces: rows after a place",
    ("log", "t"): "the history of types, and where the chain of traces is at an instant",
    ("records", "_id"): "records of one kind by their keys in order, and all of them in turn",
    ("records", ""): "the first of all records, in turn",
}

#: Collection → its indexes: keys, and options. None is unique but by `_id`: a shard knows of its own documents alone.
INDEXES: dict[str, tuple[tuple[dict[str, int], dict[str, Any]], ...]] = {
    "res": (
        ({"t": 1, "live": 1, "q": 1}, {}),
        ({"t": 1, "n": 1}, {}),
        ({"t": 1, "live": 1, "id": 1, "n": 1}, {}),
        ({"t": 1, "s": 1}, {}),
        ({"t": 1, "d.p": 1, "d.l": 1, "d.h": 1}, {}),
        ({"t": 1, "d.p": 1, "d.h": 1}, {}),
        ({"t": 1, "w": 1}, {}),
    ),
    "hist": (),
    "log": (({"t": 1, "_id": 1}, {}), ({"k": 1, "_id": 1}, {}), ({"at": 1, "_id": 1}, {})),
    "parts": (({"q": 1, "at": 1}, {}),),
    "claims": (),
    # By the clock of the database, long after no server gives it any more.
    "records": (({"gone": 1}, {"expireAfterSeconds": 3_600}),),
    "notes": (({"at": 1}, {}),),
    "state": (),
}


def beginning() -> dict[str, Any]:
    """The document of `state` of a new store: the last numbers of versions and notes, the last digest of the chain."""
    return {"_id": STANDS, "schema": VERSION, "turn": 0, "seq": 0, "at": 0, "note": 0, "digest": begun(0, 0)}


def prepare(database: Any) -> None:
    """Make the collections of a new store, or make sure that this server understands the one that is there.

    Args:
        database: of the synchronous driver, writing to the majority.

    Raises:
        Unavailable: another program's database, or a newer server's.
    """
    there = set(database.list_collection_names())
    stands = database.state.find_one({"_id": STANDS}) if "state" in there else None
    if stands is None and there - {"state"}:
        # Collections of ours alone: another process is making them now.
        if not there <= INDEXES.keys():
            raise Unavailable("The database of the store holds collections of another program.")
    elif stands is not None and stands["schema"] > VERSION:
        raise Unavailable(
            f"The store was written by a newer server (schema {stands['schema']}, this one knows {VERSION})."
        )
    for name, indexes in INDEXES.items():
        if name not in there:
            _made(database, name)
        for keys, options in indexes:
            database[name].create_index(list(keys.items()), **options)
    # Last, and of the majority: a snapshot that has it has all the collections.
    database.state.update_one(
        {"_id": STANDS}, {"$setOnInsert": {k: v for k, v in beginning().items() if k != "_id"}}, upsert=True
    )
    database.state.update_one({"_id": STANDS}, {"$inc": {"turn": 1}})


def _made(database: Any, name: str) -> None:
    from pymongo.errors import CollectionInvalid, OperationFailure

    try:
        database.create_collection(name)
    except CollectionInvalid:
        return
    except OperationFailure as error:
        # Made by another process meanwhile.
        if error.code != 48:
            raise
