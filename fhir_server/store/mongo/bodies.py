"""Bodies of documents that were read without them: asked for last, of what is given alone, however long they are.

A document of MongoDB has 16 MB at most. A longer body lies in pieces in the collection `parts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import Document
from fhir_server.store.mongo.routing import routed
from fhir_server.store.protocol import Want

#: Bodies up to so many bytes stand in the document of their version, and pieces of longer ones are as long.
INSIDE = 8_000_000
#: Names, and bytes, in one question.
_TOGETHER, _MOST_BYTES = 500, 16_000_000


class Bodies:
    """Reads bodies in one session."""

    def __init__(self, stored: Collections, session: Any) -> None:
        """As `search.Search`."""
        self._stored = stored
        self._session = session

    async def fill(self, documents: Iterable[Document], want: Want) -> None:
        """Give each document its body, where bodies are wanted and it is without: of `res`, or of `hist`."""
        if want not in ("bare", "body"):
            return
        lots: dict[bool, list[Document]] = {False: [], True: []}
        for one in documents:
            if "b" not in one or (not one["b"] and one["z"]):
                lots["until" in one].append(one)
        for past, lot in lots.items():
            await self._fill(self._stored.hist if past else self._stored.res, lot)

    async def _fill(self, collection: Any, lot: list[Document]) -> None:
        plain = [one for one in lot if one["z"] <= INSIDE]
        while plain:
            size = 0
            some: list[Document] = []
            while plain and len(some) < _TOGETHER and size < _MOST_BYTES:
                some.append(plain.pop())
                size += some[-1]["z"]
            found: dict[str, bytes] = {}
            names = routed([one["_id"] for one in some])
            async for one in collection.find(names, {"b": 1}, session=self._session):
                found[one["_id"]] = one["b"]
            for one in some:
                one["b"] = found[one["_id"]]
        for one in lot:
            if one["z"] > INSIDE:
                pieces = self._stored.parts.find({"q": one["q"]}, session=self._session).sort("at", 1)
                one["b"] = b"".join([piece["b"] async for piece in pieces])


def pieces(number: int, body: bytes) -> list[Document]:
    """The documents of `parts` for the body of the version of a number; none where it stands in its document."""
    if len(body) <= INSIDE:
        return []
    return [
        {"_id": f"{number}/{begin}", "q": number, "at": begin, "b": body[begin : begin + INSIDE]}
        for begin in range(0, len(body), INSIDE)
    ]
