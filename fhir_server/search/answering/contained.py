"""`_contained`: resources that stand inside others, found by the same criteria.

https://hl7.org/fhir/R4/search.html#contained. Only their containers have an index, which says what types they
contain; so the containers are read, and each contained resource is judged as if it stood alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import TooCostly
from fhir_server.search.answering.includes import Reader, chunks
from fhir_server.search.asking.query import Query
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Filter,
    Id,
    Index,
    Linked,
    LinkedFrom,
    Not,
    Or,
    Token,
    both,
)
from fhir_server.store.matching import matches
from fhir_server.store.protocol import Page, Position, Scope, Sort, Version

#: Containers read for one query: each is parsed whole.
MAX_CONTAINERS = 2_000
#: Index row of a container: the type and id of a resource inside it.
CONTAINED = "_contained"
_BY_ID = (Sort("_id", "own"),)
_PAGE = 200
#: Ids asked of the engine in one question.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Contained:
    """A contained resource that matches, and what contains it."""

    container: Version
    id: str
    body: bytes

    @property
    def key(self) -> tuple[str, str, str]:
        """Where it stands: type and id of its container, and its own id. Matches are in this order."""
        return self.container.type, self.container.id, self.id


async def contained_in(scope: Scope, repository: Reader, registry: Registry, base: str) -> list[Contained]:
    """The contained resources that satisfy the filter of their type, in the order of their `key`.

    Args:
        scope: resource type → filter, about the contained resources.
        repository: the store as the caller sees it; who cannot see the container sees nothing of what is in it.
        registry: the search parameters in force.
        base: absolute URL of the FHIR base.

    Raises:
        TooCostly: more than `MAX_CONTAINERS` resources contain one of the types.
    """
    holding: list[Filter] = [Token(CONTAINED, type) for type in scope]
    where = Or(tuple(holding))
    candidates: list[_Candidate] = []
    for version in await _containers({type: where for type in sorted(resource_types())}, repository):
        beside = parse(version.body, max_depth=1000).get("contained", [])
        for tree in beside:
            if (type := tree.get("resourceType", "")) in scope:
                index = extract(type, tree, registry, base, beside=beside, written=True)
                candidates.append(_Candidate(version, tree, index, scope[type]))
    links = await Links.of([link for one in candidates for link in _links(one.where, one.index)], repository)
    found = [Contained(one.container, one.id, serialize(one.tree)) for one in candidates if one.satisfies(links)]
    return sorted(found, key=lambda one: one.key)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A contained resource that may match, and what is asked of it."""

    container: Version
    tree: dict[str, Any]
    index: Index
    where: Filter

    @property
    def id(self) -> str:
        """Its own id, within the container."""
        return str(self.tree.get("id", ""))

    def satisfies(self, links: Links) -> bool:
        """Whether it matches, where `links` say what is there outside of its container."""
        settled = _settled(self.where, self.index, links)
        return matches(settled, self.index, self.id, self.container.at * 1000)


async def _containers(scope: Scope, repository: Reader) -> list[Version]:
    found: list[Version] = []
    page = await repository.find(scope, _BY_ID, None, _PAGE)
    found += page.versions
    while page.next is not None:
        if len(found) >= MAX_CONTAINERS:
            raise TooCostly(f"More than {MAX_CONTAINERS} resources contain what is asked for.", "http._contained")
        page = await repository.find(scope, _BY_ID, page.next, _PAGE)
        found += page.versions
    return found


#: What a link asks: the type it leads to, what must hold there, and the ids that it leads to.
_Asked = tuple[str, Filter, tuple[str, ...]]


class Links:
    """What links lead to: all of them asked at once, however many contained resources have them."""

    def __init__(self) -> None:
        self._there: dict[tuple[str, Filter], set[str]] = {}

    @classmethod
    async def of(cls, asked: Iterable[_Asked], repository: Reader) -> Links:
        """Ask which of the ids satisfy what is asked of them."""
        found, ids = cls(), defaultdict[tuple[str, Filter], dict[str, None]](dict)
        for type, where, some in asked:
            ids[type, where].update(dict.fromkeys(some))
        scopes = [
            (key, {key[0]: both(Id(tuple(some)), key[1])})
            for key, all_ids in ids.items()
            for some in chunks(list(all_ids), _CHUNK)
        ]
        if scopes:
            there = await repository.ids_each([scope for _, scope in scopes], _CHUNK)
            for (key, _), some_ids in zip(scopes, there, strict=True):
                found._there.setdefault(key, set()).update(some_ids)
        return found

    def holds(self, asked: _Asked) -> bool:
        """Whether some of the ids satisfy it."""
        type, where, ids = asked
        return not self._there.get((type, where), set()).isdisjoint(ids)


def _asked(link: Linked, index: Index) -> _Asked:
    prefix = link.type + "/"
    ids = (w.value[len(prefix) :] for w in index.words if w.param == link.param and w.value.startswith(prefix))
    return link.type, link.where, tuple(ids)


def _links(where: Filter, index: Index) -> Iterator[_Asked]:
    match where:
        case Linked():
            yield _asked(where, index)
        case And() | Or():
            for part in where.parts:
                yield from _links(part, index)
        case Not():
            yield from _links(where.part, index)


def _settled(where: Filter, index: Index, links: Links) -> Filter:
    """`where` with each link replaced by whether it holds."""
    match where:
        case Linked():
            return EVERYTHING if links.holds(_asked(where, index)) else NOTHING
        case LinkedFrom():
            # Nothing outside its container can refer to a contained resource.
            return NOTHING
        case And() | Or():
            return replace(where, parts=tuple(_settled(part, index, links) for part in where.parts))
        case Not():
            return Not(_settled(where.part, index, links))
        case _:
            return where


@dataclass(frozen=True, slots=True)
class Selection:
    """A page of a search that looks into containers too.

    Attributes:
        alone: matches that stand alone; before all that are contained.
        inside: contained matches.
        next: where the next page starts; `ALONE` and an engine's position, or `INSIDE` and a key.
        total: matches in all; None while those that stand alone are not at their end.
    """

    alone: tuple[Version, ...]
    inside: tuple[Contained, ...]
    next: Position | None
    total: int | None


ALONE, INSIDE = "alone", "inside"


async def select(query: Query, repository: Reader, registry: Registry, base: str, after: Position | None) -> Selection:
    """The page after `after` of a query with `_contained` true or both."""
    count = query.results.count
    alone = Page(())
    if query.results.contained == "both" and (after is None or after[0] == ALONE):
        alone = await repository.find(query.scope, query.sort, after[1:] if after else None, count)
        if alone.next is not None:
            return Selection(alone.versions, (), (ALONE, *alone.next), None)
    found = await contained_in(query.scope, repository, registry, base)
    since = tuple(str(step) for step in after[1:]) if after and after[0] == INSIDE else ()
    left = [one for one in found if one.key > since]
    room = count - len(alone.versions)
    following: Position | None = None
    if len(left) > room:
        following = (INSIDE, *(left[room - 1].key if room else since or ("",)))
    total = await repository.count(query.scope) + len(found) if query.results.contained == "both" else len(found)
    return Selection(alone.versions, tuple(left[:room]), following, total)


async def count(query: Query, repository: Reader, registry: Registry, base: str) -> int:
    """How many matches a query with `_contained` true or both has."""
    found = len(await contained_in(query.scope, repository, registry, base))
    return found + await repository.count(query.scope) if query.results.contained == "both" else found
