"""Where the path of a search parameter leads: its first element, and the elements it ends on with their types.

https://hl7.org/fhir/R4/fhirpath.html. Only paths are followed, with the functions that search parameters use; of any
other expression nothing is said, and it is evaluated all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from fhir_server.fhir.definitions import Element, children, elements, types


class Leaf(NamedTuple):
    """An element a path ends on: its `path` as its own type defines it (`ContactPoint.use`), and one of its types."""

    path: str
    type: str

    @property
    def owner(self) -> str:
        """What a further path starts from: a data type, or the path of a backbone element."""
        return self.path if self.type in ("BackboneElement", "Element") or self.path == self.type else self.type


class Reached(NamedTuple):
    """What a path reaches.

    Attributes:
        roots: JSON members of the starting object of which one must be there for anything to be found; empty when the
            path is that object itself.
        leaves: the elements found.
    """

    roots: tuple[str, ...]
    leaves: tuple[Leaf, ...]


class NoSuchElement(ValueError):
    """A step of a path that its type does not have."""


@lru_cache(maxsize=8192)
def reached(clause: str, type: str) -> Reached | None:
    """What one alternative of an expression reaches, or None when it is more than a path.

    Args:
        clause: `Patient.name.family`, `(Observation.value as Quantity)`, `value.as(Quantity)`, …
        type: the resource type, or the path of the backbone element, it starts from.

    Raises:
        NoSuchElement: the type has no such element.
    """
    steps = _steps(clause)
    if steps is None:
        return None
    if steps and steps[0][0][:1].isupper():
        steps = steps[1:]
    found: tuple[Leaf, ...] = (Leaf(type, _typed(type)),)
    roots: tuple[str, ...] = ()
    for number, step in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else ("", "")
        taken = _taken(found, step)
        if taken is None:
            return None
        found = taken
        if number == 0:
            narrowed = _taken(found, following) if following[0] in _NARROWING else None
            roots = _roots(narrowed or found, step[0])
    return Reached(roots, found)


def _typed(start: str) -> str:
    """The type whose elements a path starts from: itself, or what the element named (`Library.useContext`) is."""
    root, dot, _ = start.partition(".")
    element = elements(root).get(start) if dot else None
    return element.types[0].code if element and element.types else start


#: Functions that keep only some of what they are given, by type.
_NARROWING = frozenset({"as()", "ofType()"})
#: Functions that keep only some of what they are given, whatever its type.
_KEEPING = frozenset({"where()", "first()", "last()", "distinct()", "[]"})


def _taken(found: tuple[Leaf, ...], step: tuple[str, str]) -> tuple[Leaf, ...] | None:
    name, argument = step
    if name in _KEEPING:
        return found
    if name in _NARROWING:
        return tuple(
            leaf for leaf in found if leaf.type == argument or leaf.type == argument[:1].lower() + argument[1:]
        )
    if name == "extension()":
        return (Leaf("Extension", "Extension"),)
    if name.endswith(")"):
        return None
    taken = [leaf for parent in found for leaf in _below(parent, name)]
    if not taken and not any(_open(parent.type) for parent in found):
        raise NoSuchElement(f"{found[0].path if found else 'it'} has no element {name}")
    return tuple(taken) if taken else None


def _below(parent: Leaf, name: str) -> Iterator[Leaf]:
    owner = parent.owner
    if owner.partition(".")[0] not in types():
        return
    below = children(owner)
    element = below.get(name) or below.get(f"{name}[x]")
    if element is not None:
        yield from _leaves(element)


def _leaves(element: Element) -> Iterator[Leaf]:
    if element.content:
        yield Leaf(element.content, "BackboneElement")
    for type in element.types:
        yield Leaf(element.path, type.code)


def _open(type: str) -> bool:
    """Whether what is below cannot be known here: a resource inside another."""
    return type in ("Resource", "DomainResource")


def _roots(found: tuple[Leaf, ...], name: str) -> tuple[str, ...]:
    if name in _KEEPING or name in _NARROWING:
        return ()
    return tuple(dict.fromkeys(_member(leaf, name.removesuffix("()")) for leaf in found))


def _member(leaf: Leaf, name: str) -> str:
    return name + leaf.type[:1].upper() + leaf.type[1:] if leaf.path.endswith("[x]") else name


_token = re.compile(r"\.?([A-Za-z_]\w*)|(\()|\[(\d+)\]").match


def _steps(clause: str) -> list[tuple[str, str]] | None:
    """The steps of a path as (name, argument): functions as "where()", an index as "[]"; None when it is not a path."""
    cast = re.fullmatch(r"\s*\(\s*([^()]+?)\s+(?:as|is)\s+([\w.]+)\s*\)(.*)", clause, re.DOTALL)
    text = f"{cast[1]}.as({cast[2]}){cast[3]}" if cast else clause.strip()
    steps: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _token(text, at)
        if found is None:
            return None
        at = found.end()
        if found[2]:
            end = _closing(text, at)
            if end is None or not steps or steps[-1][0].endswith(")"):
                return None
            steps[-1] = (steps[-1][0] + "()", text[at:end].strip().removeprefix("FHIR."))
            at = end + 1
        else:
            steps.append((found[1] or "[]", ""))
    return steps


def _closing(text: str, start: int) -> int | None:
    """Where the bracket opened before `start` is closed."""
    depth, quoted = 1, False
    for i in range(start, len(text)):
        if text[i] == "'":
            quoted = not quoted
        elif not quoted and text[i] in "()":
            depth += 1 if text[i] == "(" else -1
            if not depth:
                return i
    return None
