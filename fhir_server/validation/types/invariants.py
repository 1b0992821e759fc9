"""R4's own invariants: those a schema can state are in it, the others are FHIRPath, asked where they can fail.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, Protocol

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath.environment import NO_SERVICES, Services
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.nodes import root as root_node
from fhir_server.fhir.fhirpath.shapes import shape
from fhir_server.fhir.outcome import FhirError, Issue
from fhir_server.validation.rules import ruled
from fhir_server.validation.steps import STRING, Step, is_primitive, steps
from fhir_server.validation.types import remembered
from fhir_server.validation.types.existence import as_schema
from fhir_server.validation.types.plainly import is_plain
from fhir_server.validation.types.textual_rules import STATED
from fhir_server.validation.walking import Place, places, reached

#: Stated by the schema or by `contained.py` and `narrative.py`, and so not asked again.
ELSEWHERE = frozenset(("ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1", "txt-1", "txt-2"))

_GUARD = re.compile(
    r"(\w+)(?:\.(?:where\(\)|select\(\)|\w+))*?(?:\.hasValue\(\)\.not\(\)|\.exists\(\)\.not\(\)|\.empty\(\))"
)
_IMPLIES = re.compile(r"(?:\w+\.)?(\w+)(?:\.exists\(\)| is \w+) implies ")
#: A function of text asked of one child, and nothing else: of a child that is absent it is neither true nor false.
_OF_TEXT = re.compile(r"(\w+)\.(?:contains|matches|startsWith)\([^()]*(?:\([^']*'\)|'[^']*')?\)(?:\.not\(\))?")


#: The language itself keeps no long expression; those of profiles are few, and asked again and again.
_ready = lru_cache(maxsize=1024)(compile)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an invariant is judged within.

    Attributes:
        resource: `%resource`.
        root: `%rootResource`.
        sound: the structure is right, so an answer that is empty is not merely for want of an element already missed.
    """

    resource: Node
    root: Node
    sound: bool
    services: Services = NO_SERVICES

    @property
    def scene(self) -> Scene:
        """Itself: it is known already."""
        return self


class Within(Protocol):
    """What knows the scene."""

    @property
    def scene(self) -> Scene:
        """What an invariant is judged within."""


