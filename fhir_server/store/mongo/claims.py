"""Names that one resource of a type alone holds, each under a key of its own, and who holds them in a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from fhir_server.store.mongo.documents import Document, key
from fhir_server.store.protocol import Delete, Put, Stale, Write

#: (type, id) of a resource.
Key = tuple[str, str]


def digest(type: str, name: str) -> str:
    """The `_id` of a claim: of one length, however long the name."""
    return sha256(f"{type}|{name}".encode()).hexdigest()


def claimed(writes: Iterable[Write]) -> dict[Key, frozenset[str]]:
    """The names that each resource holds after `writes`, of those whose names they settle: (type, id) → names."""
    found: dict[Key, frozenset[str]] = {}
    for write in writes:
        if isinstance(write, Delete):
            found[write.type, write.id] = frozenset()
        elif write.claims is not None:
            found[write.type, write.id] = write.claims
    return found


class Claims:
    """Who holds the names that the writes of a transaction ask for, as it goes on."""

    def __init__(self, collection: Any, session: Any) -> None:
        """`session` is of the transaction under way."""
        self._collection = collection
        self._session = session
        self._holders: dict[str, str] = {}
        # Waiting for `flush`.
        self._freed: set[str] = set()
        self._taken: dict[str, str] = {}

    async def read(self, writes: Iterable[Write]) -> None:
        """Learn who holds what `writes` claim."""
        asked = {digest(one.type, name) for one in writes if isinstance(one, Put) for name in one.claims or ()}
        if asked:
            async for one in self._collection.find({"_id": {"$in": sorted(asked)}}, session=self._session):
                self._holders[one["_id"]] = one["k"]

    def require_free(self, writes: Sequence[Write], wanted: Mapping[Key, frozenset[str]]) -> None:
        """Refuse a name that two of the writes want, or that a resource has which none of them frees it from.

        Raises:
            Stale: naming the write and the claim.
        """
        first: dict[str, Key] = {}
        free = {None, *(key(*one) for one in wanted)}
        for one, names in wanted.items():
            for name in sorted(names):
                claim = digest(one[0], name)
                if first.setdefault(claim, one) != one or self._holders.get(claim) not in free:
                    raise _refused(writes, one, name)

    def settle(self, wanted: Mapping[Key, frozenset[str]], documents: Mapping[str, Document]) -> None:
        """Note who holds what from now on, in the resources' own documents too (`c`)."""
        for one in wanted:
            for claim in documents[key(*one)].get("c", ()):
                # What another of these writes has taken already is its own.
                if self._holders.get(claim, key(*one)) == key(*one):
                    self._holders.pop(claim, None)
                    self._taken.pop(claim, None)
                    self._freed.add(claim)
        for one, names in wanted.items():
            held = [digest(one[0], name) for name in sorted(names)]
            documents[key(*one)]["c"] = held
            for claim in held:
                self._holders[claim] = self._taken[claim] = key(*one)

    def forget(self, claims: Iterable[str]) -> None:
        """Nobody holds these any more, and they are gone from the collection."""
        for claim in claims:
            self._holders.pop(claim, None)

    async def flush(self) -> None:
        """Write down what waits."""
        if self._freed:
            await self._collection.delete_many({"_id": {"$in": sorted(self._freed)}}, session=self._session)
            self._freed.clear()
        if self._taken:
            rows = [{"_id": claim, "k": name} for claim, name in self._taken.items()]
            await self._collection.insert_many(rows, session=self._session)
            self._taken.clear()


def _refused(writes: Sequence[Write], one: Key, name: str) -> Stale:
    last = [w for w in writes if isinstance(w, Put) and (w.type, w.id) == one and w.claims is not None]
    return Stale(last[-1], claim=name)
