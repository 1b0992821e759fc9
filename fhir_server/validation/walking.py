"""Walking a resource along its definitions, for the few rules that look at more than one place.

Only properties that the type defines are entered, and nested resources are not: each is judged by its own type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from fhir_server.validation.steps import STRING, Step, is_primitive, steps


@dataclass(frozen=True, slots=True)
class Place:
    """An object of the tree: where it stands (`Patient.name[0]`), its value, and where its children are defined."""

    at: str
    value: Mapping[str, Any]
    path: str
    step: Step | None = None


def places(
    tree: Mapping[str, Any], path: str, at: str, targets: frozenset[str], step: Step | None = None
) -> Iterator[Place]:
    """The complex elements of `tree` that `targets` names, itself first, in document order.

    Args:
        tree: an object of a resource.
        path: a type's name or backbone element's path.
        at: FHIRPath of `tree`.
        targets: the paths of the elements looked for; only what leads to one of them is entered.
        step: the property `tree` was found at.
    """
    if path in targets:
        yield Place(at, tree, path, step)
    table = leading(path, targets)
    for key, value in tree.items():
        found = table.get(key)
        if found is not None:
            for position, item in items(value, found, f"{at}.{found.name}"):
                yield from places(item, found.path, position, targets, found)


@cache
def reached(path: str) -> Mapping[str, frozenset[str]]:
    """Every path below `path`, with the JSON keys that lead to it. Nested resources are not entered."""
    found: dict[str, set[str]] = {}
    waiting = [path]
    while waiting:
        for key, step in steps(waiting.pop()).items():
            if step.path == "Resource" or not _is_complex(step):
                continue
            if step.path not in found:
                found[step.path] = set()
                waiting.append(step.path)
            found[step.path].add(key)
    return {p: frozenset(keys) for p, keys in found.items()}


@lru_cache(maxsize=4096)
def leading(path: str, targets: frozenset[str]) -> Mapping[str, Step]:
    """The JSON properties at `path` that are, or lead to, elements that `targets` names."""
    return {
        k: s
        for k, s in steps(path).items()
        if s.path != "Resource" and _is_complex(s) and (s.path in targets or not targets.isdisjoint(reached(s.path)))
    }


def items(value: Any, step: Step, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a property's value with their FHIRPaths."""
    if isinstance(value, dict):
        yield at, value
    if isinstance(value, list) and step.repeats:
        for position, item in enumerate(value):
            if isinstance(item, dict):
                yield f"{at}[{position}]", item


def _is_complex(step: Step) -> bool:
    return step.sibling or step.type is None or not (step.type.code == STRING or is_primitive(step.type.code))


def expression(path: str, at: str, instance: list[str | int]) -> str:
    """The FHIRPath of a place named by JSON keys and indexes, e.g. `Patient.birthDate` for `["_birthDate"]`.

    Args:
        path: where the root's children are defined.
        at: FHIRPath of the root.
        instance: keys and indexes from the root.
    """
    table: Mapping[str, Step] | None = steps(path)
    for part in instance:
        if isinstance(part, int):
            at += f"[{part}]"
            continue
        step = table.get(part) if table else None
        at += "." + (step.name if step else part[:64])
        table = steps(step.path) if step and step.path not in ("Resource", STRING) and _is_complex(step) else None
    return at
