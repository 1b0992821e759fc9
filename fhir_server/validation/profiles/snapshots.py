"""What a profile says in all, from its own differential and those of its bases: a sparse snapshot, as a tree.

https://hl7.org/fhir/R4/profiling.html#snapshot. Only what a profile adds to its type is held: the type's own
facts are in `fhir.definitions`. A published snapshot is used where a base is not loaded, so a guide
is usable without its parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Invalid
from fhir_server.validation.steps import STRING, Step, is_primitive, steps

#: A chain of profiles longer than this, an element deeper, or a profile of more elements is refused.
MAX_BASES = 32
MAX_DEPTH = 24
MAX_ELEMENTS = 5_000

Definition = Mapping[str, Any]
#: The StructureDefinition of a canonical, None when it is not loaded or is a type of R4.
Find = Callable[[str], Definition | None]


@dataclass(slots=True)
class Node:
    """An element, or a slice of one, that a profile says something about.

    Attributes:
        name: the element's name: `identifier`, `value[x]`.
        facts: the members of its ElementDefinition, later ones over earlier ones.
        constraints: invariants by key.
        children: by name.
        slices: by slice name, in the order they were defined.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    constraints: dict[str, dict[str, Any]] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    slices: dict[str, Node] = field(default_factory=dict)

    def said(self, start: str) -> tuple[str, Any] | None:
        """The one member whose name starts with `fixed` or `pattern`, with its type's name, or None."""
        return next(((k.removeprefix(start), v) for k, v in self.facts.items() if k.startswith(start)), None)

    @property
    def types(self) -> list[dict[str, Any]]:
        """The types the profile leaves; empty where it says nothing."""
        found: list[dict[str, Any]] = self.facts.get("type", [])
        return found

    def over(self, other: Node) -> Node:
        """What both say of one element, this node's facts before those of `other`; neither is changed."""
        children = {**other.children, **self.children}
        both = self.children.keys() & other.children.keys()
        return Node(
            other.name,
            {**other.facts, **self.facts},
            {**other.constraints, **self.constraints},
            {**children, **{name: self.children[name].over(other.children[name]) for name in both}},
            {**other.slices, **self.slices},
        )


def snapshot(definition: Definition, find: Find) -> Node:
    """Everything `definition` says, its bases included, as a tree whose root is the type.

    Raises:
        Invalid: its bases form a circle or go too deep, or an element has no usable id or path.
    """
    root = Node(definition["type"])
    for source in reversed(list(_sources(definition, find))):
        ways = Ways()
        for element in source:
            _add(root, element, ways.to(element))
    return root


def _sources(definition: Definition, find: Find) -> Iterator[list[dict[str, Any]]]:
    """The element lists to lay over each other, the most derived first."""
    seen: list[str] = []
    current: Definition | None = definition
    while current is not None:
        url = current["url"]
        if url in seen or len(seen) > MAX_BASES:
            text = f"The bases of {definition['url']} form a circle or go too deep."
            raise Invalid(text, "StructureDefinition.baseDefinition", key="profile-cycle")
        seen.append(url)
        base = find(current.get("baseDefinition", ""))
        complete = elements(current, "snapshot")
        own = elements(current, "differential")
        if complete and (base is None or not own):
            # A published snapshot says all that its bases say.
            yield own
            yield complete
            return
        yield own
        current = base


def typed(name: str, slice: Node, keys: Mapping[str, Step]) -> dict[str, Step]:
    """Of the JSON keys of a choice, those of a slice: by the types its profile leaves to it, or by its name."""
    codes = {t.get("code") for t in slice.types}
    if not codes:
        return {k: s for k, s in keys.items() if k.removeprefix("_") == name}
    return {k: s for k, s in keys.items() if s.type and s.type.code in codes}


def at_key(node: Node, key: str, step: Step) -> Node:
    """What is said of an element where it stands under one of its JSON keys, the slice of that type included."""
    for name, slice in node.slices.items() if step.element.name.endswith("[x]") else ():
        if typed(name, slice, {key: step}):
            node = slice.over(node)
    return node


def elements(definition: Definition, view: str) -> list[dict[str, Any]]:
    """The elements of `differential` or `snapshot`; none when the view is absent or malformed."""
    held = definition.get(view)
    found = held.get("element") if isinstance(held, dict) else None
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def _add(root: Node, element: dict[str, Any], steps_to: list[tuple[str, str]]) -> None:
    node = root
    if len(steps_to) > MAX_DEPTH:
        text = f"The element {element.get('path', '')[:200]} is nested too deep."
        raise Invalid(text, "StructureDefinition.differential", key="profile-depth")
    path = root.name if root.name in definitions.types() else ""
    for given, sliced in steps_to:
        name, slice, path = _choice(path, given, sliced)
        node = node.children.setdefault(name, Node(name))
        path = _type_of(node, path)
        if slice:
            node = node.slices.setdefault(slice, Node(name))
            path = _type_of(node, path)
    node.facts.update({k: v for k, v in element.items() if k not in ("constraint", "id", "path")})
    constraints = element.get("constraint")
    for constraint in constraints if isinstance(constraints, list) else ():
        if isinstance(constraint, dict) and isinstance(constraint.get("key"), str):
            node.constraints[constraint["key"]] = constraint


def _choice(path: str, name: str, slice: str) -> tuple[str, str, str]:
    """An element's name, its slice and where its children are defined.

    `valueQuantity` is the slice of that type of `value[x]` (https://hl7.org/fhir/R4/profiling.html#shortcut).
    """
    table = _table(path)
    if name.endswith("[x]"):
        typed = table.get(slice)
        # The name of such a slice may say its type; its children are then those of that type.
        return name, slice, typed.path if typed and typed.element.name == name else ""
    step = table.get(name)
    if step is not None and step.element.name.endswith("[x]"):
        return step.element.name, slice or name, step.path
    return name, slice, step.path if step is not None else ""


def _table(path: str) -> Mapping[str, Step]:
    if not path or path == STRING:
        return {}
    return steps("Element" if path in definitions.types() and is_primitive(path) else path)


def _type_of(node: Node, path: str) -> str:
    """Where the children of an element are defined, once its profile leaves one type to it."""
    codes = {str(t.get("code")) for t in node.types if isinstance(t, dict)}
    open_ended = path in ("", "Resource")
    return next(iter(codes)) if open_ended and len(codes) == 1 and codes <= definitions.types().keys() else path


class Ways:
    """Where the elements of one list stand, in their order: one without an id is in the slice that was named last."""

    def __init__(self) -> None:
        self._slices: dict[str, str] = {}

    def to(self, element: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The steps from the root to an element: names with the slice chosen at each, empty where none is.

        Raises:
            Invalid: it has no path.
        """
        path, slice = element.get("path"), element.get("sliceName")
        if not isinstance(path, str) or not path:
            raise Invalid(
                "An element of a profile has no path.", "StructureDefinition.differential", key="profile-path"
            )
        names = path.split(".")
        paths = [".".join(names[: n + 1]) for n in range(len(names))]
        self._slices = {p: s for p, s in self._slices.items() if p != path and not p.startswith(path + ".")}
        if isinstance(slice, str) and slice:
            self._slices[path] = slice
        parts = str(element.get("id") or "").split(".")
        if len(parts) == len(names):
            chosen = [part.partition(":")[2] for part in parts]
            chosen[-1] = chosen[-1] or self._slices.get(path, "")
        else:
            chosen = [self._slices.get(p, "") for p in paths]
        return list(zip(names[1:], chosen[1:], strict=True))
