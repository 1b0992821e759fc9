"""How every worker comes to know the search parameters that SearchParameter resources add, and which are complete.

https://hl7.org/fhir/R4/searchparameter.html. The resources in the store are the truth, and beside them those that come
with the server (`shipped.py`); `Records` hold how far each is. Each worker follows both (`changes`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from fhir_server.changes.follower import Follower
from fhir_server.changes.outdated import Name, Outdated
from fhir_server.fhir.definitions import SearchParameter, resource_types
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.activation.declared import declared
from fhir_server.search.parameters.registry import Registry, State
from fhir_server.search.parameters.shipped import definitions
from fhir_server.store.filters import EVERYTHING, Token
from fhir_server.store.protocol import Position, Records, Store

#: Kind of the records: key = canonical URL, value = `Standing`.
STANDING = "search-parameter"
#: Grows when `extract` writes other rows than before for the same resource: 2 has instants without width, and every row
#: of contained resources; 3 has attachments, and traces of several patients; 4 has the rows of the medical record; 5 of
#: messages; 6 has who wrote what is clinical; 7 Provenances of documents alone; 8 has mailboxes, and none of those of
#: the red list; 9 who made what of the agenda, and when slots are; 10 has whose events are declared and followed; 11
#: the lives of spaces; 12 national identifiers with their prefixes; 13 which professional made what of the agenda.
#: What was stored earlier is then indexed anew (`reindex.py`).
FORMAT = b"13"
#: Where it is recorded that everything stored is indexed so.
FORMAT_KEPT = ("reindex", "format")


class Standing(msgspec.Struct, frozen=True):
    """How far an added parameter is. It speaks of one definition: a changed one has another `fingerprint`."""

    fingerprint: str
    state: State


class Watch:
    """Keeps one worker's registry in step with the store.

    Attributes:
        registry: what is kept in step.
    """

    def __init__(self, registry: Registry, store: Store, records: Records, follower: Follower) -> None:
        """Nothing is read before `refresh`, or before `follower` catches up."""
        self.registry = registry
        self._store = store
        self._records = records
        self._follower = follower
        self._trees: dict[str, dict[str, Any]] = {}
        self._outdated = Outdated()
        self._subscription = follower.subscribe(
            self._outdated.hear, types=("SearchParameter",), kinds=(STANDING,), then=self._take_over
        )

    async def refresh(self) -> bool:
        """Look now, and take over what this worker or another changed; says whether anything changed.

        Raises:
            FhirError: the store did not answer; what was known stays in force.
        """
        before = self.registry.generation
        await self._follower.look()
        await self._subscription.catch_up()
        return self.registry.generation != before

    def pending(self) -> dict[str, SearchParameter]:
        """The added parameters that are not wholly indexed, by URL."""
        return {url: parameter for url, (parameter, state) in self.registry.added().items() if state == "pending"}

    async def _take_over(self) -> None:
        taken = self._outdated.take()
        try:
            await self._read(taken)
            self.registry.replace(await self._added())
        except BaseException:
            self._outdated.back(taken)
            raise

    async def _read(self, names: set[Name] | None) -> None:
        if names is None:
            await self._note_format()
            self._trees = {id: tree async for id, tree in _stored(self._store)}
            return
        resources = sorted(name for name in names if name[0] == "SearchParameter")
        for (_, id), version in zip(resources, await self._store.read_many(resources), strict=True):
            tree = {} if version is None or version.deleted else parse(version.body)
            self._trees.pop(id, None)
            if tree.get("status") == "active":
                self._trees[id] = tree

    async def _added(self) -> dict[str, tuple[SearchParameter, State]]:
        standings = {url: _standing(value) for url, value in await self._records.list(STANDING)}
        known = Registry(self.registry.zone)
        for parameter in await self._declared(known):
            standing = standings.pop(parameter.url, None)
            if standing is None or standing.fingerprint != fingerprint(parameter):
                standing = Standing(fingerprint(parameter), await self._begins(parameter))
                await self._records.put(STANDING, parameter.url, msgspec.msgpack.encode(standing))
            known.activate(parameter, standing.state)
        for url in standings:
            # A parameter that comes back later has missed what was written in between.
            await self._records.take(STANDING, url)
        return dict(known.added())

    async def _note_format(self) -> None:
        """Record of a store in which there is nothing yet that all of it is indexed as it is now."""
        if await self._records.get(*FORMAT_KEPT) is None:
            page = await self._store.find(dict.fromkeys(sorted(resource_types()), EVERYTHING), count=1, want="head")
            if not page.versions:
                await self._records.put(*FORMAT_KEPT, FORMAT)

    async def _begins(self, parameter: SearchParameter) -> State:
        """How far a new parameter is: one that comes with the server is complete where there is nothing to index."""
        if parameter.url not in {tree["url"] for tree in definitions()}:
            return "pending"
        page = await self._store.find(dict.fromkeys(parameter.base, EVERYTHING), count=1, want="head")
        return "pending" if page.versions else "complete"

    async def _declared(self, known: Registry) -> list[SearchParameter]:
        """What the stored and shipped SearchParameters add, composites last; one that would be refused adds nothing."""
        stored = _one_each(self._trees)
        resources: list[Mapping[str, Any]] = list(stored.values())
        resources += [tree for tree in definitions() if tree["url"] not in stored]
        resources.sort(key=lambda tree: (tree.get("type") == "composite", str(tree.get("url"))))
        found = []
        for tree in resources:
            try:
                parameter = declared(dict(tree), known)
            except (FhirError, LookupError, TypeError):
                continue
            if parameter:
                known.activate(parameter)
                found.append(parameter)
        return found


def _one_each(trees: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Of the resources (by id) with one URL, that of the last version, by URL: the same one in every worker.

    A standing speaks of a URL. Were two in force, each would take it from the other for ever.
    """
    ordered = sorted(trees.items(), key=lambda item: (_numbered(item[1]), item[0]))
    return {str(tree.get("url")): tree for _, tree in ordered}


def _numbered(tree: Mapping[str, Any]) -> list[tuple[int, str]]:
    """A version in the order in which people count: 2.10 after 2.9."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(tree.get("version", "")))
    ]


async def complete(records: Records, url: str, known_as: str) -> None:
    """Record that everything is indexed by the parameter, unless it has been defined anew since.

    Args:
        records: where standings are.
        url: the parameter's canonical URL.
        known_as: the fingerprint of the definition that everything was indexed by.
    """
    before = msgspec.msgpack.encode(Standing(known_as, "pending"))
    await records.swap(STANDING, url, before, msgspec.msgpack.encode(Standing(known_as, "complete")))


def fingerprint(parameter: SearchParameter) -> str:
    """What changes with the definition of a parameter."""
    return hashlib.sha256(msgspec.json.encode(parameter)).hexdigest()[:32]


def _standing(value: bytes) -> Standing:
    return msgspec.msgpack.decode(value, type=Standing)


async def _stored(store: Store) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    after: Position | None = None
    while True:
        page = await store.find({"SearchParameter": Token("status", "active")}, after=after, count=200)
        for version in page.versions:
            yield version.id, parse(version.body)
        if page.next is None:
            return
        after = page.next
