"""What a profile says and cannot: more than its base allows, what it denies itself, slicing by what is not there.

https://hl7.org/fhir/R4/profiling.html (what profiles may do), https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Invalid
from fhir_server.validation.profiles.slices import is_path
from fhir_server.validation.profiles.snapshots import Node, typed
from fhir_server.validation.steps import STRING, Step, is_primitive, steps

_DISCRIMINATORS = frozenset({"value", "exists", "pattern", "type", "profile"})
_RULES = frozenset({"closed", "open", "openAtEnd"})
_SYSTEM = "http://hl7.org/fhirpath/System."


def refuse(root: Node, base: Node | None, type: str) -> None:
    """Refuse a profile's tree that contradicts itself, its type, or the profile it builds on.

    Args:
        root: all that the profile says, with what it builds on.
        base: what the profile that it builds on says; None where that is a type of R4, or not known.
        type: what it constrains.

    Raises:
        Invalid: with the element and the reason.
    """
    _children(root, base or Node(root.name), type, type)


def _children(node: Node, base: Node, path: str, at: str) -> None:
    table = _table(path)
    for name, child in node.children.items():
        found = {k: s for k, s in table.items() if s.element.name == name or k == name}
        step = next(iter(found.values()), None)
        here, under = f"{at}.{name}", base.children.get(name, Node(name))
        _element(child, under, step, here)
        _slicing(child, step, here)
        into = _into(child, found)
        if into is not None:
            _children(child, under, into, here)
        for slice_name, slice in child.slices.items():
            there = f"{here}:{slice_name}"
            _slice(slice, under.slices.get(slice_name, Node(name)), child, there)
            kept = typed(slice_name, slice, found) if name.endswith("[x]") else found
            into = _into(slice if slice.types else child, kept)
            if into is not None:
                _children(slice, under.slices.get(slice_name, Node(name)), into, there)


def _table(path: str) -> Mapping[str, Step]:
    return steps(path) if path and path != STRING else {}


def _into(node: Node, keys: Mapping[str, Step]) -> str | None:
    """Where the children of an element are defined; None where several types leave that open."""
    codes = {t.get("code") for t in node.types}
    found = {s.path for s in keys.values() if not s.sibling and (not codes or s.type is None or s.type.code in codes)}
    path = found.pop() if len(found) == 1 else None
    return None if path in ("Resource", STRING) or (path in definitions.types() and is_primitive(str(path))) else path


def _element(node: Node, base: Node, step: Step | None, at: str) -> None:
    least, most = _bounds(node, at)
    if most is not None and least > most:
        raise _wrong(at, f"it stands at least {least} times and at most {most} times", "profile-cardinality")
    types = [t.code for t in step.element.types] if step else []
    if step is not None:
        _within(node, {"min": step.element.min, "max": step.element.max}, at, "its type")
    _within(node, base.facts, at, "the profile it builds on")
    _types(node, types, at)
    _types(node, [str(t.get("code")) for t in base.types], at)
    _values(node, types, at)


def _slice(node: Node, base: Node, sliced: Node, at: str) -> None:
    least, most = _bounds(node, at)
    whole = _most(sliced.facts.get("max", "*"))
    # R4's own profiles ask for extensions inside what they close.
    if (most is not None and least > most) or (whole and least > whole):
        raise _wrong(at, "it stands more often than it may", "profile-cardinality")
    _within(node, base.facts, at, "the profile it builds on")
    _values(node, [], at)


def _bounds(node: Node, at: str) -> tuple[int, int | None]:
    least, most = node.facts.get("min", 0), node.facts.get("max", "*")
    if not isinstance(least, int) or isinstance(least, bool) or least < 0:
        raise _wrong(at, "min is a number, 0 or more", "profile-element")
    return least, _most(most)


def _most(most: Any) -> int | None:
    return int(most) if isinstance(most, str) and most.isascii() and most.isdigit() else None


def _within(node: Node, base: Mapping[str, Any], at: str, whose: str) -> None:
    """Only what a profile says itself can be more or less: what it leaves out of its differential is its base's."""
    least, low = node.facts.get("min"), base.get("min")
    most, high = node.facts.get("max"), _most(base.get("max"))
    if least is not None and isinstance(low, int) and least < low:
        raise _wrong(at, f"{whose} asks for at least {low}, and it for {least}", "profile-cardinality")
    if high is not None and least is not None and least > high:
        raise _wrong(at, f"{whose} allows at most {high}, and it asks for {least}", "profile-cardinality")
    if high is not None and most is not None and (most == "*" or (_most(most) or 0) > high):
        raise _wrong(at, f"{whose} allows at most {high}, and it {most[:20]}", "profile-cardinality")


def _types(node: Node, allowed: Iterable[str], at: str) -> None:
    codes = [str(t.get("code")) for t in node.types]
    known = set(allowed) - {"*"}
    if not known or any(code.startswith(_SYSTEM) or code == STRING for code in (*known, *codes)):
        return
    for code in codes:
        if known.isdisjoint(definitions.lineage(code)):
            raise _wrong(at, f"it cannot be of the type {code[:100]}", "profile-types")


def _values(node: Node, types: Iterable[str], at: str) -> None:
    """A fixed value or pattern that is an object is never met by a primitive, nor the other way round."""
    codes = [str(t.get("code")) for t in node.types] or list(types)
    known = [code for code in codes if code in definitions.types()]
    for start in ("fixed", "pattern"):
        said = node.said(start)
        if said and known and all(is_primitive(code) == isinstance(said[1], dict) for code in known):
            raise _wrong(at, f"{start}{said[0][:40]} is of another type", "profile-value")


def _slicing(node: Node, step: Step | None, at: str) -> None:
    slicing = node.facts.get("slicing")
    if slicing is not None and not isinstance(slicing, dict):
        raise _wrong(at, "slicing is an object", "profile-slicing")
    discriminators = (slicing or {}).get("discriminator", [])
    if not isinstance(discriminators, list) or not all(isinstance(d, dict) for d in discriminators):
        raise _wrong(at, "discriminator is an array of objects", "profile-slicing")
    if slicing and slicing.get("rules", "open") not in _RULES:
        raise _wrong(at, "the rules of a slicing are closed, open or openAtEnd", "profile-slicing")
    for one in discriminators:
        path = one.get("path")
        if one.get("type") not in _DISCRIMINATORS or not isinstance(path, str) or not is_path(path):
            raise _wrong(
                at, "a discriminator has a type of R4 and a path of its restricted FHIRPath", "profile-slicing"
            )
        if step is not None:
            _reaches(path, node, step, at)


def _reaches(path: str, node: Node, step: Step, at: str) -> None:
    """The first step of a discriminator is an element that the sliced one has."""
    first = path.partition(".")[0]
    if first.startswith(("$this", "resolve(", "extension(", "ofType(")) or step.element.name.endswith("[x]"):
        return
    if step.path in ("Resource", STRING) or (step.type and is_primitive(step.type.code)):
        return
    if all(s.name != first for s in _table(step.path).values()):
        raise _wrong(at, f"a discriminator looks at {first[:60]}, which is no element there", "profile-slicing")


def _wrong(at: str, why: str, key: str) -> Invalid:
    return Invalid(f"{at[:200]}: {why}.", "StructureDefinition.differential", key=key)
