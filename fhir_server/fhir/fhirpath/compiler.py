"""From tree to closures: each node of a tree becomes a function of the environment and `$this`.

There are two kinds: a `Collection` answers nodes, a `Truth` answers three-valued logic; where a boolean is wanted no
collection is made. Shapes that invariants are full of (`a.exists()`, `a = 'b'`, `a or b`) have closures of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath import (
    functions_collections,
    functions_conversion,
    functions_fhir,
    functions_numbers,
    functions_strings,
    logic,
    operators,
    references,
    shortcuts,
    temporal,
    values,
)
from fhir_server.fhir.fhirpath.environment import MANY, Environment
from fhir_server.fhir.fhirpath.errors import MalformedExpression
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, boolean, made, step
from fhir_server.fhir.fhirpath.quantities import Quantity
from fhir_server.fhir.fhirpath.registry import FUNCTIONS, Collection, Function, Mode, Truth
from fhir_server.fhir.fhirpath.shapes import named
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
from fhir_server.fhir.fhirpath.variables import variable

#: The chapters of the library; importing them fills the table of functions.
CHAPTERS = (functions_collections, functions_conversion, functions_fhir, functions_numbers, functions_strings)
_LOGICAL = frozenset({"and", "or", "xor", "implies", "=", "!=", "~", "!~", "<", ">", "<=", ">=", "in", "contains"})


def collection(tree: Tree) -> Collection:
    """`tree` as a closure that answers nodes.

    Raises:
        MalformedExpression: an unknown function, type or system variable, a wrong number of arguments, no such date.
    """
    return _COMPILERS[type(tree)](tree)


def truth(tree: Tree) -> Truth:
    """`tree` as a closure that answers true, false or None (empty)."""
    shortcut = shortcuts.of(tree)
    if shortcut is not None:
        return shortcut
    if isinstance(tree, Binary) and tree.operator in _LOGICAL:
        return _logical(tree)
    if isinstance(tree, TypeTest) and tree.operator == "is":
        return _is(tree.operand, tree.type, tree.position)
    if isinstance(tree, Call):
        found = _function(tree)
        if tree.name == "not" and _is_logical(tree.input):
            return logic.negated(truth(tree.input))
        if found.logical:
            return _called(tree, found)
    inner = collection(tree)
    as_truth = values.truth
    return lambda env, this: as_truth(inner(env, this))


def type_names(type: str, position: int) -> frozenset[str]:
    """What a type specifier may mean.

    Raises:
        MalformedExpression: no such type.
    """
    found = named(type)
    if found is None and type.startswith("System."):
        return frozenset()
    if found is None:
        raise MalformedExpression(f"unknown type {type}", position)
    return found


def _literal(tree: Literal) -> Collection:
    value: Any = tree.value
    if tree.kind in ("date", "datetime", "time"):
        value = _MOMENTS[tree.kind](str(tree.value))
        if value is None:
            raise MalformedExpression("no such date or time", tree.position)
    constant = EMPTY if value is None else [made(value)]
    return lambda env, this: constant


def _time(text: str) -> temporal.Time | None:
    return temporal.time(text.removeprefix("T"))


_MOMENTS: dict[str, Callable[[str], temporal.Temporal | None]] = {
    "date": temporal.date,
    "datetime": temporal.datetime,
    "time": _time,
}


def _quantity(tree: QuantityLiteral) -> Collection:
    constant = [made(Quantity(tree.value, tree.unit, tree.calendar))]
    return lambda env, this: constant


def _this(tree: This) -> Collection:
    if tree.name == "index":
        return lambda env, this: [made(env.index)]
    if tree.name == "total":
        return lambda env, this: env.total
    return lambda env, this: this


def _variable(tree: Variable) -> Collection:
    return variable(tree.name)


def _path(tree: Path) -> Collection:
    names, start = tree.names, _inside(tree.input)
    if isinstance(tree.input, This) and tree.input.name == "" and names[0][:1].isupper() and named(names[0]):
        start, names = _rooted(names[0]), names[1:]
    if len(names) == 1:
        name = names[0]

        def one(env: Environment, this: list[Node]) -> list[Node]:
            nodes = step(start(env, this), name)
            return nodes if len(nodes) <= MANY else env.found(nodes)

        return one

    def walk(env: Environment, this: list[Node]) -> list[Node]:
        nodes = start(env, this)
        for name in names:
            if not nodes:
                return EMPTY
            nodes = step(nodes, name)
            if len(nodes) > MANY:
                env.found(nodes)
        return nodes

    return walk


def _inside(tree: Tree) -> Collection:
    """What a path starts from: of descendants, those that have children."""
    if not isinstance(tree, Call) or tree.name != "descendants" or tree.arguments:
        return collection(tree)
    inner, within = collection(tree.input), functions_collections.descendants
    return lambda env, this: within(env, inner(env, this), leaves=False)


def _rooted(type: str) -> Collection:
    # A path that begins with a type's name begins at the input, where that is of the type (N1 §path selection).
    ancestor = "FHIR." + type
    return lambda env, this: [node for node in this if ancestor in node.shape.ancestors]


def _index(tree: Index) -> Collection:
    inner, index = collection(tree.input), collection(tree.index)

    def at(env: Environment, this: list[Node]) -> list[Node]:
        nodes, place = inner(env, this), values.scalar(index(env, this), int, "[ ]")
        return nodes[place : place + 1] if place is not None and place >= 0 else EMPTY

    return at


def _unary(tree: Unary) -> Collection:
    inner = collection(tree.operand)
    if tree.operator == "-":
        return lambda env, this: operators.negated(inner(env, this))

    def plus(env: Environment, this: list[Node]) -> list[Node]:
        nodes = inner(env, this)
        values.scalar(nodes, (int, Decimal, Quantity), "+")
        return nodes

    return plus


def _binary(tree: Binary) -> Collection:
    if tree.operator in _LOGICAL:
        return _as_collection(truth(tree))
    parts = [collection(operand) for operand in tree.operands]
    if tree.operator == "|":
        return _union(tree, parts)
    if tree.operator == "&":
        return lambda env, this: operators.concatenated(env, [part(env, this) for part in parts])
    first, rest, operator = parts[0], parts[1:], tree.operator

    def calculate(env: Environment, this: list[Node]) -> list[Node]:
        nodes = first(env, this)
        for part in rest:
            nodes = operators.calculate(env, operator, nodes, part(env, this))
        return nodes

    return calculate


def _union(tree: Binary, parts: list[Collection]) -> Collection:
    def union(env: Environment, this: list[Node]) -> list[Node]:
        nodes: list[Node] = []
        for part in parts:
            nodes = nodes + part(env, this)
        return values.distinct(env.found(nodes))

    if all(isinstance(operand, Literal) for operand in tree.operands):
        constant = union(Environment([], None, None), EMPTY)
        return lambda env, this: constant
    return union


def _type_test(tree: TypeTest) -> Collection:
    if tree.operator == "is":
        return _as_collection(_is(tree.operand, tree.type, tree.position))
    inner, names = collection(tree.operand), type_names(tree.type, tree.position)
    # R4's search parameters use `as` on repeating elements, so the operator filters where the function insists on one.
    return lambda env, this: [node for node in inner(env, this) if functions_fhir.cast(node, names)]


def _call(tree: Call) -> Collection:
    found = _function(tree)
    called = _called(tree, found)
    return _as_collection(called) if found.logical else called


def _as_collection(inner: Truth) -> Collection:
    return lambda env, this: boolean(inner(env, this))


def _function(tree: Call) -> Function:
    found = FUNCTIONS.get(tree.name)
    if found is None:
        raise MalformedExpression(f"unknown function {tree.name}()", tree.position)
    if not found.least <= len(tree.arguments) <= found.most:
        raise MalformedExpression(f"wrong number of arguments for {tree.name}()", tree.position)
    return found


def _called(tree: Call, found: Function) -> Callable[[Environment, list[Node]], Any]:
    if tree.name == "is":
        return _is(tree.input, _type_name(tree.arguments[0]), tree.position)
    call, inner = found.call, collection(tree.input)
    modes = [found.modes[min(i, len(found.modes) - 1)] for i in range(len(tree.arguments))]
    if not modes:
        return lambda env, this: call(env, this, inner(env, this))
    arguments = [_argument(mode, argument) for mode, argument in zip(modes, tree.arguments, strict=True)]
    if "values" not in modes:
        if len(arguments) == 1:
            only = arguments[0]
            return lambda env, this: call(env, this, inner(env, this), only)
        return lambda env, this: call(env, this, inner(env, this), *arguments)
    evaluated = [mode == "values" for mode in modes]

    def with_values(env: Environment, this: list[Node]) -> Any:
        nodes = inner(env, this)
        given = [a(env, this) if now else a for a, now in zip(arguments, evaluated, strict=True)]
        return call(env, this, nodes, *given)

    return with_values


def _argument(mode: Mode, tree: Tree) -> Any:
    if mode == "criterion":
        return truth(tree)
    if mode == "type":
        return type_names(_type_name(tree), tree.position)
    if mode == "key":
        descending = isinstance(tree, Unary) and tree.operator == "-"
        return collection(tree.operand if isinstance(tree, Unary) else tree), descending
    return collection(tree)


def _type_name(tree: Tree) -> str:
    if isinstance(tree, Path) and isinstance(tree.input, This):
        return ".".join(tree.names)
    raise MalformedExpression("a type is wanted here", tree.position)


def _is(operand: Tree, type: str, position: int) -> Truth:
    names = type_names(type, position)
    if isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
        links = collection(operand.input)

        def leads(env: Environment, this: list[Node]) -> bool | None:
            node = values.single(links(env, this), "is")
            return None if node is None else references.leads_to(env, node, names)

        return leads
    inner = collection(operand)

    def test(env: Environment, this: list[Node]) -> bool | None:
        node = values.single(inner(env, this), "is")
        return None if node is None else not names.isdisjoint(node.shape.ancestors)

    return test


def _logical(tree: Binary) -> Truth:
    operator = tree.operator
    if operator in ("and", "or", "xor", "implies"):
        return logic.CONNECTIVES[operator]([truth(operand) for operand in tree.operands])
    if operator in ("=", "!=") and all(map(_is_logical, tree.operands)):
        return logic.same([truth(operand) for operand in tree.operands], operator == "=")
    left, right = (collection(operand) for operand in tree.operands)
    if operator in ("in", "contains"):
        item, among = (left, right) if operator == "in" else (right, left)
        return lambda env, this: operators.contains(env, among(env, this), item(env, this), operator)
    if operator in ("=", "!="):
        return _equality(tree, left, right)
    if operator in ("~", "!~"):
        wanted = operator == "~"
        return lambda env, this: values.equivalent_all(left(env, this), right(env, this), env.spend) is wanted
    return _inequality(left, right, operator)


def _is_logical(tree: Tree) -> bool:
    """Whether `tree` can only answer a boolean or nothing."""
    if isinstance(tree, Call):
        return _function(tree).logical
    if isinstance(tree, TypeTest):
        return tree.operator == "is"
    return isinstance(tree, Binary) and tree.operator in _LOGICAL


def _equality(tree: Binary, left: Collection, right: Collection) -> Truth:
    equal = values.equal_all
    if tree.operator == "=":
        return lambda env, this: equal(left(env, this), right(env, this))

    def unequal(env: Environment, this: list[Node]) -> bool | None:
        same = equal(left(env, this), right(env, this))
        return None if same is None else not same

    return unequal


_ORDERS: dict[str, frozenset[int]] = {
    "<": frozenset({-1}),
    ">": frozenset({1}),
    "<=": frozenset({-1, 0}),
    ">=": frozenset({0, 1}),
}


def _inequality(left: Collection, right: Collection, operator: str) -> Truth:
    wanted = _ORDERS[operator]

    def ordered(env: Environment, this: list[Node]) -> bool | None:
        a, b = values.single(left(env, this), operator), values.single(right(env, this), operator)
        order = None if a is None or b is None else values.compare(a, b)
        return None if order is None else order in wanted

    return ordered


_COMPILERS: dict[type, Callable[[Any], Collection]] = {
    Literal: _literal,
    QuantityLiteral: _quantity,
    This: _this,
    Variable: _variable,
    Path: _path,
    Call: _call,
    Index: _index,
    Unary: _unary,
    Binary: _binary,
    TypeTest: _type_test,
}
