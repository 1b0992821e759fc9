"""A search by what is hidden from its caller finds nothing: filters are confined to what is left of a resource.

What a resource says of others that the caller may not see is left out of what they are shown (`access.citing`); so it
must not be found by it, or be missed by not saying it. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fhir_server.access.binaries import SECURITY_CONTEXT
from fhir_server.fhir.definitions import children
from fhir_server.fhir.outcome import NotSupported
from fhir_server.search.indexing.cites import AMONG, CITES, CITES_ONE
from fhir_server.search.parameters.registry import Registry, clauses
from fhir_server.search.parameters.targets import targets_of
from fhir_server.store.filters import (
    And,
    Filter,
    Id,
    Linked,
    LinkedFrom,
    Missing,
    Not,
    Or,
    Refers,
    Text,
    Together,
    Token,
    both,
    either,
)
from fhir_server.store.protocol import Scope, Sort

_NONE: Mapping[str, Filter] = {}
#: A trace → the parameter of what it is of.
_TRACES = {"AuditEvent": "entity", "Provenance": "target"}


class Confining:
    """Confines the filters of one caller.

    Args:
        registry: the search parameters in force.
        hidden: type that may be hidden → what of it the caller may see, where that is not all.
        in_traces: likewise, of what traces alone do not name.
    """

    def __init__(self, registry: Registry, hidden: dict[str, Filter], in_traces: Mapping[str, Filter] = _NONE) -> None:
        self._registry = registry
        self._hidden = hidden
        of_hidden = [Linked(SECURITY_CONTEXT, type, Not(allowed)) for type, allowed in hidden.items()]
        self._found: Mapping[str, Filter] = {**in_traces, **hidden, "Binary": Not(either(of_hidden))}

    def scope(self, scope: Scope) -> Scope:
        """Each filter, confined to what is left of its type."""
        return {type: self.filter(type, where) for type, where in scope.items()}

    def filter(self, type: str, where: Filter) -> Filter:
        """As `scope`, for one type."""
        told = telling(type, self._registry, frozenset(self._hidden))
        return self._confined(told, where) if told or _has_links(where) else where

    def require_sort(self, types: Sequence[str], sort: Sequence[Sort]) -> None:
        """Refuse an order that tells what is left out.

        Raises:
            NotSupported: a key is such a parameter.
        """
        for one in sort:
            if any(one.param in telling(type, self._registry, frozenset(self._hidden)) for type in types):
                raise NotSupported(f"Results of this caller are not put in the order of {one.param}.")

    def _confined(self, told: Told, where: Filter) -> Filter:
        match where:
            case And() | Or():
                return replace(where, parts=tuple([self._confined(told, part) for part in where.parts]))
            case Not():
                return Not(self._confined(told, where.part))
            case Linked() | LinkedFrom():
                return replace(where, where=self.filter(where.type, where.where))
            case Refers():
                return self._refers(where)
            case Missing():
                return self._missing(told, where) if _param(where) in told else where
            case _:
                return both(where, self._clean(told)) if _tells(where, told) else where

    def _refers(self, where: Refers) -> Filter:
        type, slash, id = where.target.partition("/")
        if slash and type in self._found and where.param[:1] != "_":
            return both(where, Linked(where.param, type, both(Id((id,)), self._found[type])))
        return where

    def _missing(self, told: Told, where: Missing) -> Filter:
        """No reference, or none but to what is hidden; nothing beside one, or that is left out with it."""
        param = _param(where)
        if param not in told.links:
            return either([where, Not(self._clean(told))])
        seen = [Linked(param, type, allowed) for type, allowed in self._hidden.items()]
        return either([where, both(Token(param + AMONG, "alone"), *map(Not, seen))])

    def _clean(self, told: Told) -> Filter:
        """Resources that surely say nothing of what is hidden: of none, or of one that is seen."""
        seen: list[Filter] = [
            Missing(CITES),
            *(Linked(CITES_ONE, type, allowed) for type, allowed in self._hidden.items()),
        ]
        in_traces = {type: allowed for type, allowed in self._found.items() if told.traces and type not in self._hidden}
        return both(either(seen), *(Not(Linked(told.traces, type, Not(one))) for type, one in in_traces.items()))


def _tells(where: Filter, told: Told) -> bool:
    """Whether a filter may find a resource by what is left out of it; words may stand anywhere."""
    if isinstance(where, Together):
        return any(_param(part) in told for part in where.parts)
    return bool(told) if isinstance(where, Text) else _param(where) in told


def _param(where: Filter) -> str:
    """The parameter that a filter speaks of, without modifiers and parts."""
    return str(getattr(where, "param", "")).partition(":")[0].partition("$")[0]


def _has_links(where: Filter) -> bool:
    match where:
        case And() | Or():
            return any(map(_has_links, where.parts))
        case Not():
            return _has_links(where.part)
        case _:
            return isinstance(where, Linked | LinkedFrom)


@dataclass(frozen=True, slots=True)
class Told:
    """The parameters of a type by which what is left out of it would be found.

    Attributes:
        links: those of references to what may be hidden.
        beside: those of elements beside them, that go with them.
        traces: of a trace, that by which it names what other resources may name.
    """

    links: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    traces: str = ""

    def __contains__(self, code: str) -> bool:
        return code in self.links or code in self.beside

    def __bool__(self) -> bool:
        return bool(self.links)


def telling(type: str, registry: Registry, hidden: frozenset[str]) -> Told:
    """What is told of the types `hidden` by the parameters of a type; remembered until the parameters change."""
    kept: dict[tuple[str, frozenset[str]], Told] = registry.compiled.setdefault("telling", {})
    found = kept.get((type, hidden))
    if found is None:
        found = kept[type, hidden] = _telling(type, registry, hidden)
    return found


def _telling(type: str, registry: Registry, hidden: frozenset[str]) -> Told:
    params = registry.indexed(type)
    paths = {code: [_path(one) for one in clauses(param.expression or "", type)] for code, param in params.items()}
    links = {code for code, one in params.items() if one.type == "reference" and hidden & set(targets_of(one, type))}
    around = tuple({_left_out(path) + "." for code in links for path in paths[code]} - {f"{type}."})
    beside = {code for code, found in paths.items() if around and any(path.startswith(around) for path in found)}
    parts = {code: {part.code for part, _ in registry.parts(one)} for code, one in params.items() if one.component}
    if type == "AuditEvent" and links:
        beside |= {"action", "subtype"}  # left out of a trace of what is hidden: `access.sight`
    composed = {code for code, of in parts.items() if of & (links | beside)}
    traces = _TRACES.get(type, "") if links else ""
    return Told(frozenset(links), frozenset(beside | composed) - links, traces)


def _left_out(path: str) -> str:
    """The path of the element that goes where the reference at `path` is left out: the nearest that repeats."""
    while "." in path:
        parent, _, name = path.rpartition(".")
        try:
            element = children(parent).get(name)
        except (KeyError, ValueError):
            return path
        if element is None or element.repeats or "." not in parent:
            return path
        path = parent
    return path


def _path(clause: str) -> str:
    """The path of an expression without what comes after it: `(DocumentReference.relatesTo.target).where(…)`."""
    return clause.strip().lstrip("(").partition(")")[0].partition(".where(")[0].partition(" as ")[0].strip()