#: What the answer to may be unknown here; an invariant that asks it, and has no answer, is not broken.
_UNSURE = re.compile(r"\b(?:memberOf|conformsTo|subsumes|subsumedBy|resolve)\(")


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule of an element.

    Attributes:
        key: `per-1`.
        severity: of the issue when it does not hold.
        human: what it asks, in the specification's words.
        expression: FHIRPath, to be true of the element.
        type: the element's type or path, which the expression is read for.
        needs: children without which it holds whatever else is there.
    """

    key: str
    severity: Literal["error", "warning"]
    human: str
    expression: str
    type: str
    needs: tuple[str, ...] = ()

    def broken(self, place: Place, scene: Scene) -> Issue | None:
        """The issue when the invariant does not hold at `place`; None when it does."""
        if self.needs and not self._can_fail(place.value):
            return None
        if self.holds(place.value, place.path, scene):
            return None
        return Issue(self.severity, "invariant", self.human, place.at, self.key)

    def holds(self, value: Mapping[str, Any], path: str, within: Within) -> bool:
        """Whether it is true of an element, by what can be known here.

        Args:
            value: the element; it has the children that the invariant needs.
            path: where its children are defined.
            within: gives the scene when it is needed; most elements are judged without.
        """
        if is_plain(self.expression, value):
            return True
        try:
            truth = remembered.truth(self.expression, path, value, lambda: self._asked(value, path, within.scene))
        except FhirError:
            # The element is not what the expression takes for granted; its own rule has said so.
            return True
        if truth is None:
            return self.severity == "warning" or not within.scene.sound or _UNSURE.search(self.expression) is not None
        return truth

    def _asked(self, value: Any, path: str, scene: Scene) -> bool | None:
        parent = None if value is scene.resource.value else scene.resource
        node = Node(value, shape("string" if path == STRING else path), parent=parent)
        return _ready(self.expression, self.type).truth(node, root=scene.root, services=scene.services)

    def _can_fail(self, value: Mapping[str, Any]) -> bool:
        there = {s.name for k, s in steps(self.type).items() if k in value}
        return there.issuperset(self.needs)


@cache
def structural(path: str) -> tuple[dict[str, Any], ...]:
    """The invariants of `path` that ask only which children are there, as schema fragments."""
    table = steps(path)
    found = []
    for constraint in _constraints(path):
        schema = as_schema(constraint.expression or "", table) if constraint.severity == "error" else None
        if schema is not None:
            found.append(ruled(schema, constraint.key, constraint.human.rstrip("."), code="invariant"))
    return tuple(found)


@cache
def evaluated(path: str) -> tuple[Invariant, ...]:
    """The invariants of `path` that FHIRPath has to judge."""
    table = steps(path)
    return tuple(
        Invariant(
            c.key, c.severity, c.human, c.expression, path, _needs(c.expression, {s.name for s in table.values()})
        )
        for c in _constraints(path)
        if c.expression and (c.severity == "warning" or as_schema(c.expression, table) is None)
    )


def _constraints(path: str) -> tuple[definitions.Constraint, ...]:
    own = definitions.elements(path.partition(".")[0])[path].constraints
    # R4 profiling.html: a type holds to the rules of the type it specializes (Age to those of Quantity).
    base = definitions.types()[path].base if "." not in path else None
    inherited = _constraints(base) if base else ()
    return inherited + tuple(c for c in own if c.key not in ELSEWHERE) + STATED.get(path, ())


def _needs(expression: str, names: set[str]) -> tuple[str, ...]:
    """The children whose absence alone makes the expression true."""
    alone = _IMPLIES.match(expression) or _OF_TEXT.fullmatch(expression)
    if alone:
        return tuple(n for n in alone.groups() if n in names)
    found = [m[1] for term in _alternatives(expression) if (m := _GUARD.fullmatch(_bare(term)))]
    return tuple(n for n in found if n in names)


def _bare(term: str) -> str:
    """`term` with what stands inside its parentheses left out: `a.where(b = 'c').empty()` is `a.where().empty()`."""
    before = ""
    while before != term:
        before, term = term, re.sub(r"\((?:[^()']|'(?:[^'\\]|\\.)*'|\(\))+\)", "()", term)
    return term


def _alternatives(expression: str) -> list[str]:
    """The terms of a chain of `or`; the expression alone when it is not one."""
    terms, depth, start = [], 0, 0
    for match in re.finditer(r"[()]|'(?:[^'\\]|\\.)*'| or | and | xor | implies ", expression):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 and match[0] in (" and ", " xor ", " implies "):
            return [expression]
        if depth == 0 and match[0] == " or ":
            terms.append(expression[start : match.start()].strip())
            start = match.end()
    return [*terms, expression[start:].strip()]


@cache
def triggers(type: str) -> tuple[tuple[frozenset[str], frozenset[str], str], ...]:
    """Where below the root an invariant can fail: for each, two sets of JSON keys, and a path.

    The first keys are those its element needs to have, the second those that lead to such an element: it can fail only
    where one of either is there.
    """
    found = []
    for path, keys in reached(type).items():
        table = steps(path)
        for rule in evaluated(path):
            needed = frozenset(k for k, s in table.items() if s.name in rule.needs[-1:])
            found.append((needed or keys, keys, path))
    for path in (type, *reached(type)):
        for key, step in steps(path).items():
            if _element_rules(step.element):
                found.append((frozenset({key}), frozenset({key}), step.path))
    return tuple(found)


@cache
def _keys(type: str) -> re.Pattern[bytes]:
    """Finds the keys that `triggers` names in the bytes of a resource; what looks like one in a text does no harm."""
    keys = {k for needed, leading, _ in triggers(type) for k in needed | leading}
    return re.compile(b'"(' + b"|".join(k.encode() for k in sorted(keys)) + b')":')


@lru_cache(maxsize=4096)
def _failing(type: str, there: frozenset[bytes]) -> frozenset[str]:
    """The paths at which some invariant can fail, by the keys that are there."""
    keys = {k.decode() for k in there}
    return frozenset(
        p for needed, leading, p in triggers(type) if not (keys.isdisjoint(needed) or keys.isdisjoint(leading))
    )


def _element_rules(element: definitions.Element) -> tuple[definitions.Constraint, ...]:
    """Constraints that stand on an element that is of some type (`Organization.telecom`), not on a backbone element.

    Those of a primitive are in the schema (`compile.py`).
    """
    if definitions.children(element.path) or all(is_primitive(t.code) for t in element.types):
        return ()
    return tuple(c for c in element.constraints if c.key not in ELSEWHERE and c.expression)


def issues(
    tree: dict[str, Any], type: str, at: str, body: bytes, root: dict[str, Any] | None = None, sound: bool = True
) -> list[Issue]:
    """The invariants of `tree` that do not hold, its own and those of every element in it.

    Args:
        tree: a resource.
        type: its type.
        at: its FHIRPath.
        body: the JSON of `tree`, read for the keys in it and nothing else.
        root: what `%rootResource` is, when `tree` is contained.
        sound: its structure is right.
    """
    paths = _failing(type, frozenset(_keys(type).findall(body)))
    if not paths and not evaluated(type):
        return []
    resource = root_node(tree)
    scene = Scene(resource, resource if root is None or root is tree else root_node(root), sound)
    found = places(tree, type, at, paths | {type}) if paths else iter((Place(at, tree, type),))
    return [i for place in found for i in _broken(place, scene)]


def _broken(place: Place, scene: Scene) -> Iterator[Issue]:
    rules = evaluated(place.path)
    if place.step is not None:
        rules += on_element(place.step)
    for rule in rules:
        issue = rule.broken(place, scene)
        if issue:
            yield issue


@cache
def on_element(step: Step) -> tuple[Invariant, ...]:
    """The invariants that stand on a property of some type (`Organization.telecom`), beside those of its type."""
    found = _element_rules(step.element)
    return tuple(Invariant(c.key, c.severity, c.human, c.expression or "", step.path) for c in found)
