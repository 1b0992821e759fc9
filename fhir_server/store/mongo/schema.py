"""The collections of the store, their indexes, and the number that says which server may use them.

res      the current version of each resource, with what it is found by        shard key (rk, _id)
hist     the versions before                                                    (rk, _id)
log      a row for each version, in the order of commits                        (_id)
parts    pieces of bodies that are longer than a document                       (q)
claims   names that one resource alone holds                                    (_id hashed)
records  short-lived and secret things                                          (_id)
notes    changes of records, in the order of commits                            (_id)
state    one document: where the store stands. Each commit begins by changing it, so that no two go on at once.
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

#: Collection → its indexes: keys, and options.
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
