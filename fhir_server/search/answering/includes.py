"""`_include` and `_revinclude`: what the matches refer to and what refers to them, each once, within limits.

https://hl7.org/fhir/R4/search.html#include. Everything goes through the caller's own repository: what the caller
could not find is not included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import Issue
from fhir_server.search.asking.includes import Include
from fhir_server.search.parameters.codes import spellings
from fhir_server.search.parameters.registry import Registry
from fhir_server.search.parameters.targets import targets_of
from fhir_server.store.filters import Filter, Id, Refers, Token, Uri, both, either
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import NEWEST, Page, Position, Scope, Sort, Version

#: How often `:iterate` goes on from what it found; R4 leaves the depth to the server.
MAX_ROUNDS = 10
#: Alternatives in one query of the engine.
_CHUNK = 500


class Reader(Protocol):
    """The part of a repository that a search uses."""

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
    ) -> Page:
        """A page of what the caller may see of `scope`."""

    async def ids_each(self, scopes: Sequence[Scope], count: int) -> list[frozenset[str]]:
        """The ids of what the caller may see of each of `scopes`, `count` at most."""

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        """How many there are; counting stops at `limit`."""

    async def vread_many(self, keys: Sequence[tuple[str, str, int]], most_bytes: int) -> list[Version | None]:
        """Versions that the caller may see, None for others; over early where they are longer than `most_bytes`."""


@dataclass(frozen=True, slots=True)
class Included:
    """What comes beside a page, in the order it was found, and what is to be said of what was left out."""

    versions: tuple[Version, ...]
    issues: tuple[Issue, ...] = ()


async def included(
    includes: Sequence[Include],
    matches: Sequence[Version],
    repository: Reader,
    registry: Registry,
    limit: int,
    most_bytes: int,
) -> Included:
    """What `includes` ask for beside `matches`.

    Args:
        includes: in the order of the query.
        matches: one page of them.
        repository: as the caller sees it.
        registry: the search parameters in force.
        limit: the most resources included.
        most_bytes: the most they are together, in bytes, besides one.
    """
    search = _Search(repository, registry, limit, most_bytes)
    search.seen.update((match.type, match.id) for match in matches)
    search.versions.update((match.type, match.id, match.version) for match in matches)
    frontier, asked = list(matches), list(includes)
    types = {match.type for match in matches}
    again = [one for one in includes if one.iterate or _is_second_hop(one, types, registry)]
    for _ in range(MAX_ROUNDS):
        before = len(search.found)
        await search.forward([one for one in asked if not one.reverse], frontier)
        await search.backward([one for one in asked if one.reverse], frontier)
        frontier = search.found[before:]
        asked = again
        if not (frontier and asked) or search.cut:
            break
    else:
        deep = f"Includes are followed {MAX_ROUNDS} links far; what may lie beyond was left out."
        return Included(tuple(search.found), (_left_out(deep, asked[0]),))
    if not search.cut:
        return Included(tuple(search.found))
    many = f"An answer includes {limit} resources and {most_bytes} bytes at most; the rest was left out."
    return Included(tuple(search.found), (_left_out(many, search.asking or includes[0]),))


def _left_out(said: str, one: Include) -> Issue:
    return Issue("warning", "too-costly", said, f"http.{'_revinclude' if one.reverse else '_include'}")


def _is_second_hop(one: Include, types: set[str], registry: Registry) -> bool:
    hops = registry.additions.second_hops
    return not one.reverse and any((type, one.source, one.param) in hops for type in types)


Key = tuple[str, str]
T = TypeVar("T")


@dataclass(slots=True)
class _Wanted:
    """What the references of a round name: resources, versions of them, canonical URLs by the types they may be of."""

    current: dict[Key, None] = field(default_factory=dict)
    versions: dict[tuple[str, str, int], None] = field(default_factory=dict)
    canonical: dict[tuple[str, str, str], None] = field(default_factory=dict)


class _Search:
    def __init__(self, repository: Reader, registry: Registry, limit: int, most_bytes: int) -> None:
        self.repository = repository
        self.registry = registry
        self.limit = limit
        self.left = most_bytes
        self.seen: set[Key] = set()
        self.versions: set[tuple[str, str, int]] = set()
        self.found: list[Version] = []
        self.asking: Include | None = None
        self.cut = False

    async def forward(self, includes: Sequence[Include], frontier: Sequence[Version]) -> None:
        if not includes:
            return
        self.asking = includes[0]
        wanted = _Wanted()
        plans: dict[str, Mapping[str, frozenset[str] | None]] = {}
        for version in frontier:
            plan = plans.get(version.type)
            if plan is None:
                plan = plans[version.type] = self._plan(version.type, includes)
            if plan:
                self._collect(version, plan, wanted)
        await self._fetch(wanted)

    def _plan(self, type: str, includes: Sequence[Include]) -> Mapping[str, frozenset[str] | None]:
        """Reference parameters of `type` that are followed → the types followed to (None: any)."""
        plan: dict[str, frozenset[str] | None] = {}
        for one in includes:
            if one.source not in ("*", type):
                continue
            for code in references(self.registry, type) if one.param == "*" else (one.param,):
                known = plan.get(code, frozenset())
                plan[code] = None if known is None or not one.target else known | {one.target}
        return plan

    def _collect(self, version: Version, plan: Mapping[str, frozenset[str] | None], wanted: _Wanted) -> None:
        for word in unpack(version.own).words:
            if word.param not in plan:
                continue
            allowed = plan[word.param]
            type, _, id = word.value.partition("/")
            if type in resource_types():
                if allowed is None or type in allowed:
                    self._want(wanted, type, id, word.qualifier)
            elif not word.value.startswith("#"):
                for target in self._canonical_targets(version.type, word.param, allowed):
                    wanted.canonical[target, word.value, word.qualifier] = None

    def _want(self, wanted: _Wanted, type: str, id: str, version: str) -> None:
        if version.isdecimal() and len(version) < 18:
            # R4 search.html#versions: the version referred to is the one to provide.
            if (type, id, int(version)) not in self.versions:
                wanted.versions[type, id, int(version)] = None
        elif (type, id) not in self.seen:
            wanted.current[type, id] = None

    def _canonical_targets(self, type: str, code: str, allowed: frozenset[str] | None) -> Iterator[str]:
        param = self.registry.get(type, code)
        for target in targets_of(param, type) if param else ():
            if (allowed is None or target in allowed) and self.registry.get(target, "url") is not None:
                yield target

    async def _fetch(self, wanted: _Wanted) -> None:
        for keys in chunks(list(wanted.current)):
            ids: dict[str, list[str]] = defaultdict(list)
            for type, id in keys:
                ids[type].append(id)
            scope = {type: Id(tuple(some)) for type, some in ids.items()}
            if self.cut:
                return
            page = await self.repository.find(scope, NEWEST, None, len(keys), self.left)
            by_key = {(version.type, version.id): version for version in page.versions}
            self._add(by_key[key] for key in keys if key in by_key)
            self.cut = self.cut or page.next is not None
        for numbered in chunks(list(wanted.versions)):
            await self._vread(numbered)
        for some in chunks(list(wanted.canonical)):
            by_type: dict[str, list[Filter]] = defaultdict(list)
            for type, url, business in some:
                exact = both(Uri("url", url), _of_version(business)) if business else Uri("url", url)
                by_type[type].append(exact)
            await self._find({type: either(filters) for type, filters in by_type.items()})

    async def _vread(self, keys: Sequence[tuple[str, str, int]]) -> None:
        while keys and not self.cut:
            found = await self.repository.vread_many(keys, self.left)
            self._add(filter(None, found))
            keys = keys[len(found) :]

    async def backward(self, includes: Sequence[Include], frontier: Sequence[Version]) -> None:
        if not includes or self.cut:
            return
        self.asking = includes[0]
        for some in chunks(list(frontier), 50):
            scope: dict[str, list[Filter]] = defaultdict(list)
            for one in includes:
                for source in sorted(resource_types()) if one.source == "*" else (one.source,):
                    scope[source] += self._referring(source, one, some)
            await self._find({type: either(filters) for type, filters in scope.items() if filters})

    def _referring(self, source: str, one: Include, frontier: Sequence[Version]) -> Iterator[Filter]:
        codes = references(self.registry, source) if one.param == "*" else (one.param,)
        for code in codes:
            param = self.registry.get(source, code)
            targets = targets_of(param, source) if param else ()
            for version in frontier:
                if one.target not in ("", version.type) or version.type not in targets:
                    continue
                yield Refers(code, f"{version.type}/{version.id}")
                if self.registry.get(version.type, "url") is not None:
                    yield from _canonically(code, version)

    async def _find(self, scope: Scope) -> None:
        left = self.limit - len(self.found)
        if scope and not self.cut:
            # What is found may be there already: as many more are asked for, so that the limit counts only new ones.
            most = left + len(self.seen) + 1
            page = await self.repository.find(scope, NEWEST, None, most, self.left)
            self._add(page.versions)
            self.cut = self.cut or (page.next is not None and len(page.versions) < most)

    def _add(self, versions: Iterable[Version]) -> None:
        for version in versions:
            key = (version.type, version.id)
            if (*key, version.version) in self.versions:
                continue
            if len(self.found) >= self.limit or self.left < 0:
                self.cut = True
                return
            self.left -= len(version.body)
            if version.current:
                self.seen.add(key)
            self.versions.add((*key, version.version))
            self.found.append(version)


def references(registry: Registry, type: str) -> list[str]:
    """The codes of the reference parameters of `type`."""
    return [code for code, param in registry.of(type).items() if param.type == "reference"]


def _canonically(code: str, version: Version) -> Iterator[Filter]:
    """References to a resource by its canonical URL: with its business version, or with none."""
    words = unpack(version.own).words
    business = [word.value for word in words if word.param == "version"]
    for url in (word.value for word in words if word.param == "url"):
        yield from (Refers(code, url, one) for one in ("", *business))


def _of_version(business: str) -> Filter:
    return either([Token("version", spelling) for spelling in spellings(business)])


def chunks(items: Sequence[T], size: int = _CHUNK) -> Iterator[Sequence[T]]:
    """`items` in parts of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))
