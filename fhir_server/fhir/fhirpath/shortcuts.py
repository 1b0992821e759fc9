"""The conditions invariants are full of, without a collection being made: `a.exists()`, `a = 'b'`, `a.contains('b')`.

Each answers exactly what the general closures would; the tests compare the two on every published example.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.fhir.fhirpath import patterns
from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.nodes import Node, children, made, step
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.registry import FUNCTIONS, Truth
from fhir_server.fhir.fhirpath.shapes import named
from fhir_server.fhir.fhirpath.syntax import Binary, Call, Literal, Path, This, Tree, Variable

#: The invariant every element has: it has a value or children besides an id.
_ELE_1 = "hasValue() or (children().count() > id.count())"


def of(tree: Tree) -> Truth | None:
    """A closure for `tree`, None where it has no shape known here."""
    if isinstance(tree, Call):
        return _of_text(tree) if tree.arguments else _existence(tree)
    if isinstance(tree, Binary) and tree.operator == "=" and len(tree.operands) == 2:
        return _text(tree)
    return _says_something if tree == parse(_ELE_1) else None


def _says_something(env: Environment, this: list[Node]) -> bool:
    if not this:
        return False
    node = this[0]
    if node.shape.primitive and node.value is not None:
        return True
    members = node.extra if node.shape.primitive else node.value
    if members.__class__ is dict:
        for key, value in members.items():
            if value is not None and value.__class__ is not list and key != "id" and key in node.shape.keys:
                return True
    return any(child.name != "id" for child in children(node))


def _name(tree: Tree) -> str | None:
    """The one element name that `tree` is, None where it is anything else."""
    if not isinstance(tree, Path) or len(tree.names) != 1 or not isinstance(tree.input, This):
        return None
    name = tree.names[0]
    return name if tree.input.name in ("", "this") and not (name[:1].isupper() and named(name)) else None


def _existence(tree: Call) -> Truth | None:
    name = _name(tree.input)
    if name is None or tree.name not in ("exists", "empty"):
        return None
    found = name
    if tree.name == "exists":
        return lambda env, this: _present(this, found)
    return lambda env, this: not _present(this, found)


def _present(this: list[Node], name: str) -> bool:
    for node in this:
        child = node.shape.children.get(name)
        if child is None:
            if step([node], name):
                return True
            continue
        members = node.value
        if child.choice is None and members.__class__ is dict:
            value = members.get(child.key)
            if value is not None and value.__class__ is not list:
                return True
            if value is None and child.sibling not in members:
                continue
        if step([node], name):
            return True
    return False


def _text(tree: Binary) -> Truth | None:
    path, literal = tree.operands
    if not isinstance(literal, Literal) or literal.kind != "string" or not isinstance(path, Path):
        return None
    wanted, of_resource = literal.value, _name_in_resource(path)
    element = of_resource or _name(path)
    if element is None:
        return None

    def same(env: Environment, this: list[Node]) -> bool | None:
        if of_resource is not None:
            this = [env.resource] if env.resource is not None else []
        text = _plain(this, element)
        if text is not None:
            return text == wanted
        nodes = step(this, element)
        if len(nodes) != 1:
            return False if nodes else None
        node = nodes[0]
        return node.value == wanted and node.shape.convert is None and not node.shape.quantity

    return same


def _of_text(tree: Call) -> Truth | None:
    """`name.startsWith('text')` and its like, on the one plain string that most such elements are."""
    test, name = _TESTS.get(tree.name), _name(tree.input)
    argument = tree.arguments[0]
    wanted = argument.value if isinstance(argument, Literal) and argument.kind == "string" else None
    if test is None or name is None or not isinstance(wanted, str):
        return None
    function = FUNCTIONS[tree.name].call
    given, element = [made(wanted)], name

    def holds(env: Environment, this: list[Node]) -> bool | None:
        text = _plain(this, element)
        if text is not None:
            return test(text, wanted)
        answer: bool | None = function(env, this, step(this, element), given)
        return answer

    return holds


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
    "matches": lambda text, pattern: patterns.found(pattern, text),
}


def _name_in_resource(path: Path) -> str | None:
    """The one element name behind `%resource`."""
    named = isinstance(path.input, Variable) and path.input.name == "resource" and len(path.names) == 1
    return path.names[0] if named else None


def _plain(this: list[Node], name: str) -> str | None:
    """The text of the one element `name` where it is a plain string; None where it is anything else, or not there."""
    if len(this) != 1:
        return None
    child = this[0].shape.children.get(name)
    if child is None or child.choice is not None or child.shape.convert is not None or child.shape.quantity:
        return None
    members = this[0].value
    value = members.get(child.key) if members.__class__ is dict else None
    return value if value.__class__ is str else None
