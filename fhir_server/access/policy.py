"""From a Grant to a Filter: the one policy that searches, reads and writes are all held to.

Its own rules are those of scopes, of whose record it is, of traces and of Binaries; services add theirs
(`access.rules`).
Deny by default: a type no scope speaks of is `NOTHING`. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from fhir_server.access import binaries
from fhir_server.access.citing import Citing
from fhir_server.access.grant import ALL, Grant, Scope
from fhir_server.access.record_owner import readable
from fhir_server.access.rules import Asked, Decision, Facts, Outcome, Rule
from fhir_server.access.write_rules import administers, reach
from fhir_server.changes.cache import ANY, hangs_on
from fhir_server.search.indexing.extract import SEVERAL, WITNESSES
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
    Token,
    both,
    either,
)

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.changes.cache import Cache

#: Types that speak of no patient: a patient's scope that names them reads them all, and writes none.
DIRECTORY = frozenset(
    """CapabilityStatement CodeSystem CompartmentDefinition ConceptMap Endpoint HealthcareService ImplementationGuide
    Location Medication MedicationKnowledge NamingSystem OperationDefinition Organization OrganizationAffiliation
    Practitioner PractitionerRole Questionnaire SearchParameter StructureDefinition Substance ValueSet""".split()
)

#: To read alone.
READ = frozenset("r")
#: What rules with `Facts` know of one caller, by the rule's name.
Known = tuple[tuple[str, Hashable], ...]
#: Whether the resource that is decided on satisfies a filter.
Satisfies = Callable[[Filter], Awaitable[bool]]

#: Rules of the policy's own, as decisions name them → their reasons.
_OWN = {
    "everything": "within a grant for everything",
    "scopes": "within what a scope of the token reaches",
    "no-scope": "of a type for which no scope of the token gives this",
    "out-of-reach": "beyond what the scopes of the token reach",
    "traces": "a trace, which nobody it could name rewrites",
    "context": "reached by its securityContext, or by who wrote it",
    "no-context": "not reached by its securityContext, or by who wrote it",
}


class _Told(tuple[tuple[str, Hashable], ...]):
    """Facts of one caller, hashed once: they are part of the key of each rule of a request."""

    _hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = super().__hash__()
        return self._hash


class _Sight(NamedTuple):
    """What one scope says of a type: who gives what, under which constraint, and what is withheld from all of it."""

    given: tuple[tuple[str, Filter], ...]
    withheld: tuple[tuple[Rule, Filter], ...]
    where: Filter

    @property
    def filter(self) -> Filter:
        """What the scope reaches."""
        found = either([filter for _, filter in self.given])
        return both(found, *(Not(filter) for _, filter in self.withheld), self.where)


class Policy:
    """Who may do what, by the rules of base and of some services.

    Attributes:
        rules: of the services.
        citing: finds references to what may be hidden so that nothing names it.
        tracing: likewise, in traces (`WITNESSES`), which name more.
        cutting: the rules that show parts of resources to few.
    """

    def __init__(self, rules: Sequence[Rule] = (), remembered: int = 4096) -> None:
        """So many answers are remembered, of (grant, facts, type, verb)."""
        self.rules = tuple(rules)
        self._by_type: dict[str, list[Rule]] = {}
        self._keeping: dict[str, list[Rule]] = {}
        for one in self.rules:
            for type in one.types:
                self._by_type.setdefault(type, []).append(one)
            for type in one.kept:
                self._keeping.setdefault(type, []).append(one)
        unnamed = [type for one in self.rules if one.unnamed for type in one.types]
        in_traces = [type for one in self.rules if one.unnamed_in_traces for type in one.types]
        self.citing = Citing(unnamed)
        # A trace names the content of a document by itself.
        self.tracing = Citing([*unnamed, *in_traces, *(["Binary"] if unnamed else [])])
        self.cutting = tuple(one for one in self.rules if one.cut is not None)
        self._of_traces = self.tracing.types - self.citing.types - {"Binary"}
        # Rules that ask for the same facts share them.
        self._asking_for: dict[Facts, list[str]] = {}
        for one in self.rules:
            if one.facts is not None:
                self._asking_for.setdefault(one.facts, []).append(one.name)
        self._remembered = lru_cache(maxsize=remembered)(self._rule)
        self._remembered_parts = lru_cache(maxsize=remembered)(self._partly)

    def rule(self, grant: Grant, type: str, verb: str, known: Known = (), made: bool = False) -> Filter:
        """What of `type` the caller may `verb` (a letter of `cruds`); `NOTHING` when no scope speaks of it.

        Args:
            grant: the caller.
            type: resource type.
            verb: a letter of `cruds`.
            known: as `known` gives it.
            made: of what a write makes, rather than of what is stored.
        """
        return self._remembered(grant, type, verb, known, made or verb == "c")

    def rule_of(
        self, grant: Grant, type: str, verb: str, index: Index, known: Known = (), made: bool = False
    ) -> Filter:
        """As `rule`, for one resource of that index, which may leave less to be asked."""
        if type == "Binary" and not grant.unrestricted:
            return binaries.reached_of(grant, verb, index, self._asking(known))
        return self.rule(grant, type, verb, known, made)

    def chooses_ids(self, grant: Grant, type: str, known: Known = ()) -> bool:
        """Whether the caller may make resources of `type` under ids of their own: nothing of it is hidden from them."""
        if type in self._keeping and not grant.own:
            return all(self._granted(grant, type, verb, known) == EVERYTHING for verb in "rcu")
        return all(self.rule(grant, type, verb, known) == EVERYTHING for verb in "cu")

    def keeper(self, type: str) -> Rule | None:
        """The first rule by which nobody's token writes some of `type`."""
        return next(iter(self._keeping.get(type, ())), None)

    def shown_whole(self, one: Rule, grant: Grant, type: str, known: Known = ()) -> Filter:
        """What of `type` is shown whole to the caller by a rule that cuts."""
        if one.cut is None or grant.own:
            return EVERYTHING
        if administers(grant):
            return self.rule(grant, type, "u", known)
        return one.cut.whole(Asked(grant, "user", type, "r")) if type in one.types else NOTHING

    def named(self, grant: Grant, known: Known = ()) -> Mapping[str, Filter]:
        """Type that is not named where it is hidden → what of it the caller may be told of; none where that is all.

        Who has no scope to read the type is told of what they might read with one: their traces name documents.
        """
        return self._remembered_parts(grant, known, self.citing.types)

    def named_in_traces(self, grant: Grant, known: Known = ()) -> Mapping[str, Filter]:
        """As `named`, of what traces alone do not name; of a Binary what it is judged by is asked."""
        return self._remembered_parts(grant, known, self._of_traces)

    def _partly(self, grant: Grant, known: Known, types: frozenset[str]) -> Mapping[str, Filter]:
        if grant.own:
            return {}
        rules = {type: self._told(grant, type, known) for type in sorted(types)}
        return {type: allowed for type, allowed in rules.items() if allowed != EVERYTHING}

    def _told(self, grant: Grant, type: str, known: Known) -> Filter:
        if any(scope.covers(type, "r") for scope in grant.scopes):
            return self.rule(grant, type, "r", known)
        levels = dict.fromkeys(scope.level for scope in grant.scopes)
        return self.rule(replace(grant, scopes=tuple(Scope(one, type, READ) for one in levels)), type, "r", known)

    def narrow(self, grant: Grant, where: Filter, known: Known = ()) -> Filter:
        """`where` with every link in it judged by the caller's own rule for the type linked to.

        A chain, `_has` or conditional match can then say nothing of what the caller could not find directly.
        """
        match where:
            case Linked() | LinkedFrom():
                allowed = self.rule(grant, where.type, "s", known)
                return replace(where, where=both(allowed, self.narrow(grant, where.where, known)))
            case And():
                return And(tuple(self.narrow(grant, part, known) for part in where.parts))
            case Or():
                return Or(tuple(self.narrow(grant, part, known) for part in where.parts))
            case Not():
                return Not(self.narrow(grant, where.part, known))
            case _:
                return where

    async def known(self, grant: Grant, own: Callable[[], Repository], cache: Cache) -> Known:
        """The facts by which rules judge a caller, each read once until its types change; () where none are asked.

        Args:
            grant: the caller.
            own: gives the server's own sight of the store.
            cache: what this worker remembers.
        """
        if not self._asking_for or grant.own:
            return ()
        found: list[tuple[str, Hashable]] = []
        for facts, names in self._asking_for.items():
            key = facts.of(grant)
            if key is not None:
                told = await cache.get(("facts", facts.read, key), partial(_read, facts, own, key))
                found += [(name, told) for name in names]
        return _Told(found)

    async def decide(
        self, grant: Grant, type: str, verb: str, index: Index, satisfies: Satisfies, known: Known = ()
    ) -> Decision:
        """What is decided of one resource, and which rule says so.

        Args:
            grant: the caller.
            type: of the resource.
            verb: a letter of `cruds`.
            index: of the resource.
            satisfies: whether the resource satisfies a filter.
            known: as `known` gives it.
        """
        if _rewrites_trace(grant, type, verb):
            return _own("denied", "traces")
        if type == "Binary":
            reached = await satisfies(self.rule_of(grant, type, verb, index, known))
            return _own("allowed", "context") if reached else _own("masked", "no-context")
        for one in self._kept(grant, type, verb):
            if await satisfies(one.kept[type]):
                return Decision("denied", one.name, one.reason)
        if grant.unrestricted and (verb in "rs" or administers(grant)):
            hidden = [one for one, withheld in self._withheld(grant, type, verb, known) if await satisfies(withheld)]
            return _masked(hidden[0]) if hidden else _own("allowed", "everything")
        sights = [sight for sight in self._sights(grant, type, verb, known, verb == "c") if sight.filter != NOTHING]
        return await _judged(sights, satisfies) if sights else _own("denied", "no-scope")

    def _rule(self, grant: Grant, type: str, verb: str, known: Known, made: bool) -> Filter:
        if _rewrites_trace(grant, type, verb):
            return NOTHING
        granted = self._granted(grant, type, verb, known, made)
        kept = [Not(one.kept[type]) for one in self._kept(grant, type, verb)]
        return both(granted, *kept) if kept else granted

    def _kept(self, grant: Grant, type: str, verb: str) -> Sequence[Rule]:
        return self._keeping.get(type, ()) if verb in "cud" and not grant.own else ()

    def _granted(self, grant: Grant, type: str, verb: str, known: Known, made: bool = False) -> Filter:
        """What the scopes give."""
        if grant.unrestricted and (verb in "rs" or administers(grant)):
            return both(*[Not(withheld) for _, withheld in self._withheld(grant, type, verb, known, made)])
        if type == "Binary":
            return binaries.reached(grant, verb, self._asking(known))
        return either([sight.filter for sight in self._sights(grant, type, verb, known, made)])

    def _withheld(
        self, grant: Grant, type: str, verb: str, known: Known, made: bool = False
    ) -> list[tuple[Rule, Filter]]:
        """What rules withhold from a grant for everything: of a Binary, what they withhold of what it names."""
        if grant.own:
            return []
        if type != "Binary":
            return self._parts(grant, ALL, type, verb, known, made)[1]
        asked, types = binaries.asked(verb), sorted(self._by_type)
        return [
            (rule, Linked(binaries.SECURITY_CONTEXT, named, withheld))
            for named in types
            for rule, withheld in self._parts(grant, ALL, named, asked, known)[1]
        ]

    def _asking(self, known: Known) -> binaries.Rule:
        return lambda grant, type, verb: self.rule(grant, type, verb, known)

    def _sights(self, grant: Grant, type: str, verb: str, known: Known, made: bool) -> Iterator[_Sight]:
        for scope in grant.scopes:
            if scope.covers(type, verb):
                given, withheld = self._parts(grant, scope, type, verb, known, made)
                yield _Sight(tuple(given), tuple(withheld), scope.where)

    def _parts(
        self, grant: Grant, scope: Scope, type: str, verb: str, known: Known, made: bool = False
    ) -> tuple[list[tuple[str, Filter]], list[tuple[Rule, Filter]]]:
        """What the scope reaches of a type, by which rule each; and what rules withhold of it, unless it is nothing."""
        asked = [(one, self._asked(one, grant, scope, type, verb, known)) for one in self._by_type.get(type, ())]
        concerned = [(one, how) for one, how in asked if how is not None]
        given = [("scopes", _reach(grant, scope, type, verb))]
        given += [(one.name, one.gives(how)) for one, how in concerned if how is not _UNTOLD]
        withheld = [
            (one, EVERYTHING if how is _UNTOLD else one.withholds(how))
            for one, how in concerned
            if one.of_writes or not made
        ]
        return [part for part in given if part[1] != NOTHING], [part for part in withheld if part[1] != NOTHING]

    def _asked(self, one: Rule, grant: Grant, scope: Scope, type: str, verb: str, known: Known) -> Asked | None:
        """What a rule is asked; None where it does not concern the caller."""

        def told(named: str) -> Filter:
            return self._told(grant, named, known)

        if one.facts is None:
            return Asked(grant, scope.level, type, verb, None, told)
        if one.facts.of(grant) is None:
            return None
        facts = next((facts for name, facts in known if name == one.name), None)
        return _UNTOLD if facts is None else Asked(grant, scope.level, type, verb, facts, told)


