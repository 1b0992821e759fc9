"""Which items of a list are in a slice: a slice's discriminators as a JSON Schema that its items satisfy.

https://hl7.org/fhir/R4/profiling.html#discriminator. The schemas made here are conditions, and carry no rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from fhir_server.fhir import definitions
from fhir_server.validation.profiles.keywords import CONFORMS, LEADS
from fhir_server.validation.profiles.snapshots import Node, at_key
from fhir_server.validation.steps import Step, steps
from fhir_server.validation.types import bindings, references

Schema = dict[str, Any]
_STEP = re.compile(
    r"extension\((?:'([^']*)'|\"([^\"]*)\")\)|(?:\$this)|resolve\(\)|ofType\(\s*(?:FHIR\.)?(\w+)\s*\)|(\w+)"
)
_PATH = re.compile(rf"(?:{_STEP.pattern})(?:\.(?:{_STEP.pattern}))*")
#: How extensions are told apart when a profile does not say (https://hl7.org/fhir/R4/profiling.html#slicing).
BY_URL = [{"type": "value", "path": "url"}]


class Known(Protocol):
    """What a discriminator may have to ask about other profiles."""

    def profile_node(self, canonical: str) -> Node | None:
        """What a profile says, as a tree; None when it is not known."""

    def profile_condition(self, canonical: str) -> Schema | None:
        """A schema for "conforms to this profile of a data type"; None when it is not known."""

    def profile_type(self, canonical: str) -> str | None:
        """The type that a profile constrains; the type itself for one of R4's own."""


def is_path(path: str) -> bool:
    """Whether `path` is of the restricted FHIRPath that discriminators are written in."""
    return _PATH.fullmatch(path) is not None


