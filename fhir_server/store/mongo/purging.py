"""Erasing resources inside a transaction: all that any collection has of them, but the links of traces.

What is deleted is gone from the files when the database writes its next checkpoints; its oplog and journal go on having
it until they are written over, and copies as long as these are kept: that is its keeper's to settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.store.chain import CHAINED, said
from fhir_server.store.mongo.batch import Batch
from fhir_server.store.mongo.bodies import Bodies
from fhir_server.store.mongo.documents import Document, key, past_key
from fhir_server.store.mongo.routing import routed
from fhir_server.store.mongo.schema import ERASED
from fhir_server.store.mongo.search import Search


async def purge(batch: Batch, keys: Sequence[tuple[str, str]], under: str) -> int:
    """As `Store.purge`, inside the transaction of `batch`."""
    await batch.flush()
    stored, session = batch.stored, batch.session
    names = sorted({key(*one) for one in keys})
    there = await Search(stored, session).documents(names, {"s": 0, "d": 0, "w": 0, "x": 0})
    if not there:
        return 0
    rows: list[Document] = await stored.log.find({"k": {"$in": sorted(there)}}, session=session).to_list(None)
    await _links_kept(batch, [row for row in rows if row["t"] == CHAINED], there, under)
    claims = sorted({claim for one in there.values() for claim in one.get("c", ())})
    past = [past_key(row["t"], row["id"], row["v"]) for row in rows]
    gone: tuple[tuple[Any, Document], ...] = (
        (stored.log, {"_id": {"$in": [row["_id"] for row in rows if row["t"] != CHAINED]}}),
        (stored.hist, routed(past)),
        (stored.parts, {"q": {"$in": [row["_id"] for row in rows]}}),
        (stored.claims, {"_id": {"$in": claims}}),
        (stored.res, routed(sorted(there))),
    )
    for collection, which in gone:
        await collection.delete_many(which, session=session)
    batch.forget(there, claims)
    return len(there)


async def _links_kept(batch: Batch, rows: Sequence[Document], there: dict[str, Document], under: str) -> None:
    stored, session = batch.stored, batch.session
    names = [past_key(row["t"], row["id"], row["v"]) for row in rows]
    documents = await Search(stored, session).documents(names, {"x": 0}, stored.hist)
    for row in rows:
        one = (
            there[row["k"]]
            if there[row["k"]]["q"] == row["_id"]
            else documents[past_key(row["t"], row["id"], row["v"])]
        )
        await Bodies(stored, session).fill([one], "body")
        digest = said(row["id"], row["v"], row["m"], one["b"])
        change = {"$set": {"t": ERASED, "e": {"said": digest, "under": under}}, "$unset": {"k": "", "id": ""}}
        await stored.log.update_one({"_id": row["_id"]}, change, session=session)