#: In place of what a rule is asked: its facts were not read. Such a rule withholds everything.
_UNTOLD = Asked(Grant(), "user", "", "")


def _own(outcome: Outcome, name: str) -> Decision:
    return Decision(outcome, name, _OWN[name])


async def _judged(sights: Sequence[_Sight], satisfies: Satisfies) -> Decision:
    hiding: Rule | None = None
    for sight in sights:
        for name, given in sight.given:
            if not await satisfies(both(given, sight.where)):
                continue
            hidden = [one for one, withheld in sight.withheld if await satisfies(withheld)]
            if not hidden:
                return Decision("allowed", name, _OWN["scopes"])
            hiding = hiding or hidden[0]
    return _own("masked", "out-of-reach") if hiding is None else _masked(hiding)


def _masked(rule: Rule) -> Decision:
    return Decision("masked", rule.name, rule.reason)


def _rewrites_trace(grant: Grant, type: str, verb: str) -> bool:
    # A trace is never rewritten by anyone it could name, whatever their scopes: R4 auditevent.html, security note.
    return type == "AuditEvent" and verb in "ud" and grant.traced


def _reach(grant: Grant, scope: Scope, type: str, verb: str) -> Filter:
    """Whose data the scope's level reaches."""
    if verb in "cud":
        return reach(grant, scope.level, type, verb)
    if scope.level == "system":
        return EVERYTHING
    if scope.level == "patient":
        return _of_patients(frozenset({grant.patient}) if grant.patient else frozenset(), type)
    if grant.subject is None:
        return NOTHING
    if grant.subject.startswith(("Practitioner/", "PractitionerRole/")):
        return EVERYTHING
    if grant.subject.startswith("Person/"):
        # Staff see the directory, and what rules of services give them by duty; nobody's health data.
        return EVERYTHING if type in DIRECTORY else NOTHING
    own = {grant.subject.removeprefix("Patient/")} if grant.subject.startswith("Patient/") else set()
    return _of_patients(grant.wards | own, type)


def _of_patients(ids: frozenset[str], type: str) -> Filter:
    if type in DIRECTORY:
        return EVERYTHING if ids else NOTHING
    found = either([readable(id, type) for id in sorted(ids)])
    # What names several patients would tell each of the others.
    return both(found, Not(Token(SEVERAL))) if type in WITNESSES else found


async def _read(facts: Facts, own: Callable[[], Repository], key: Hashable) -> Hashable:
    hangs_on(*[(type, ANY) for type in facts.types])
    return await facts.read(own(), key)