def condition(slice: Node, path: str, slicing: Mapping[str, Any], known: Known) -> Schema | None:
    """What every item of `slice` satisfies and no other item does; None when its profile leaves that open.

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
    """The condition that a value satisfies whose discriminator is found by `tokens` from it."""
    if not tokens:
        return _leaf(node, path, kind, known)
    first, *rest = tokens
    if first == "resolve()":
        return _resolved(node, path, rest, kind, known)
    if first.startswith("ofType"):
        return _of_one_type(node, path, _type_named(first), rest, kind, known)
    if first.startswith("extension("):
        found = _extension(node, first[11:-2], rest, kind, known)
    else:
        found = _into(node, path, first, rest, kind, known)
    return found or _from_whole(node, tokens, kind)


def _from_whole(node: Node, tokens: list[str], kind: str) -> Schema | None:
    """The condition by what a fixed value or pattern of the whole element has at the end of the way."""
    whole = node.said("pattern") or node.said("fixed")
    if whole is None or kind not in ("value", "pattern"):
        return None
    part = _cut(whole[1], tokens)
    return like(part) if part is not None else None


def _cut(value: Any, tokens: list[str]) -> Any:
    """`value` with only what the way leads to left in it."""
    if not tokens:
        return value
    if isinstance(value, list):
        parts = [p for one in value if (p := _cut(one, tokens)) is not None]
        return parts or None
    inner = value.get(tokens[0]) if isinstance(value, dict) else None
    part = _cut(inner, tokens[1:]) if inner is not None else None
    return None if part is None else {tokens[0]: part}


def _type_named(token: str) -> str:
    return token[7:-1].strip().removeprefix("FHIR.")


def _of_one_type(node: Node, path: str, type: str, rest: list[str], kind: str, known: Known) -> Schema | None:
    """The rest of a way, where what it starts from is of one type; of a choice `_into` has seen to it."""
    if path != "Resource":
        return _along(node, path, rest, kind, known)
    inner = _along(node, type, rest, kind, known) if type in definitions.resource_types() else None
    return inner and {"allOf": [_resource({type}), inner]}


def _resolved(node: Node, path: str, rest: list[str], kind: str, known: Known) -> Schema | None:
    """The condition of what a reference leads to."""
    canonicals = _targets(node)
    if not canonicals or (types := [known.profile_type(c) for c in canonicals]).count(None):
        return None
    named = [t for t in types if t]
    if not rest and kind in ("type", "profile"):
        return _target(path, canonicals, named, kind, known)
    parts = []
    for canonical, type in zip(canonicals, named, strict=True):
        other = known.profile_node(canonical)
        inner = _along(other, type, rest, kind, known) if other is not None else None
        if inner is None:
            return None
        parts.append({"allOf": [_resource({type}), inner]})
    return _of_reference(path, {LEADS: _any(parts)})


def _target(path: str, canonicals: list[str], types: list[str], kind: str, known: Known) -> Schema:
    """By the type or profile of what is sent with the reference; of what is not, by the type the reference says."""
    by_type = {LEADS: _resource(set(types))}
    judged = [
        {CONFORMS: c} if known.profile_node(c) else _resource({t}) for c, t in zip(canonicals, types, strict=True)
    ]
    inside: Schema = {LEADS: _any(judged)} if kind == "profile" else by_type
    if path != "Reference":
        return inside
    there = _of_reference(path, {LEADS: {}})
    return {"if": there, "then": _of_reference(path, inside), "else": references.points_to(types)}


def _of_reference(path: str, inside: Schema) -> Schema:
    return {"required": ["reference"], "properties": {"reference": inside}} if path == "Reference" else inside


def _targets(node: Node) -> list[str]:
    return [c for t in node.types for c in t.get("targetProfile", ())]


def _resource(types: Iterable[Any]) -> Schema:
    return {"required": ["resourceType"], "properties": {"resourceType": {"enum": sorted(types)}}}


def _into(node: Node, path: str, first: str, rest: list[str], kind: str, known: Known) -> Schema | None:
    child = _child(node, first, known)
    if path == "Extension" and first == "url" and kind == "value" and (child is None or not child.said("fixed")):
        return _by_canonical(node)
    keys = {k: s for k, s in _table(path).items() if s.name == first and not s.sibling}
    if rest and rest[0].startswith("ofType") and path != "Resource":
        type = _type_named(rest[0])
        narrowed = {k: s for k, s in keys.items() if s.type and s.type.code == type}
        keys, rest = (narrowed, rest[1:]) if narrowed else (keys, rest)
    if child is not None and child.name in keys:
        keys = {child.name: keys[child.name]}
    if child is None or not keys:
        return None
    if kind == "exists" and not rest:
        return _exists(child, list(keys))
    ways = [_property(at_key(child, k, s), k, s, rest, kind, known) for k, s in keys.items()]
    return _any([w for w in ways if w is not None])


def _property(child: Node, key: str, step: Step, rest: list[str], kind: str, known: Known) -> Schema | None:
    if kind == "type" and not rest and len(child.types) and step.type and step.element.name.endswith("[x]"):
        return {"required": [key]} if step.type.code in {t.get("code") for t in child.types} else None
    path = _resource_type(child) if step.path == "Resource" else step.path
    inner = _along(child, path, rest, kind, known) or _in_a_slice(child, path, rest, kind, known)
    if inner is None:
        return None
    return {"required": [key], "properties": {key: {"contains": inner} if step.repeats else inner}}


def _in_a_slice(child: Node, path: str, rest: list[str], kind: str, known: Known) -> Schema | None:
    """What a slice of a sliced child says, where the child itself says nothing, and every item must have such a one."""
    needed = [s for s in child.slices.values() if s.facts.get("min", 0) > 0]
    return next((p for s in needed if (p := _along(s, path, rest, kind, known)) is not None), None)


def _resource_type(node: Node) -> str:
    """The one type of resource an element may hold; `Resource` where it may hold several."""
    codes = {str(t.get("code")) for t in node.types}
    return next(iter(codes)) if len(codes) == 1 and codes <= definitions.resource_types() else "Resource"


def _table(path: str) -> Mapping[str, Step]:
    return {} if path == "Resource" else steps(path)


def _any(parts: list[Schema]) -> Schema | None:
    return None if not parts else parts[0] if len(parts) == 1 else {"anyOf": parts}


def _child(node: Node, name: str, known: Known, depth: int = 8) -> Node | None:
    """What is said of a child, by the node itself or by the one profile of its type."""
    found = node.children.get(name) or node.children.get(name + "[x]")
    if found is None:
        # The short way to say one type of a choice: `valueCode`.
        found = next((c for n, c in node.children.items() if n.startswith(name) and n[len(name)].isupper()), None)
    if found is not None:
        return found
    for canonical in (p for t in node.types for p in t.get("profile", ()) if depth):
        other = known.profile_node(canonical)
        if other is not None:
            return _child(other, name, known, depth - 1)
    return None


def _by_canonical(node: Node) -> Schema | None:
    urls = [p.partition("|")[0] for t in node.types for p in t.get("profile", ())]
    return {"required": ["url"], "properties": {"url": {"enum": urls}}} if urls else None


def _extension(node: Node, url: str, rest: list[str], kind: str, known: Known) -> Schema | None:
    extensions = node.children.get("extension")
    slices = extensions.slices.values() if extensions else ()
    there: Schema = {"required": ["url"], "properties": {"url": {"const": url}}}
    for slice in slices:
        if _is_of(slice, url):
            inner = _along(slice, "Extension", rest, kind, known) if rest else {}
            if kind == "exists" and not rest:
                found: Schema = {"required": ["extension"], "properties": {"extension": {"contains": there}}}
                return {"not": found} if slice.facts.get("max") == "0" else found
            if inner is not None:
                holds = {"contains": {"allOf": [there, inner]}}
                return {"required": ["extension"], "properties": {"extension": holds}}
    return None


def _is_of(slice: Node, url: str) -> bool:
    """Whether a slice of extensions is that of a URL, by its profile or by the URL it fixes."""
    fixed = slice.children["url"].said("fixed") if "url" in slice.children else None
    urls = {p.partition("|")[0] for t in slice.types for p in t.get("profile", ())}
    return url in urls or (fixed is not None and fixed[1] == url)


def _exists(child: Node, keys: list[str]) -> Schema | None:
    there: Schema = {"anyOf": [{"required": [k]} for k in keys]}
    if child.facts.get("max") == "0":
        return {"not": there}
    return there if child.facts.get("min", 0) > 0 else None


def _leaf(node: Node, path: str, kind: str, known: Known) -> Schema | None:
    match kind:
        case "type":
            return _of_type(node, path)
        case "profile":
            return _of_profile(node, path, known)
        case "exists":
            return None
        case _:
            return said(node, path)


def _of_type(node: Node, path: str) -> Schema | None:
    codes = {t.get("code") for t in node.types}
    if path == "Resource" or codes <= definitions.resource_types():
        return _resource(codes) if codes else None
    return None


def _of_profile(node: Node, path: str, known: Known) -> Schema | None:
    canonicals = [c for t in node.types for c in t.get("profile", ())]
    types = [known.profile_type(c) for c in canonicals]
    if not canonicals or None in types:
        return None if canonicals else _of_type(node, path)
    found = [_of_one_profile(c, str(t), known) for c, t in zip(canonicals, types, strict=True)]
    return _any([s for s in found if s is not None]) if all(s is not None for s in found) else None


def _of_one_profile(canonical: str, type: str, known: Known) -> Schema | None:
    if type not in definitions.resource_types():
        return known.profile_condition(canonical)
    return {CONFORMS: canonical} if known.profile_node(canonical) else _resource({type})


def said(node: Node, path: str, depth: int = 8) -> Schema | None:
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
            inner = said(at_key(child, key, step), step.path, depth - 1)
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
