"""Whether one resource satisfies a rule: by its index, by what the store says of its links, and by whose it is.

A search is judged by the engine; here a rule is judged of one resource, before it is written or after it was read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from fhir_server.access.ownership import misnamed, owner_of, said_of, with_owner
from fhir_server.access.readings import Key, Readings
from fhir_server.access.record_owner import Named, Owner, owner
from fhir_server.access.write_rules import asks_whose
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Filter,
    Index,
    Linked,
    LinkedFrom,
    Not,
    Or,
    Range,
    Refers,
    both,
)
from fhir_server.store.matching import has_links, matches, unpack
from fhir_server.store.protocol import Version

#: Different links that one exchange remembers the ends of.
_LINKS = 1000


@lru_cache(maxsize=4096)
def _asks_instant(where: Filter) -> bool:
    match where:
        case And() | Or():
            return any(map(_asks_instant, where.parts))
        case Not():
            return _asks_instant(where.part)
        case _:
            return isinstance(where, Range) and where.param == "_lastUpdated"


class Judge:
    """Judges resources of one store."""

    __slots__ = ("_base", "_found", "_readings", "_turn")

    def __init__(self, readings: Readings, base: str) -> None:
        """`base` is the server's own public URL, under which absolute references are local."""
        self._readings = readings
        self._base = base
        self._turn = readings.turn
        self._found: dict[Linked, dict[Key, bool]] = {}

    async def satisfies(self, where: Filter, type: str, id: str, index: Index, at: int = 0) -> bool:
        """Whether the resource of that type, id and index, written at the instant `at` (ms), satisfies `where`."""
        if where == EVERYTHING:
            return True
        settled = await self._settled(where, type, id, index) if has_links(where) else where
        return matches(settled, index, id, at * 1000)

    async def _settled(self, where: Filter, type: str, id: str, index: Index) -> Filter:
        """`where` with each link replaced by what the store says of it: the rest is a matter of the index alone."""
        match where:
            case Linked():
                found = await self._refers(where, index)
            case LinkedFrom():
                linked = both(Refers(where.param, f"{type}/{id}"), where.where)
                found = await self._readings.store.count({where.type: linked}, 1) > 0
            case And() | Or():
                return await self._joined(where, type, id, index)
            case Not():
                return Not(await self._settled(where.part, type, id, index))
            case _:
                return where
        return EVERYTHING if found else NOTHING

    async def _joined(self, where: And | Or, type: str, id: str, index: Index) -> Filter:
        """As `_settled`, asking no more of the store than decides it; what the index alone says is looked at first."""
        decides, otherwise = (NOTHING, EVERYTHING) if isinstance(where, And) else (EVERYTHING, NOTHING)
        plain = tuple(part for part in where.parts if not has_links(part))
        links = [part for part in where.parts if has_links(part)]
        # What asks for the instant or for whose it is is not decided here: such parts stay as they are.
        rest = replace(where, parts=plain)
        if plain and self._is_decided(rest, id, index, decides == EVERYTHING):
            return decides
        for link in links:
            settled = await self._settled(link, type, id, index)
            if self._is_decided(settled, id, index, decides == EVERYTHING):
                return decides
            if settled != otherwise:
                rest = replace(rest, parts=(*rest.parts, settled))
        return rest

    @staticmethod
    def _is_decided(part: Filter, id: str, index: Index, by: bool) -> bool:
        """Whether what the index says of a part decides what it is joined in: all of which no instant is asked."""
        return not has_links(part) and not _asks_instant(part) and matches(part, index, id) == by

    async def _refers(self, link: Linked, index: Index) -> bool:
        prefix = link.type + "/"
        values = dict.fromkeys(w.value for w in index.words if w.param == link.param and w.value.startswith(prefix))
        keys = [(link.type, value[len(prefix) :]) for value in values]
        known = self._known(link)
        if any(known.get(key) for key in keys):
            return True
        unknown = [key for key in keys if key not in known]
        for key, version in zip(unknown, await self._readings.read_many(unknown), strict=True):
            known[key] = version is not None and not version.deleted and await self._is_so(link, version)
            if known[key]:
                return True
        return False

    def _known(self, link: Linked) -> dict[Key, bool]:
        """What was found of the other ends of a link: held like what an exchange reads, until something is written."""
        if self._turn != self._readings.turn or len(self._found) > _LINKS:
            self._turn, self._found = self._readings.turn, {}
        return self._found.setdefault(link, {})

    async def _is_so(self, link: Linked, version: Version) -> bool:
        """Whether what is linked to satisfies the rule of its type, which may be one that no stored index tells of."""
        index = unpack(version.packed)
        if asks_whose(link.where):
            index = with_owner(index, await self.owner_of(version))
        return await self.satisfies(link.where, link.type, version.id, index, version.at)

    def said_by(self, type: str, tree: dict[str, Any]) -> Owner:
        """Whose a resource says it is."""
        return owner(type, tree, self._base)

    async def said_of(self, version: Version) -> Owner:
        """Whose a stored version says it is, by its references."""
        return await said_of(self._readings, version, self._base)

    async def misnamed(
        self, found: Owner, before: Owner | None, sees: Callable[[Version], Awaitable[bool]], subject: str | None
    ) -> Named | None:
        """As `ownership.misnamed`."""
        return await misnamed(self._readings, found, before, sees, subject)

    async def owner_of(self, version: Version) -> Owner:
        """Whose a stored version is."""
        return await owner_of(self._readings, version, self._base)
