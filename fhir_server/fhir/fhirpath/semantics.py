"""Whether an expression can mean anything for a type: every element it names must be one that could be there.

http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation. What cannot be known without data (what `resolve()`,
`descendants()` or a Bundle's entry leads to) is let pass. What `children()` gives stands in no order
(http://hl7.org/fhirpath/N1/#collections), so its first or last is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.fhir.fhirpath.compiler import type_names
from fhir_server.fhir.fhirpath.errors import MalformedExpression
from fhir_server.fhir.fhirpath.functions_fhir import cast
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.registry import FUNCTIONS
from fhir_server.fhir.fhirpath.shapes import Shape, named, shape, system_shape
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Index,
    Literal,
    Path,
    QuantityLiteral,
    This,
    Tree,
    TypeTest,
    Unary,
    Variable,
)

#: What a tree can be; None where that cannot be told.
Shapes = frozenset[Shape] | None

_BOOLEAN: Shapes = frozenset({system_shape("Boolean")})
#: Functions whose answer is some of their input.
_SAME = frozenset("where first last tail single skip take distinct trace exclude intersect sort checkModifiers".split())
#: Functions that ask for a place in the order, those that give none, and those that leave it as it is.
_ORDERED = frozenset({"first", "last", "tail", "skip", "take"})
_UNORDERED = frozenset({"children", "descendants"})
_KEEPS_ORDER = frozenset({"where", "ofType", "distinct", "trace", "exclude", "intersect"})


def check(tree: Tree, type: str) -> None:
    """See that every element `tree` names exists when it is asked of a `type` (a type's name or an element's path).

    Raises:
        MalformedExpression: an element that no value there could have, a place in what has no order, or a condition of
            `iif()` that is no boolean.
        KeyError: R4 has no such type.
    """
    _of(tree, frozenset({shape(type)}))


def _of(tree: Tree, this: Shapes) -> Shapes:
    return _RULES[type(tree)](tree, this)


def _this(tree: This, this: Shapes) -> Shapes:
    return this if tree.name in ("", "this") else None


def _unknown(tree: Tree, this: Shapes) -> Shapes:
    return None


def _literal(tree: Literal, this: Shapes) -> Shapes:
    kind = {"datetime": "DateTime"}.get(tree.kind, tree.kind.capitalize())
    return None if tree.kind == "empty" else frozenset({system_shape(kind)})


def _path(tree: Path, this: Shapes) -> Shapes:
    at, names = _of(tree.input, this), tree.names
    if isinstance(tree.input, This) and names[0][:1].isupper() and named(names[0]):
        at, names = _rooted(names[0], at, tree.position), names[1:]
    for name in names:
        at = _step(at, name, tree.position)
    return at


def _rooted(type: str, at: Shapes, position: int) -> Shapes:
    if at is None or any(one.polymorphic for one in at):
        return None
    kept = frozenset(one for one in at if one.derives_from(type))
    if not kept:
        raise MalformedExpression(f"{type} is not what this is asked of", position)
    return kept


def _step(at: Shapes, name: str, position: int) -> Shapes:
    if at is None:
        return None
    found: set[Shape] = set()
    for one in at:
        child = one.children.get(name)
        if child is not None:
            found.update(child.choice.values() if child.choice else (child.shape,))
        elif name == "value" and one.primitive:
            found.add(system_shape(one.means.removeprefix("System.")))
        elif one.polymorphic:
            return None
    if not found and at:
        raise MalformedExpression(
            f"there is no element {name} in {', '.join(sorted(one.path for one in at))}", position
        )
    return frozenset(found)


def _call(tree: Call, this: Shapes) -> Shapes:
    at = _of(tree.input, this)
    if tree.name in _ORDERED and _unordered(tree.input):
        raise MalformedExpression(f"{tree.name}() of what has no order", tree.position)
    if tree.name in ("as", "ofType", "is"):
        return _BOOLEAN if tree.name == "is" else _cast(at, _type(tree.arguments[0]), tree.position)
    modes = FUNCTIONS[tree.name].modes
    inside = [
        _of(argument, this if modes[min(index, len(modes) - 1)] == "values" else at)
        for index, argument in enumerate(tree.arguments)
    ]
    if tree.name == "iif" and inside[0] and all(one.system for one in inside[0]) and inside[0] != _BOOLEAN:
        # A FHIR element counts as true where it is (N1 singleton evaluation); a text or number is a slip of the pen.
        raise MalformedExpression("the condition of iif() is no boolean", tree.position)
    if FUNCTIONS[tree.name].logical:
        return _BOOLEAN
    if tree.name in _SAME:
        return at
    answer = _ANSWERS.get(tree.name)
    return None if answer is None else answer(at, inside)


def _unordered(tree: Tree) -> bool:
    while isinstance(tree, Call) and tree.name in _KEEPS_ORDER:
        tree = tree.input
    return isinstance(tree, Call) and tree.name in _UNORDERED


def _type(tree: Tree) -> str:
    return ".".join(tree.names) if isinstance(tree, Path) else ""


_ANSWERS: dict[str, Callable[[Shapes, list[Shapes]], Shapes]] = {
    "select": lambda at, inside: inside[0],
    "union": lambda at, inside: _either([at, inside[0]]),
    "combine": lambda at, inside: _either([at, inside[0]]),
    "iif": lambda at, inside: _either(inside[1:]),
    "extension": lambda at, inside: frozenset({shape("Extension")}),
    "count": lambda at, inside: frozenset({system_shape("Integer")}),
}


def _cast(at: Shapes, type: str, position: int) -> Shapes:
    names = type_names(type, position)
    if at is not None and not any(one.polymorphic for one in at):
        kept = frozenset(one for one in at if cast(Node(None, one), names))
        if kept:
            return kept
    return frozenset(shape(name.removeprefix("FHIR.")) for name in names if name.startswith("FHIR.")) or None


def _either(shapes: list[Shapes]) -> Shapes:
    found: frozenset[Shape] = frozenset()
    for one in shapes:
        if one is None:
            return None
        found |= one
    return found


def _type_test(tree: TypeTest, this: Shapes) -> Shapes:
    at = _of(tree.operand, this)
    return _BOOLEAN if tree.operator == "is" else _cast(at, tree.type, tree.position)


def _index(tree: Index, this: Shapes) -> Shapes:
    if _unordered(tree.input):
        raise MalformedExpression("an index into what has no order", tree.position)
    _of(tree.index, this)
    return _of(tree.input, this)


def _unary(tree: Unary, this: Shapes) -> Shapes:
    return _of(tree.operand, this)


def _binary(tree: Binary, this: Shapes) -> Shapes:
    parts = [_of(operand, this) for operand in tree.operands]
    if tree.operator == "|":
        return _either(parts)
    return None if tree.operator in ("+", "-", "*", "/", "div", "mod", "&") else _BOOLEAN


def _quantity(tree: QuantityLiteral, this: Shapes) -> Shapes:
    return frozenset({system_shape("Quantity")})


_RULES: dict[type, Callable[[Any, Shapes], Shapes]] = {
    Literal: _literal,
    QuantityLiteral: _quantity,
    This: _this,
    Variable: _unknown,
    Path: _path,
    Call: _call,
    Index: _index,
    Unary: _unary,
    Binary: _binary,
    TypeTest: _type_test,
}
