"""Which items of a list are in a slice: a slice's discriminators as a JSON Schema that its items satisfy.

https://hl7.org/fhir/R4/profiling.html#discriminator. The schemas made here are conditions, and carry no rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from fhir_server.fhir import definitions
from fhir_server.validation import bindings, references
from fhir_server.validation.snapshots import Node
from fhir_server.validation.steps import Step, steps

Schema = dict[str, Any]
_STEP = re.compile(r"extension\('([^']*)'\)|(?:\$this)|resolve\(\)|ofType\((\w+)\)|(\w+)")
#: How extensions are told apart when a profile does not say (https://hl7.org/fhir/R4/profiling.html#slicing).
BY_URL = [{"type": "value", "path": "url"}]


class Known(Protocol):
    """What a discriminator may have to ask about other profiles."""

    def profile_node(self, canonical: str) -> Node | None:
        """What a profile says, as a tree; None when it is not known."""

    def profile_schema(self, canonical: str) -> Schema | None:
        """A schema for "conforms to this profile"; None when it is not known."""

    def profile_type(self, canonical: str) -> str | None:
        """The type that a profile constrains; the type itself for one of R4's own."""


def condition(slice: Node, path: str, slicing: Mapping[str, Any], known: Known) -> Schema | None:
    """What every item of `slice` satisfies and no other item does; None when that cannot be told from the item alone.

    Args:
        slice: the slice, as its profile says it.
        path: where the children of its items are defined.
        slicing: `ElementDefinition.slicing` of the sliced element.
        known: the other profiles.
    """
    discriminators = slicing.get("discriminator") or (BY_URL if path == "Extension" else [])
    found = [
        _judged(slice, path, str(d.get("path", "$this")), str(d.get("type", "value")), known) for d in discriminators
    ]
    parts = [p for p in found if p is not None]
    if not parts or len(parts) != len(found):
        return None
    return parts[0] if len(parts) == 1 else {"allOf": parts}


def _judged(node: Node, path: str, at: str, kind: str, known: Known) -> Schema | None:
    tokens = [m[0] for m in _STEP.finditer(at) if m[0] != "$this"]
    return _along(node, path, tokens, kind, known)


def _along(node: Node, path: str, tokens: list[str], kind: str, known: Known) -> Schema | None:
    if not tokens or tokens == ["resolve()"]:
        return _leaf(node, path, kind, known)
    first, *rest = tokens
    if first == "resolve()":
        return None  # what the target says is not in the item
    if first.startswith("ofType"):
        return _along(node, path, rest, kind, known)
    if first.startswith("extension("):
        return _extension(node, first[11:-2], rest, kind, known)
    return _into(node, path, first, rest, kind, known)


def _into(node: Node, path: str, first: str, rest: list[str], kind: str, known: Known) -> Schema | None:
    child = _child(node, first, known)
    if path == "Extension" and first == "url" and kind == "value" and (child is None or not child.said("fixed")):
        return _by_canonical(node)
    keys = {k: s for k, s in _table(path).items() if s.name == first and not s.sibling}
    if child is not None and child.name in keys:
        keys = {child.name: keys[child.name]}
    if child is None or not keys:
        return None
    if kind == "exists" and not rest:
        return _exists(child, list(keys))
    return _any([p for k, s in keys.items() if (p := _property(child, k, s, rest, kind, known)) is not None])


def _property(child: Node, key: str, step: Step, rest: list[str], kind: str, known: Known) -> Schema | None:
    if kind == "type" and not rest and len(child.types) and step.type and step.element.name.endswith("[x]"):
        return {"required": [key]} if step.type.code in {t.get("code") for t in child.types} else None
    inner = _along(child, _resource_type(child) if step.path == "Resource" else step.path, rest, kind, known)
    if inner is None:
        return None
    return {"required": [key], "properties": {key: {"contains": inner} if step.repeats else inner}}


def _resource_type(node: Node) -> str:
    """The one type of resource an element may hold; `Resource` where it may hold several."""
    codes = {str(t.get("code")) for t in node.types}
    return next(iter(codes)) if len(codes) == 1 and codes <= definitions.resource_types() else "Resource"


def _table(path: str) -> Mapping[str, Step]:
    return {} if path == "Resource" else steps(path)


def _any(parts: list[Schema]) -> Schema | None:
    return None if not parts else parts[0] if len(parts) == 1 else {"anyOf": parts}


