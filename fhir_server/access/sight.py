"""What one caller sees: which versions, and what is left of each where it speaks of others that are hidden."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import structs

from fhir_server.access import binaries
from fhir_server.access.citing import Citing, has
from fhir_server.access.confining import Confining
from fhir_server.access.grant import Grant
from fhir_server.access.judging import Judge
from fhir_server.access.ownership import with_owner
from fhir_server.access.policy import Known, Policy
from fhir_server.access.readings import Key, Readings
from fhir_server.access.rules import Cut, Decision
from fhir_server.access.write_rules import asks_whose
from fhir_server.fhir.json import parse, serialize
from fhir_server.search.indexing.extract import WITNESSES
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.filters import EMPTY, EVERYTHING, NOTHING, And, Filter, Or, both
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Scope, Sort, Version

#: Of what is shown, how deep JSON may be: it was judged when it was written.
_DEEP = 1000
_NONE: set[Key] = set()


class Sight:
    """What one caller sees of one store.

    Attributes:
        judge: whether a resource satisfies a filter.
    """

    __slots__ = (
        "_base",
        "_confining",
        "_grant",
        "_known",
        "_named",
        "_named_in_traces",
        "_policy",
        "_readings",
        "_registry",
        "judge",
    )

    def __init__(
        self, policy: Policy, grant: Grant, known: Known, registry: Registry, base: str, readings: Readings
    ) -> None:
        """The arguments are those of a `Repository`."""
        self._policy = policy
        self._grant = grant
        self._known = known
        self._registry = registry
        self._base = base
        self._readings = readings
        self._named: Mapping[str, Filter] | None = None
        self._named_in_traces: Mapping[str, Filter] | None = None
        self._confining: Confining | None = None
        self.judge = Judge(readings, base)

    def visible(self, scope: Scope, verb: str) -> Mapping[str, Filter]:
        """As `Repository.visible`."""
        if self._grant.own:
            return scope
        rule = self._policy.rule
        rules = ((type, rule(self._grant, type, verb, self._known), where) for type, where in scope.items())
        narrow = partial(self._policy.narrow, self._grant, known=self._known)
        confined = self._confined()
        return {
            type: _absorbed(both(allowed, confined.filter(type, narrow(where)) if confined else narrow(where)))
            for type, allowed, where in rules
            if allowed != NOTHING
        }

    def require_sort(self, scope: Scope, sort: Sequence[Sort]) -> None:
        """As `Confining.require_sort`."""
        if (confined := self._confined()) is not None:
            confined.require_sort([*scope], sort)

    async def sees(self, version: Version, verb: str) -> bool:
        """Whether the caller may `verb` that version."""
        index = unpack(version.packed) if version.type == "Binary" else EMPTY
        return await self._satisfies(version, self._policy.rule_of(self._grant, version.type, verb, index, self._known))

    async def past(self, versions: Sequence[Version | None]) -> list[Version | None]:
        """Those of `versions` that the caller may read as they are and as they are now, else None; same order."""
        with self._readings:
            if not self._grant.own:
                await self._readings.read_many([(one.type, one.id) for one in versions if one and not one.current])
            return [one if one is not None and await self._sees_past(one) else None for one in versions]

    async def _sees_past(self, version: Version) -> bool:
        if version.current or self._grant.own:
            return await self.sees(version, "r")
        now = await self._readings.read(version.type, version.id)
        past = structs.replace(version, packed=version.own)
        return now is not None and await self.sees(now, "r") and await self.sees(past, "r")

    async def decided(self, version: Version, verb: str) -> Decision:
        """What is decided of a version, and which rule says so."""
        index = unpack(version.packed)
        owned = with_owner(index, await self.judge.owner_of(version))
        satisfies = partial(self.judge.satisfies, type=version.type, id=version.id, index=owned, at=version.at)
        return await self._policy.decide(self._grant, version.type, verb, index, satisfies, self._known)

    async def shown(self, versions: Sequence[Version], seen: Collection[Key] = ()) -> Sequence[Version]:
        """Versions without what they say of others that the caller may not see; same order.

        `seen` are others that the caller is known to see.

        It costs nothing where no body names a resource that may be hidden. What is absent is left out as what is
        hidden is: it would tell one from the other.
        """
        citing = self._policy.citing
        if self._grant.own:
            return versions
        versions = await self._cut(versions)
        if not citing.types:
            return versions
        naming = [n for n, one in enumerate(versions) if one.type != "Binary" and self._perhaps(one) != _NONE]
        if not naming or not (told := self._told()):
            return versions
        told = {**told, **self._told_in_traces()}
        cited = {n: self._cited(versions[n], told).difference(seen) for n in naming}
        hidden = await self._hidden({key for keys in cited.values() for key in keys}, told)
        made = list(versions)
        for n, keys in cited.items():
            if gone := keys & hidden:
                tree = parse(made[n].body, _DEEP)
                left = self._citing(made[n].type).without(tree, gone, self._base)
                if made[n].type == "AuditEvent" and left is not tree and not citing.cited(left, self._base):
                    left = _undone(left)
                made[n] = structs.replace(made[n], body=serialize(left))
        return made

    async def unsaid(self, version: Version) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """A version's resource whole, and as it is shown, of which parts that are the same are the same object.

        None where both are the same.
        """
        citing = self._policy.citing
        if self._grant.own or version.type == "Binary":
            return None
        cuts = await self._cuts(version)
        named = bool(citing.types) and citing.perhaps(version.body) != _NONE
        if not cuts and not named:
            return None
        tree = parse(version.body, _DEEP)
        left = await self._without_parts(version, tree, cuts)
        if named and (hidden := await self._hidden(self._cited(version, self._told()), self._told())):
            left = citing.without(left, hidden, self._base)
        return None if left is tree else (tree, left)

    async def _cut(self, versions: Sequence[Version]) -> Sequence[Version]:
        """Versions without the parts that rules show to few; same order."""
        if not self._policy.cutting:
            return versions
        made = list(versions)
        for number, one in enumerate(versions):
            if cuts := await self._cuts(one):
                tree = parse(one.body, _DEEP)
                left = await self._without_parts(one, tree, cuts)
                if left is not tree:
                    made[number] = structs.replace(one, body=serialize(left))
        return made

    async def _cuts(self, version: Version) -> list[Cut]:
        """What of a version's parts may be hidden from the caller, by what its bytes say."""
        if not version.body or version.type == "Binary":
            return []
        found = []
        for rule in self._policy.cutting:
            cut, past = rule.cut, version.type in rule.types and not version.current
            if cut is not None and (past or has(cut.marker, version.body)):
                whole = self._policy.shown_whole(rule, self._grant, version.type, self._known)
                if whole == NOTHING or not await self._satisfies(version, whole):
                    found.append(cut)
        return found

    async def _without_parts(self, version: Version, tree: dict[str, Any], cuts: Sequence[Cut]) -> dict[str, Any]:
        if not cuts:
            return tree
        now: dict[str, Any] | None = tree
        if not version.current:
            found = await self._readings.read(version.type, version.id)
            now = parse(found.body, _DEEP) if found is not None and not found.deleted else None
        for cut in cuts:
            tree = cut.left(tree, now)
        return tree

    def _cited(self, version: Version, told: Mapping[str, Filter]) -> set[Key]:
        """What a version refers to, and may be hidden; some of it perhaps of another server."""
        found = self._perhaps(version)
        if found is None:
            found = self._citing(version.type).cited(parse(version.body, _DEEP), self._base)
        return {key for key in found if key[0] in told or key[0] == "Binary"}

    def _perhaps(self, version: Version) -> Collection[Key] | None:
        return self._citing(version.type).perhaps(version.body)

    async def _hidden(self, keys: set[Key], told: Mapping[str, Filter]) -> set[Key]:
        ordered = sorted(keys)
        found = await self._readings.heads(ordered, "index") if ordered else []
        there = {key: one for key, one in zip(ordered, found, strict=True) if one is not None and not one.deleted}
        hidden = {key for key in ordered if key not in there}
        # Content is hidden as the document that it is of.
        contents = {key: {*binaries.contexts(unpack(one.packed))} for key, one in there.items() if key[0] == "Binary"}
        of = {one for many in contents.values() for one in many if one[0] in told}
        gone = await self._hidden(of, told) if of else set()
        hidden |= {key for key, many in contents.items() if many & gone}
        judged = [one for key, one in there.items() if key not in contents]
        return hidden | {(one.type, one.id) for one in judged if not await self._satisfies(one, told[one.type])}

    async def _satisfies(self, version: Version, allowed: Filter) -> bool:
        if allowed == EVERYTHING:
            return True
        index = unpack(version.packed)
        if asks_whose(allowed):
            index = with_owner(index, await self.judge.owner_of(version))
        return await self.judge.satisfies(allowed, version.type, version.id, index, version.at)

    def _told(self) -> Mapping[str, Filter]:
        if self._named is None:
            self._named = self._policy.named(self._grant, self._known)
        return self._named

    def _told_in_traces(self) -> Mapping[str, Filter]:
        if self._named_in_traces is None:
            self._named_in_traces = self._policy.named_in_traces(self._grant, self._known)
        return self._named_in_traces

    def _citing(self, type: str) -> Citing:
        return self._policy.tracing if type in WITNESSES else self._policy.citing

    def _confined(self) -> Confining | None:
        if not self._policy.citing.types or self._grant.own or not self._told():
            return None
        if self._confining is None:
            self._confining = Confining(self._registry, dict(self._told()), self._told_in_traces())
        return self._confining


#: What an AuditEvent says of what was done; https://hl7.org/fhir/R4/auditevent.html.
_DEED = frozenset({"action", "subtype"})


def _undone(tree: dict[str, Any]) -> dict[str, Any]:
    """A trace of nothing but what is hidden says that the record was used, and not what was done: a document made."""
    return {name: value for name, value in tree.items() if name not in _DEED}


def _absorbed(found: Filter) -> Filter:
    """The same filter without what its other parts say already: A and (A or B) is A.

    Who searches by their patient asks for what a rule of several links gives them anyway.
    """
    if not isinstance(found, And):
        return found
    kept = [
        part for part in found.parts if not (isinstance(part, Or) and any(one in found.parts for one in part.parts))
    ]
    return found if len(kept) == len(found.parts) else both(*kept)
