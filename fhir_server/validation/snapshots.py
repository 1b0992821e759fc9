"""What a profile says in all, from its own differential and those of its bases: a sparse snapshot, as a tree.

https://hl7.org/fhir/R4/profiling.html#snapshot. Only what a profile adds to its type is held: the type's own
facts are in `fhir.definitions`. A published snapshot is used where a base is not loaded, so a guide
is usable without its parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.fhir.outcome import Invalid

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
        name: the element's name: `identifier`, `value[x]`, `valueQuantity`.
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


def snapshot(definition: Definition, find: Find) -> Node:
    """Everything `definition` says, its bases included, as a tree whose root is the type.

    Raises:
        Invalid: its bases form a circle or go too deep, or an element has no usable id or path.
    """
    root = Node(definition["type"])
    for source in reversed(list(_sources(definition, find))):
        for element in source:
            _add(root, element)
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


def elements(definition: Definition, view: str) -> list[dict[str, Any]]:
    """The elements of `differential` or `snapshot`; none when the view is absent or malformed."""
    held = definition.get(view)
    found = held.get("element") if isinstance(held, dict) else None
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def _add(root: Node, element: dict[str, Any]) -> None:
    node = root
    steps = way(element)
    if len(steps) > MAX_DEPTH:
        text = f"The element {element.get('path', '')[:200]} is nested too deep."
        raise Invalid(text, "StructureDefinition.differential", key="profile-depth")
    for name, slice in steps:
        node = node.children.setdefault(name, Node(name))
        if slice:
            node = node.slices.setdefault(slice, Node(name))
    node.facts.update({k: v for k, v in element.items() if k not in ("constraint", "id", "path")})
    for constraint in element.get("constraint", ()):
        if isinstance(constraint, dict) and isinstance(constraint.get("key"), str):
            node.constraints[constraint["key"]] = constraint


def way(element: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The steps from the root to an element: names with the slice chosen at each, empty where none is.

    Raises:
        Invalid: it has neither a path nor an id.
    """
    path = element.get("path")
    if not isinstance(path, str) or not path:
        raise Invalid("An element of a profile has no path.", "StructureDefinition.differential", key="profile-path")
    parts = str(element.get("id") or "").split(".")
    names = path.split(".")
    if len(parts) != len(names):
        # Without an id only the last step can be a slice.
        parts = [*names[:-1], f"{names[-1]}:{element['sliceName']}" if element.get("sliceName") else names[-1]]
    found = [(n, p.partition(":")[2]) for n, p in zip(names[1:], parts[1:], strict=True)]
    if element.get("sliceName") and found and not found[-1][1]:
        found[-1] = (found[-1][0], str(element["sliceName"]))
    return found
