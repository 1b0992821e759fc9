"""Search parameter expressions as fast closures: where a resource carries what is searched.

https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression. Nearly all are plain paths, with
`as`, `where(resolve() is Patient)` or `where(system = 'phone')`; these walk the JSON itself. What is left goes to the
FHIRPath engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from fhir_server.fhir.fhirpath import compiler, references, semantics
from fhir_server.fhir.fhirpath.environment import NO_SERVICES, Allowance
from fhir_server.fhir.fhirpath.expression import Expression, environment
from fhir_server.fhir.fhirpath.functions_fhir import cast
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.shapes import Child, Shape, named, shape
from fhir_server.fhir.fhirpath.syntax import Binary, Call, Index, Literal, Path, This, Tree, TypeTest, Unary

#: What an expression finds: JSON values, each with its FHIR type; a backbone element's type is its path
#: (`Observation.component`), which `compile_path` takes as `type`.
Pairs = list[tuple[Any, str]]
#: (JSON value of the current element, what is found so far, the resource).
_Emit = Callable[[Any, Pairs, Any], None]
#: (JSON value, the resource) → whether to go on with it.
_Test = Callable[[Any, Any], bool]
_Steps = tuple[Any, ...]

#: System type → the FHIR type whose JSON it is.
_FHIR_OF = {
    "System.Boolean": "boolean",
    "System.String": "string",
    "System.Integer": "integer",
    "System.Decimal": "decimal",
    "System.Date": "date",
    "System.DateTime": "dateTime",
    "System.Time": "time",
    "System.Quantity": "Quantity",
}


class Selection:
    """A compiled expression for one type. Call it with a resource (or element) and, for an element, its resource."""

    __slots__ = ("_emits",)

    def __init__(self, emits: tuple[_Emit, ...]) -> None:
        self._emits = emits

    def __call__(self, tree: dict[str, Any], resource: dict[str, Any] | None = None) -> Pairs:
        """What the expression finds in `tree`, in order, repeats included; a primitive without a value is left out."""
        found: Pairs = []
        for emit in self._emits:
            emit(tree, found, tree if resource is None else resource)
        return found


@lru_cache(maxsize=8192)
def compile_path(expression: str, type: str, strict: bool = False) -> Selection | None:
    """`expression` for values of `type`; None where no part of it is about `type`.

    Args:
        expression: a search parameter's, unions and all.
        type: a resource or data type, or the path of a backbone element.
        strict: refuse names of elements that `type` does not have.

    Raises:
        MalformedExpression: not FHIRPath, or an unknown function, type or (`strict`) element.
        KeyError: R4 has no such type.
    """
    start = shape(type)
    operands = [operand for operand in _operands(parse(expression)) if _concerns(operand, start)]
    for operand in operands if strict else ():
        semantics.check(operand, type)
    emits = [_operand(operand, start) for operand in operands]
    return Selection(tuple(emits)) if emits else None


def _operands(tree: Tree) -> Iterator[Tree]:
    if isinstance(tree, Binary) and tree.operator == "|":
        for operand in tree.operands:
            yield from _operands(operand)
    else:
        yield tree


def _concerns(tree: Tree, start: Shape) -> bool:
    """Whether the path that `tree` begins with begins at `start`: not with the name of another type."""
    while not isinstance(tree, Path | This):
        inner = _inner(tree)
        if inner is None:
            return True
        tree = inner
    return not isinstance(tree, Path) or not _foreign(tree, start)


def _inner(tree: Tree) -> Tree | None:
    if isinstance(tree, Binary):
        return tree.operands[0]
    if isinstance(tree, TypeTest):
        return tree.operand
    return getattr(tree, "input", None)


def _foreign(tree: Path, start: Shape) -> bool:
    if not isinstance(tree.input, This):
        return not _concerns(tree.input, start)
    name = tree.names[0]
    return name[:1].isupper() and named(name) is not None and not start.derives_from(name)


def _operand(tree: Tree, start: Shape) -> _Emit:
    steps = _steps(tree, start)
    emit = _walk(start, steps) if steps is not None else None
    if emit is None:
        return _general(tree, start)
    return _bounded(emit) if steps is not None and any(map(_is_judged, steps)) else emit


#: What the conditions of the path that is being walked may cost, all items together.
_ALLOWANCE: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def _bounded(emit: _Emit) -> _Emit:
    """`emit`, whose conditions share one allowance: a bound for each item would be none for many of them."""

    def bounded(value: Any, found: Pairs, resource: Any) -> None:
        before = _ALLOWANCE.set(Allowance())
        try:
            emit(value, found, resource)
        finally:
            _ALLOWANCE.reset(before)

    return bounded


def _is_judged(step: Any) -> bool:
    """Whether a step is a condition that the FHIRPath engine judges."""
    if isinstance(step, str | frozenset):
        return False
    return _equality(step) is None and not (isinstance(step, TypeTest) and _is_resolve(step.operand))


#: What an expression that is no path may cost on one resource: some hundred milliseconds. Beyond, it finds nothing.
STEPS = 20_000


def _general(tree: Tree, start: Shape) -> _Emit:
    expression = Expression("", tree)

    def emit(value: Any, found: Pairs, resource: Any) -> None:
        root = resource if start.resource is False else None
        for node in expression.values(Node(value, start), root=root, allowance=Allowance(STEPS)):
            if node.value is not None:
                found.append((node.json, _type(node.shape)))

    return emit


def _type(found: Shape) -> str:
    return _FHIR_OF.get(found.name, found.path)


def _steps(tree: Tree, start: Shape) -> _Steps | None:
    """The steps of a path: names (str), types to keep (frozenset), conditions (tree); None for anything else."""
    if isinstance(tree, This):
        return () if tree.name in ("", "this") else None
    if isinstance(tree, Path):
        before = _steps(tree.input, start)
        names: tuple[str, ...] = tree.names
        if isinstance(tree.input, This) and named(names[0]) and start.derives_from(names[0]):
            names = names[1:]
        return None if before is None else (*before, *names)
    found = _filter(tree)
    before = None if found is None else _steps(found[0], start)
    return None if found is None or before is None else (*before, found[1])


def _filter(tree: Tree) -> tuple[Tree, Any] | None:
    if isinstance(tree, TypeTest) and tree.operator == "as":
        return tree.operand, compiler.type_names(tree.type, tree.position)
    if not isinstance(tree, Call) or len(tree.arguments) != 1:
        return None
    argument = tree.arguments[0]
    if tree.name in ("as", "ofType") and isinstance(argument, Path):
        # The function insists on one item and search parameters mean every one.
        return tree.input, compiler.type_names(".".join(argument.names), tree.position)
    if tree.name == "where":
        return tree.input, argument
    if tree.name == "extension" and isinstance(argument, Literal):
        return Path(tree.input, ("extension",)), Binary("=", (Path(This(""), ("url",)), argument))
    return None


def _walk(at: Shape, steps: _Steps) -> _Emit | None:
    if at.polymorphic:
        return _by_type(at, steps)
    if not steps:
        return _found(_type(at))
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        child = at.children.get(step)
        if child is None:
            return None if at.primitive else _nothing
        return _child(child, rest, at)
    if isinstance(step, frozenset):
        return _walk(at, rest) if cast(Node(None, at), step) else _nothing
    return _where(at, step, rest)


def _nothing(value: Any, found: Pairs, resource: Any) -> None:
    """An element or type that cannot be here."""


def _found(type: str) -> _Emit:
    return lambda value, found, resource: found.append((value, type))


def _by_type(at: Shape, steps: _Steps) -> _Emit:
    """A contained or entry resource: which elements it has is known only when it is seen."""
    known: dict[str, _Emit] = {}

    def emit(value: Any, found: Pairs, resource: Any) -> None:
        type = value.get("resourceType") if value.__class__ is dict else None
        if type.__class__ is not str or named(type) is None or not shape(type).resource or shape(type).polymorphic:
            return
        if type not in known:
            known[type] = _walk(shape(type), steps) or _nothing
        known[type](value, found, resource)

    return emit


def _child(child: Child, rest: _Steps, at: Shape) -> _Emit | None:
    if at.primitive:
        return None
    if child.choice is None:
        return _member(child.key, child.shape, rest)
    if rest and isinstance(rest[0], frozenset):
        names = rest[0]
        kept = {key: of for key, of in child.choice.items() if cast(Node(None, of), names)}
    else:
        kept = child.choice
    emits = [(key, _member(key, of, rest)) for key, of in kept.items()]
    if any(emit is None for _, emit in emits):
        return None
    if len(emits) == 1:
        return emits[0][1]
    by_key = {key: emit for key, emit in emits if emit is not None}

    def choose(value: Any, found: Pairs, resource: Any) -> None:
        for key in sorted(by_key.keys() & value.keys()):
            by_key[key](value, found, resource)

    return choose


def _member(key: str, of: Shape, rest: _Steps) -> _Emit | None:
    if not rest and not of.polymorphic:
        return _leaf(key, _type(of))
    if of.primitive:
        # A cast that keeps it is the last step; its id and extensions stand elsewhere, which the engine knows.
        kept = all(isinstance(step, frozenset) and cast(Node(None, of), step) for step in rest)
        return _leaf(key, _type(of)) if kept else _nothing if isinstance(rest[0], frozenset) else None
    go = _walk(of, rest)
    return None if go is None else _into(key, go)


def _into(key: str, go: _Emit) -> _Emit:
    def member(value: Any, found: Pairs, resource: Any) -> None:
        inner = value.get(key)
        if inner.__class__ is list:
            for item in inner:
                if item.__class__ is dict:
                    go(item, found, resource)
        elif inner.__class__ is dict:
            go(inner, found, resource)

    return member


def _leaf(key: str, type: str) -> _Emit:
    def leaf(value: Any, found: Pairs, resource: Any) -> None:
        inner = value.get(key)
        if inner is None:
            return
        if inner.__class__ is list:
            for item in inner:
                if item is not None:
                    found.append((item, type))
        else:
            found.append((inner, type))

    return leaf


def _where(at: Shape, condition: Tree, rest: _Steps) -> _Emit | None:
    follow = _walk(at, rest)
    if follow is None or at.primitive:
        return None
    test, go = _test(at, condition), follow

    def where(value: Any, found: Pairs, resource: Any) -> None:
        if test(value, resource):
            go(value, found, resource)

    return where


def _test(at: Shape, condition: Tree) -> _Test:
    if isinstance(condition, TypeTest) and _is_resolve(condition.operand):
        return _leads_to(compiler.type_names(condition.type, condition.position))
    pair = _equality(condition)
    child = at.children.get(pair[0]) if pair else None
    if pair and child and child.choice is None and child.shape.primitive and child.shape.convert is None:
        key, wanted = pair
        return lambda value, resource: value.get(key) == wanted
    truth, weight = compiler.truth(condition), 1 + _size(condition) // _LIGHT

    def general(value: Any, resource: Any) -> bool:
        this, env = environment(Node(value, at), resource, None, None, NO_SERVICES, _ALLOWANCE.get())
        # What it takes besides is in steps too small to be counted one by one.
        env.spend(weight)
        found = truth(env, this) is True
        env.settle()
        return found

    return general


#: Operators and functions of a condition that are one step together.
_LIGHT = 16


def _size(tree: Tree) -> int:
    """How many operators, functions and names a condition is made of."""
    match tree:
        case Binary():
            return len(tree.operands) + sum(map(_size, tree.operands))
        case Call():
            return 1 + _size(tree.input) + sum(map(_size, tree.arguments))
        case Path():
            return len(tree.names) + _size(tree.input)
        case Index():
            return 1 + _size(tree.input) + _size(tree.index)
        case Unary() | TypeTest():
            return 1 + _size(tree.operand)
        case _:
            return 0


def _is_resolve(tree: Tree) -> bool:
    return isinstance(tree, Call) and tree.name == "resolve" and isinstance(tree.input, This)


def _equality(tree: Tree) -> tuple[str, str] | None:
    if not isinstance(tree, Binary) or tree.operator != "=" or len(tree.operands) != 2:
        return None
    path, literal = tree.operands
    if not isinstance(path, Path) or not isinstance(path.input, This) or len(path.names) != 1:
        return None
    if not isinstance(literal, Literal) or literal.kind != "string":
        return None
    return path.names[0], str(literal.value)


def _leads_to(names: frozenset[str]) -> _Test:
    # Judged by what the reference says (R4 search.html#reference): nothing is fetched to index a resource.
    def leads(value: Any, resource: Any) -> bool:
        type = references.declared_type(value)
        if type is None:
            target = _inside(value, resource)
            type = target.get("resourceType") if target else None
        return (
            type.__class__ is str and named(str(type)) is not None and not names.isdisjoint(shape(str(type)).ancestors)
        )

    return leads


def _inside(value: Any, resource: Any) -> dict[str, Any] | None:
    url = value.get("reference") if value.__class__ is dict else value
    return references.contained(resource, url) if url.__class__ is str and url.startswith("#") else None
