"""What a transaction would write: each entry's resource found or named, links between them settled, all of it judged.

https://hl7.org/fhir/R4/http.html#trules. Nothing is written here; problems are gathered, so that all are told at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fhir_server.fhir.outcome import (
    FhirError,
    Issue,
    Malformed,
    MethodNotAllowed,
    MultipleMatches,
    NotFound,
)
from fhir_server.interactions import conditional, delete, integrity, patch, statement, update
from fhir_server.interactions.bundles import ahead, conditions, links
from fhir_server.interactions.bundles.entries import Entry
from fhir_server.interactions.bundles.names import Names, condition_of, in_turn, refuse_ended
from fhir_server.interactions.bundles.references import References
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.parameters import refuse_unread
from fhir_server.interactions.pipeline import Among, Change, Commit, Patch
from fhir_server.interactions.preconditions import require_match
from fhir_server.interactions.writing import require_id, require_type
from fhir_server.store.filters import Filter
from fhir_server.store.protocol import Guard, Version, Write

#: Resources looked at before others get their turn on the event loop.
TURN = 64


@dataclass(slots=True)
class Planned:
    """One entry on its way to a write.

    Attributes:
        entry: as received.
        type: resource type.
        id: where the resource is, or will be.
        method: the verb that history shows; None when nothing is written.
        tree: the resource to write.
        before: the version it follows; None for none.
        found: what is answered when nothing is written: the match of a conditional create, an old deletion.
        twin: the entry with the same `ifNoneExist`, whose resource this one finds.
        doomed: versions to delete.
        change: what a patch does.
        status: of the answer.
        issues: warnings of validation.
        writes: filled when judged.
    """

    entry: Entry
    type: str
    id: str = ""
    method: Literal["POST", "PUT", "PATCH", "DELETE"] | None = None
    tree: dict[str, Any] | None = None
    before: Version | None = None
    found: Version | None = None
    twin: Planned | None = None
    doomed: list[Version] = field(default_factory=list)
    change: Patch | None = None
    status: int = 200
    issues: list[Issue] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)


_CIRCLE = "The conditions of these entries name one another, so that none can be judged first."


class Plan:
    """The whole transaction.

    Attributes:
        context: of the transaction.
        planned: the entries that write, in order of processing.
        problems: what stands in the way, and of which entry.
        guards: what must still hold when the engine writes.
        extra: writes that are added to those of the entries.
        present: `Type/id` of what will be there.
        ended: `Type/id` of what will not.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.planned: list[Planned] = []
        self.problems: list[tuple[FhirError, Entry]] = []
        self.guards: list[Guard] = []
        self.extra: list[Write] = []
        self.present: set[str] = set()
        self.ended: set[str] = set()
        self._conditions: dict[tuple[str, Filter], Planned] = {}
        self._unmet: list[tuple[Planned, Filter]] = []
        self._ended: dict[str, set[str]] = {}
        self._names = Names((), context.base)
        self._wheres: dict[int, Filter] = {}
        self._matches: dict[tuple[str, Filter], conditional.Match | FhirError] = {}
        self._references = References(context, self.ended_of, self.made, lambda where: self._names.settled(where))

    @property
    def writes(self) -> list[Write]:
        """Every write, in the order of `planned`."""
        return [write for planned in self.planned for write in planned.writes]

    async def resolve(self, entries: Sequence[Entry]) -> None:
        """Find out which resource each entry is about, what a condition names before the entry that has the condition.

        Args:
            entries: those that write, in the order of processing: deletions come first, and what they end matches
                nothing any more.
        """
        self._names = Names(entries, self.context.base)
        waits_for: dict[int, frozenset[str]] = {}
        for n, entry in enumerate(entries):
            try:
                waits_for[entry.number] = self._named(entry)
            except FhirError as error:
                self.problems.append((error, entry))
            if n % TURN == TURN - 1:
                await asyncio.sleep(0)
        ordered, circle = in_turn([entry for entry in entries if entry.number in waits_for], waits_for)
        for wave in ahead.waves(ordered, waits_for):
            await self._ask(wave)
            for entry in wave:
                try:
                    self._plan(await self._resolved(entry))
                except FhirError as error:
                    self.problems.append((error, entry))
        if not self.problems:
            self.problems += [
                (Malformed(_CIRCLE, f"{entry.where}.request", code="conflict"), entry) for entry in circle
            ]

    async def _ask(self, wave: Sequence[Entry]) -> None:
        """Ask for what these entries name and for what matches their conditions."""
        await self.context.repository.ahead(ahead.named(wave, self.context))
        asking = [entry for entry in wave if entry.number in self._wheres and entry.request.method != "DELETE"]
        if not asking:
            return
        asked = {entry.number: (entry.request.path[0], self._where(entry)) for entry in asking}
        questions = list(dict.fromkeys(asked.values()))
        found = await conditional.each_matching(self.context, questions, self.ended_of, "body")
        self._matches.update(zip(questions, found, strict=True))
        # Where nothing matches, an update makes its resource under the id that it says, if it says one.
        unmet = [
            (entry.request.path[0], id)
            for entry in asking
            if entry.request.method == "PUT"
            and isinstance(match := self._matches[asked[entry.number]], conditional.Match)
            and match.version is None
            and isinstance(id := (entry.request.resource or {}).get("id"), str)
        ]
        await self.context.repository.ahead(unmet)

    def _matching(self, type: str, where: Filter) -> conditional.Match:
        match = self._matches[type, where]
        if isinstance(match, FhirError):
            raise match
        return match

    def _named(self, entry: Entry) -> frozenset[str]:
        """The entries that this one's condition names."""
        where = condition_of(entry, self.context)
        if where is None:
            return frozenset()
        self._wheres[entry.number] = where
        named = self._names.named(where, entry.full_url)
        if named:
            refuse_ended(entry)
        return named

    def _where(self, entry: Entry) -> Filter:
        """The entry's condition, with the entries it names where they are kept."""
        return self._names.settled(self._wheres[entry.number], entry.full_url)

    def read_of(self, entry: Entry) -> Entry:
        """A read, with the entries that its URL names where they are kept."""
        return replace(entry, request=self._names.asked(entry.request))

    def _plan(self, planned: Planned) -> None:
        self.planned.append(planned)
        if planned.id and planned.entry.full_url:
            self._names.places.setdefault(planned.entry.full_url, f"{planned.type}/{planned.id}")
        for version in planned.doomed:
            self.ended.add(f"{version.type}/{version.id}")
            self._ended.setdefault(version.type, set()).add(version.id)
        if planned.method in ("POST", "PUT", "PATCH"):
            self.present.add(f"{planned.type}/{planned.id}")

    def require_distinct(self) -> None:
        """R4 http.html#trules: no two entries may write the same resource."""
        seen: set[str] = set()
        for planned in self.planned:
            own = {f"{v.type}/{v.id}" for v in planned.doomed} or {f"{planned.type}/{planned.id}"}
            if planned.method is None:
                continue
            if own & seen:
                told = Malformed(
                    "Another entry writes the same resource.", f"{planned.entry.where}.request.url", code="invalid"
                )
                self.problems.append((told, planned.entry))
            seen |= own

    async def require_conditions(self) -> None:
        """What was made because nothing matched is the only one that matches when all is written."""
        if not self._unmet:
            return
        made = self.made({planned.type for planned, _ in self._unmet})
        asked = [(planned.type, planned.id, where) for planned, where in self._unmet]
        for n in await conditions.broken(asked, made):
            entry = self._unmet[n][0].entry
            told = MultipleMatches("Another entry's resource matches the condition too.", f"{entry.where}.request")
            self.problems.append((told, entry))

    def made(self, types: AbstractSet[str]) -> conditions.Made:
        """The resources of some types as they stand now, by what they could be found by."""
        registry, base = self.context.repository.registry, self.context.base
        return conditions.Made(
            conditions.written(p.type, p.id, p.tree, registry, base)
            for p in self.planned
            if p.tree is not None and p.type in types
        )

    def ended_of(self, type: str) -> AbstractSet[str]:
        """The ids of what will not be there of `type`."""
        return self._ended.get(type, frozenset())

    async def link(self, by_criteria: bool) -> None:
        """Settle the links between entries, and the references by search criteria where there may be any."""
        places: dict[str, str] = {}
        for planned in self.planned:
            place, url = f"{planned.type}/{planned.id}", planned.entry.full_url
            if planned.id and url and places.setdefault(url, place) != place:
                told = Malformed(
                    "Another entry has the same fullUrl.", f"{planned.entry.where}.fullUrl", code="invalid"
                )
                self.problems.append((told, planned.entry))
        written = [(planned.entry, planned.tree) for planned in self.planned if planned.tree is not None]
        for n, (entry, tree) in enumerate(written if places else ()):
            links.rewrite(tree, places, entry.full_url)
            if n % TURN == TURN - 1:
                await asyncio.sleep(0)
        if by_criteria:
            unsettled = await self._references.settle([tree for _, tree in written])
            self.problems += [(error, written[n][0]) for n, error in unsettled]
            self.guards += self._references.guards

    async def look_ahead(self) -> None:
        """Ask for what all the entries refer to, where that must be there."""
        trees = [planned.tree for planned in self.planned if planned.tree is not None and planned.method is not None]
        await integrity.ahead(self.context, trees, self.present, self.ended)

    async def judge(self, planned: Planned) -> None:
        """Make the writes of an entry, or note what is wrong with it."""
        try:
            if planned.change is not None and planned.before is not None and planned.tree is None:
                planned.tree = await patch.applied(planned.before, planned.change, self.context)
            if planned.tree is not None and planned.method is not None:
                await self._put(planned, planned.tree)
            if planned.doomed:
                among = Among(self.present, self.ended)
                self._take(planned, await self.context.pipeline.ending(self.context, planned.doomed, among))
        except FhirError as error:
            self.problems.append((error, planned.entry))

    async def _put(self, planned: Planned, tree: dict[str, Any]) -> None:
        pipeline = self.context.pipeline
        pipeline.receive(tree, planned.before)
        patched = planned.before if planned.change is not None else None
        planned.issues = await pipeline.judged(self.context, tree, patched)
        assert planned.method is not None
        change = Change(planned.type, planned.id, tree, planned.before, planned.method)
        self._take(planned, await pipeline.prepared(self.context, change, Among(self.present, self.ended)))

    def _take(self, planned: Planned, made: Commit) -> None:
        planned.writes += made.writes
        self.extra += made.extra
        self.guards += made.guards

    async def _resolved(self, entry: Entry) -> Planned:
        path = entry.request.path
        resolve = _RESOLVE.get((entry.request.method, len(path)))
        if resolve is None or any(step.startswith(("_", "$")) for step in path):
            if not path:
                raise Malformed("A Bundle cannot be an entry of a transaction.", f"{entry.where}.request.url")
            raise MethodNotAllowed(f"{entry.request.method} is not for this url.", f"{entry.where}.request.method")
        if not statement.supports(path[0]):
            raise NotFound("There is no such resource type.", f"{entry.where}.request.url", code="not-supported")
        refuse_unread(entry.request, "T/I" if len(path) == 2 else "T", strict=True)
        code, act = resolve
        if (path[0], code) not in statement.offered():
            raise MethodNotAllowed(f"{code} is not offered for {path[0]}.", f"{entry.where}.request.method")
        return await act(self, entry, path[0])

    async def _create(self, entry: Entry, type: str) -> Planned:
        self.context.repository.require(type, "c")
        tree = _resource(entry, type)
        tree.pop("id", None)
        planned = Planned(entry, type, self.context.repository.new_id(type, tree), "POST", tree, status=201)
        if entry.number not in self._wheres:
            return planned
        where = self._where(entry)
        twin = self._conditions.setdefault((type, where), planned)
        if twin is not planned:
            # The first of two entries with the same condition makes or finds what the second then finds.
            return Planned(entry, type, twin.id, twin=twin)
        match = self._matching(type, where)
        self.guards.append(match.guard)
        if match.version is None:
            self._unmet.append((planned, where))
            return planned
        planned.found = await self.context.repository.read(type, match.version.id)
        planned.id, planned.method, planned.tree, planned.status = planned.found.id, None, None, 200
        return planned

    async def _update(self, entry: Entry, type: str) -> Planned:
        self.context.repository.require(type, "u")
        id = entry.request.path[1]
        require_id(id)
        tree = _resource(entry, type)
        update.require_same_id(tree, id)
        before = await update.previous(self.context, type, id)
        return self._updated(entry, type, id, tree, before)

    async def _conditional_update(self, entry: Entry, type: str) -> Planned:
        self.context.repository.require(type, "u")
        tree = _resource(entry, type)
        where = self._where(entry)
        found = self._matching(type, where)
        id, before, guard = await update.target(self.context, type, tree, where, self.ended_of(type), found)
        self.guards.append(guard)
        planned = self._updated(entry, type, id, tree, before)
        if planned.status == 201:
            self._unmet.append((planned, where))
        return planned

    def _updated(self, entry: Entry, type: str, id: str, tree: dict[str, Any], before: Version | None) -> Planned:
        require_match(entry.request, before)
        status = 201 if before is None or before.deleted else 200
        return Planned(entry, type, id, "PUT", tree, before, status=status)

    async def _patch(self, entry: Entry, type: str) -> Planned:
        self.context.repository.require(type, "u")
        return await self._patched(entry, type, entry.request.path[1])

    async def _conditional_patch(self, entry: Entry, type: str) -> Planned:
        self.context.repository.require(type, "u")
        match = self._matching(type, self._where(entry))
        self.guards.append(match.guard)
        if match.version is None:
            raise NotFound(f"No {type} matches the criteria.", f"{entry.where}.request.url")
        return await self._patched(entry, type, match.version.id)

    async def _patched(self, entry: Entry, type: str, id: str) -> Planned:
        change = patch.change_of(entry.request, self.context)
        before = await patch.patchable(self.context, type, id)
        require_match(entry.request, before)
        return Planned(entry, type, id, "PATCH", None, before, change=change)

    async def _delete(self, entry: Entry, type: str) -> Planned:
        before = await delete.doomed(entry.request, self.context, type, entry.request.path[1])
        if before is None or before.deleted:
            return Planned(entry, type, found=before)
        return Planned(entry, type, before.id, "DELETE", doomed=[before])

    async def _conditional_delete(self, entry: Entry, type: str) -> Planned:
        self.context.repository.require(type, "d")
        versions, guards = await delete.matches(entry.request, self.context, type)
        judged_against: list[Version | None] = [*versions] or [None]
        for version in judged_against:
            require_match(entry.request, version)
        self.guards += guards
        return Planned(entry, type, method="DELETE" if versions else None, doomed=versions)


Resolve = Callable[[Plan, Entry, str], Awaitable[Planned]]

#: (method, segments of the path) → (interaction code, how the entry's resource is found).
_RESOLVE: dict[tuple[str, int], tuple[str, Resolve]] = {
    ("POST", 1): ("create", Plan._create),
    ("PUT", 2): ("update", Plan._update),
    ("PUT", 1): ("update", Plan._conditional_update),
    ("PATCH", 2): ("patch", Plan._patch),
    ("PATCH", 1): ("patch", Plan._conditional_patch),
    ("DELETE", 2): ("delete", Plan._delete),
    ("DELETE", 1): ("delete", Plan._conditional_delete),
}


def _resource(entry: Entry, type: str) -> dict[str, Any]:
    if entry.request.resource is None:
        raise Malformed("The entry needs a resource.", f"{entry.where}.resource", code="required")
    require_type(entry.request.resource, type)
    return entry.request.resource
