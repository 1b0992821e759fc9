"""`_contained`: resources that stand inside others, found by the same criteria.

https://hl7.org/fhir/R4/search.html#contained. Only their containers have an index, which says what types they
contain; so the containers are read, and each contained resource is judged as if it stood alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import TooCostly
from fhir_server.search.answering.includes import Reader
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
    found: list[Contained] = []
    for version in await _containers({type: where for type in sorted(resource_types())}, repository):
        beside = parse(version.body, max_depth=1000).get("contained", [])
        for tree in beside:
            type = tree.get("resourceType", "")
            if type not in scope:
                continue
            index = extract(type, tree, registry, base, beside=beside, written=True)
            if await _satisfies(scope[type], index, tree.get("id", ""), version, repository):
                found.append(Contained(version, tree.get("id", ""), serialize(tree)))
    return sorted(found, key=lambda one: one.key)


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


async def _satisfies(where: Filter, index: Index, id: str, container: Version, repository: Reader) -> bool:
    settled = await _settled(where, index, repository)
    return matches(settled, index, id, container.at * 1000)


async def _settled(where: Filter, index: Index, repository: Reader) -> Filter:
    """`where` with each link replaced by whether it holds."""
    match where:
        case Linked():
            prefix = where.type + "/"
            ids = [w.value[len(prefix) :] for w in index.words if w.param == where.param and w.value.startswith(prefix)]
            if not ids:
                return NOTHING
            return EVERYTHING if await repository.count({where.type: both(Id(tuple(ids)), where.where)}, 1) else NOTHING
        case LinkedFrom():
            # Nothing outside its container can refer to a contained resource.
            return NOTHING
        case And() | Or():
            return replace(where, parts=tuple([await _settled(part, index, repository) for part in where.parts]))
        case Not():
            return Not(await _settled(where.part, index, repository))
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
