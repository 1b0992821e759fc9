"""Existence, filtering and projection, subsetting, combining.

http://hl7.org/fhirpath/N1/#functions, chapters 5.1 to 5.4 and 7.
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from fhir_server.fhir.fhirpath import values
from fhir_server.fhir.fhirpath.environment import MANY, Environment
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, children, made
from fhir_server.fhir.fhirpath.registry import Collection, Truth, function

Nodes = list[Node]


@function("empty", logical=True)
def _empty(env: Environment, this: Nodes, nodes: Nodes) -> bool:
    return not nodes


@function("exists", "criterion", optional=1, logical=True)
def _exists(env: Environment, this: Nodes, nodes: Nodes, criterion: Truth | None = None) -> bool:
    if criterion is None:
        return bool(nodes)
    return any(answer is True for answer in _answers(env, nodes, criterion))


@function("all", "criterion", logical=True)
def _all(env: Environment, this: Nodes, nodes: Nodes, criterion: Truth) -> bool:
    return all(answer is True for answer in _answers(env, nodes, criterion))


@function("not", logical=True)
def _not(env: Environment, this: Nodes, nodes: Nodes) -> bool | None:
    value = values.truth(nodes)
    return None if value is None else not value


@function("allTrue", logical=True)
def _all_true(env: Environment, this: Nodes, nodes: Nodes) -> bool:
    return all(_booleans(nodes))


@function("anyTrue", logical=True)
def _any_true(env: Environment, this: Nodes, nodes: Nodes) -> bool:
    return any(_booleans(nodes))


@function("allFalse", logical=True)
def _all_false(env: Environment, this: Nodes, nodes: Nodes) -> bool:
    return not any(_booleans(nodes))


@function("anyFalse", logical=True)
def _any_false(env: Environment, this: Nodes, nodes: Nodes) -> bool:
    return not all(_booleans(nodes))


@function("subsetOf", "values", logical=True)
def _subset(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> bool:
    return set(map(values.key, env.found(nodes))) <= set(map(values.key, env.found(other)))


@function("supersetOf", "values", logical=True)
def _superset(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> bool:
    return set(map(values.key, env.found(nodes))) >= set(map(values.key, env.found(other)))


@function("isDistinct", logical=True)
def _is_distinct(env: Environment, this: Nodes, nodes: Nodes) -> bool:
    return len(set(map(values.key, env.found(nodes)))) == len(nodes)


@function("count")
def _count(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return [made(len(nodes))]


@function("distinct")
def _distinct(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return values.distinct(env.found(nodes))


@function("where", "criterion")
def _where(env: Environment, this: Nodes, nodes: Nodes, criterion: Truth) -> Nodes:
    outer, found = env.index, []
    many = len(nodes) > MANY
    if not many:
        env.spend(len(nodes))
    for env.index, node in enumerate(nodes):
        if many:
            env.spend(1)
        if criterion(env, [node]) is True:
            found.append(node)
    env.index = outer
    return found


@function("select", "each")
def _select(env: Environment, this: Nodes, nodes: Nodes, projection: Collection) -> Nodes:
    outer, found = env.index, []
    many = len(nodes) > MANY
    if not many:
        env.spend(len(nodes))
    for env.index, node in enumerate(nodes):
        if many:
            env.spend(1)
        found += projection(env, [node])
    env.index = outer
    return env.found(found)


@function("repeat", "each")
def _repeat(env: Environment, this: Nodes, nodes: Nodes, projection: Collection) -> Nodes:
    found: Nodes = []
    seen = set()
    level = nodes
    while level:
        reached: Nodes = []
        for node in _select(env, this, level, projection):
            mark = values.key(node)
            if mark not in seen:
                seen.add(mark)
                reached.append(node)
        found += reached
        level = reached
    return found


@function("aggregate", "each", "values", optional=1)
def _aggregate(env: Environment, this: Nodes, nodes: Nodes, projection: Collection, start: Nodes = EMPTY) -> Nodes:
    outer = env.index, env.total
    env.total = start
    for env.index, node in enumerate(nodes):
        env.spend(1)
        env.total = env.found(projection(env, [node]))
    answer = env.total
    env.index, env.total = outer
    return answer


@function("first")
def _first(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return nodes[:1]


@function("last")
def _last(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return nodes[-1:]


@function("tail")
def _tail(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return nodes[1:]


@function("single")
def _single(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    values.single(nodes, "single()")
    return nodes


@function("skip", "values")
def _skip(env: Environment, this: Nodes, nodes: Nodes, number: Nodes) -> Nodes:
    count = values.scalar(number, int, "skip()")
    return nodes if count is None else nodes[max(0, count) :]


@function("take", "values")
def _take(env: Environment, this: Nodes, nodes: Nodes, number: Nodes) -> Nodes:
    count = values.scalar(number, int, "take()")
    return EMPTY if count is None else nodes[: max(0, count)]


@function("intersect", "values")
def _intersect(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> Nodes:
    wanted = set(map(values.key, env.found(other)))
    return values.distinct([node for node in nodes if values.key(node) in wanted])


@function("exclude", "values")
def _exclude(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> Nodes:
    unwanted = set(map(values.key, env.found(other)))
    return [node for node in nodes if values.key(node) not in unwanted]


@function("union", "values")
def _union(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> Nodes:
    return values.distinct(env.found(nodes + other))


@function("combine", "values")
def _combine(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> Nodes:
    return env.found(nodes + other)


@function("iif", "criterion", "each", "each", optional=1)
def _iif(
    env: Environment, this: Nodes, nodes: Nodes, test: Truth, then: Collection, otherwise: Collection | None = None
) -> Nodes:
    values.single(nodes, "iif()")
    if test(env, nodes) is True:
        return then(env, nodes)
    return EMPTY if otherwise is None else otherwise(env, nodes)


@function("children")
def _children(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return env.found([child for node in nodes for child in children(node)])


@function("descendants")
def _descendants(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return descendants(env, nodes)


def descendants(env: Environment, nodes: Nodes, leaves: bool = True) -> Nodes:
    """Children of children; without `leaves` only those in which a path may go on, which is a fraction of them."""
    found: Nodes = []
    level = nodes
    while level:
        level = env.found([child for node in level for child in children(node, leaves)])
        found += level
    return env.found(found)


@function("sort", "key", optional=1, most=10)
def _sort(env: Environment, this: Nodes, nodes: Nodes, *keys: tuple[Collection, bool]) -> Nodes:
    """Ordered by the keys in turn, items without one first; `-key` is descending (FHIRPath 3.0)."""
    env.spend(len(nodes))
    found = list(nodes)
    for criterion, descending in reversed(keys or ((lambda _, this: this, False),)):
        marked: list[tuple[Node | None, Node]] = [(values.single(criterion(env, [n]), "sort()"), n) for n in found]
        there = [(key, node) for key, node in marked if key is not None]
        there.sort(key=lambda pair: _order(pair[0]), reverse=descending)
        found = [node for key, node in marked if key is None] + [node for _, node in there]
    return found


def _by(left: Node, right: Node) -> int:
    return values.compare(left, right) or 0


_order = cmp_to_key(_by)


def _answers(env: Environment, nodes: Nodes, criterion: Truth) -> Any:
    outer = env.index
    many = len(nodes) > MANY
    if not many:
        env.spend(len(nodes))
    try:
        for env.index, node in enumerate(nodes):
            if many:
                env.spend(1)
            yield criterion(env, [node])
    finally:
        env.index = outer


def _booleans(nodes: Nodes) -> list[bool]:
    found = [node.value for node in nodes]
    if any(value.__class__ is not bool for value in found):
        raise EvaluationError("Only booleans can be asked whether they are true or false.")
    return found
