"""A value in its place: what FHIRPath's collections are made of, and how one steps from a node to its children.

https://hl7.org/fhir/R4/fhirpath.html#types. Lists of nodes are never changed once returned: they may be shared.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from fhir_server.fhir.fhirpath.quantities import Quantity
from fhir_server.fhir.fhirpath.shapes import SYSTEM_SHAPES, Child, Shape, shape
from fhir_server.fhir.fhirpath.temporal import Temporal


class Node:
    """One item of a collection.

    Attributes:
        value: the JSON value, None for a primitive that has only extensions; or a System value (bool, str, int,
            Decimal, `Temporal`, `Quantity`) that an operator or function made.
        shape: what is known of its type.
        extra: the `_name` sibling of a primitive (its id and extensions), or None.
        parent: the node it was reached from, None for a root and for System values.
        name: the element's name as FHIRPath says it.
        index: its place in the JSON array, -1 where there is none.
    """

    __slots__ = ("extra", "index", "name", "parent", "shape", "value")

    def __init__(
        self, value: Any, shape: Shape, extra: Any = None, parent: Node | None = None, name: str = "", index: int = -1
    ) -> None:
        self.value = value
        self.shape = shape
        self.extra = extra
        self.parent = parent
        self.name = name
        self.index = index

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {self.type}, {self.path})"

    @property
    def type(self) -> str:
        """The FHIR type's name (`Quantity`, `BackboneElement`) or the System type's (`System.Integer`)."""
        return self.shape.name

    @property
    def path(self) -> str:
        """Where it stands, with indexes: `Patient.name[0].family`; empty for a System value."""
        if self.parent is None:
            return self.name or ("" if self.shape.system else self.shape.name)
        step = f"{self.parent.path}.{self.name}"
        return step if self.index < 0 else f"{step}[{self.index}]"

    @property
    def system(self) -> Any:
        """The System value an operator sees; None for a primitive without one; the JSON object of a complex type."""
        convert = self.shape.convert
        return self.value if convert is None or self.value is None else convert(self.value)

    @property
    def json(self) -> Any:
        """The value as JSON can carry it: temporals as text, quantities as a FHIR Quantity."""
        value = self.value
        if isinstance(value, Temporal):
            return str(value)
        return value.as_fhir() if isinstance(value, Quantity) else value


def root(tree: dict[str, Any], type: str | None = None) -> Node:
    """A resource, or a data type's JSON object when `type` says which.

    Raises:
        KeyError: the type is not one of R4.
    """
    return Node(tree, shape(type or tree.get("resourceType", "")))


def made(value: Any) -> Node:
    """A System value as a node."""
    return Node(value, SYSTEM_SHAPES[value.__class__])


TRUE = [made(True)]
FALSE = [made(False)]
EMPTY: list[Node] = []


def boolean(value: bool | None) -> list[Node]:
    """Three-valued logic's answer as a collection."""
    return EMPTY if value is None else TRUE if value else FALSE


def step(nodes: list[Node], name: str) -> list[Node]:
    """The children called `name` of every node, in order.

    A primitive's `value` is its System value (https://hl7.org/fhir/R4/fhirpath.html#types).
    """
    found: list[Node] = []
    for node in nodes:
        child = node.shape.children.get(name)
        if child is not None:
            _gather(node, child, found)
        elif name == "value" and node.shape.primitive and node.system is not None:
            found.append(made(node.system))
    return found


def children(node: Node, leaves: bool = True) -> list[Node]:
    """All children, in the order of the JSON object; without `leaves` only those that may have children themselves."""
    found: list[Node] = []
    members = node.extra if node.shape.primitive else node.value
    if members.__class__ is not dict:
        return found
    keys = node.shape.keys
    for key in members:
        if key[:1] == "_":
            key = key[1:]
            if key in members:
                continue
        at = keys.get(key)
        if at is not None and (leaves or not at[1].primitive or "_" + key in members):
            _collect(node, at[0], at[1], members.get(key), members.get("_" + key), found)
    return found


def _gather(node: Node, child: Child, found: list[Node]) -> None:
    members = node.extra if node.shape.primitive else node.value
    if members.__class__ is not dict:
        return
    choice = child.choice
    if choice is None:
        key, sibling = child.key, child.sibling
        if key in members or sibling in members:
            _collect(node, child, child.shape, members.get(key), members.get(sibling), found)
        return
    for key in members:
        shape = choice.get(key)
        if shape is not None:
            _collect(node, child, shape, members[key], members.get("_" + key), found)
        elif key[:1] == "_" and key[1:] not in members and key[1:] in choice:
            _collect(node, child, choice[key[1:]], None, members[key], found)


def _collect(node: Node, child: Child, shape: Shape, value: Any, extra: Any, found: list[Node]) -> None:
    if not shape.primitive:
        extra = None
    if value.__class__ is not list and extra.__class__ is not list:
        if value is not None or extra is not None:
            found.append(Node(value, _actual(shape, value), extra, node, child.name))
        return
    values = value if value.__class__ is list else [value]
    if extra is None:
        found += [
            Node(item, _actual(shape, item), None, node, child.name, index)
            for index, item in enumerate(values)
            if item is not None
        ]
        return
    extras = extra if extra.__class__ is list else [extra]
    for index, (item, more) in enumerate(zip_longest(values, extras)):
        if item is not None or more is not None:
            found.append(Node(item, shape, more, node, child.name, index))


def _actual(expected: Shape, value: Any) -> Shape:
    if not expected.polymorphic or value.__class__ is not dict:
        return expected
    said = value.get("resourceType")
    try:
        return shape(said if isinstance(said, str) and said else expected.path)
    except KeyError:
        return expected