def _child(node: Node, name: str, known: Known) -> Node | None:
    """What is said of a child, by the node itself or by the one profile of its type."""
    found = node.children.get(name) or node.children.get(name + "[x]")
    if found is None:
        # The short way to say one type of a choice: `valueCode`.
        found = next((c for n, c in node.children.items() if n.startswith(name) and n[len(name)].isupper()), None)
    if found is not None:
        return found
    for canonical in (p for t in node.types for p in t.get("profile", ())):
        other = known.profile_node(canonical)
        if other is not None:
            return _child(other, name, known)
    return None


def _by_canonical(node: Node) -> Schema | None:
    urls = [p.partition("|")[0] for t in node.types for p in t.get("profile", ())]
    return {"required": ["url"], "properties": {"url": {"enum": urls}}} if urls else None


def _extension(node: Node, url: str, rest: list[str], kind: str, known: Known) -> Schema | None:
    extensions = node.children.get("extension")
    slices = extensions.slices.values() if extensions else ()
    there: Schema = {"required": ["url"], "properties": {"url": {"const": url}}}
    for slice in slices:
        if _by_canonical(slice) == {"required": ["url"], "properties": {"url": {"enum": [url]}}}:
            inner = _along(slice, "Extension", rest, kind, known) if rest else {}
            if kind == "exists" and not rest:
                found: Schema = {"required": ["extension"], "properties": {"extension": {"contains": there}}}
                return {"not": found} if slice.facts.get("max") == "0" else found
            if inner is not None:
                holds = {"contains": {"allOf": [there, inner]}}
                return {"required": ["extension"], "properties": {"extension": holds}}
    return None


def _exists(child: Node, keys: list[str]) -> Schema | None:
    there: Schema = {"anyOf": [{"required": [k]} for k in keys]}
    if child.facts.get("max") == "0":
        return {"not": there}
    return there if child.facts.get("min", 0) > 0 else None


def _leaf(node: Node, path: str, kind: str, known: Known) -> Schema | None:
    match kind:
        case "type":
            return _of_type(node, path, known)
        case "profile":
            return _of_profile(node, path, known)
        case _:
            return said(node, path, known)


def _of_type(node: Node, path: str, known: Known) -> Schema | None:
    if path == "Reference":
        canonicals = [c for t in node.types for c in t.get("targetProfile", ())]
        types = [t for c in canonicals if (t := known.profile_type(c))]
        return references.points_to(types) if types else None
    codes = [t.get("code") for t in node.types]
    if path == "Resource" or set(codes) <= definitions.resource_types():
        return {"required": ["resourceType"], "properties": {"resourceType": {"enum": codes}}} if codes else None
    return None


def _of_profile(node: Node, path: str, known: Known) -> Schema | None:
    if path == "Reference":
        return _of_type(node, path, known)
    canonicals = [c for t in node.types for c in t.get("profile", ())]
    found = [s for c in canonicals if (s := known.profile_schema(c)) is not None]
    if len(found) == len(canonicals):
        return _any(found) or _of_type(node, path, known)
    return None


def said(node: Node, path: str, known: Known, depth: int = 8) -> Schema | None:
    """What `node` and all below it fix: values, patterns and required codes; None when it fixes nothing."""
    parts: list[Schema] = []
    fixed, pattern = node.said("fixed"), node.said("pattern")
    if fixed:
        parts.append({"const": fixed[1]})
    if pattern:
        parts.append(like(pattern[1]))
    codes = _codes(node, path)
    if codes and not fixed and not pattern:
        parts.append(codes)
    for name, child in node.children.items() if depth else ():
        for key, step in _table(path).items():
            if step.sibling or step.name != name.removesuffix("[x]"):
                continue
            inner = said(child, step.path, known, depth - 1)
            if inner is not None:
                parts.append({"required": [key], "properties": {key: {"contains": inner} if step.repeats else inner}})
    return None if not parts else parts[0] if len(parts) == 1 else {"allOf": parts}


def _codes(node: Node, path: str) -> Schema | None:
    binding = node.facts.get("binding")
    if not isinstance(binding, dict) or binding.get("strength") != "required" or not binding.get("valueSet"):
        return None
    found = bindings.bound(binding["valueSet"].partition("|")[0], path)
    return {k: v for k, v in found.items() if k != "x-rule"} if found else None


def like(pattern: Any) -> Schema:
    """A value that has all that `pattern` has (https://hl7.org/fhir/R4/elementdefinition.html, pattern[x])."""
    if isinstance(pattern, dict):
        return {"type": "object", "required": list(pattern), "properties": {k: like(v) for k, v in pattern.items()}}
    if isinstance(pattern, list):
        return {"type": "array", "allOf": [{"contains": like(v)} for v in pattern]}
    return {"const": pattern}
