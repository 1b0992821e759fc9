"""What holds between a resource and what it contains, and the ids inside it.

https://hl7.org/fhir/R4/references.html#contained (dom-2 to dom-5, ref-1), https://hl7.org/fhir/R4/element.html#id
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Issue
from fhir_server.validation.rules import CODES
from fhir_server.validation.types.keywords import Run
from fhir_server.validation.walking import places

Tree = Mapping[str, Any]
_REFERENCES = frozenset(("Reference",))
#: So many contained resources are looked for in the body one by one; more are counted together.
_FEW = 50
#: Snapshot and differential name the same elements by the same ids: sdf-16 and sdf-17 judge them.
NAMED_TWICE = frozenset(("StructureDefinition",))
#: A place in the same resource that a narrative leads to.
_SHOWN = re.compile(r"""\b(?:src|href)\s*=\s*["'](#[^"'\s]+)["']""")
#: What a contained resource's meta does not say.
_NOT_INSIDE = frozenset(("versionId", "lastUpdated", "security", "_versionId", "_lastUpdated"))


def issues(tree: Tree, type: str, at: str, body: bytes) -> list[Issue]:
    """The rules of containment that `tree`, a resource with contained resources or `#` references, breaks.

    Args:
        tree: the resource.
        type: its type.
        at: its FHIRPath.
        body: its JSON, to see at once that all that is contained is referred to.
    """
    inside = [c if isinstance(c, dict) else {} for c in _list(tree.get("contained"))]
    links = list(_links(tree, type, at))
    for position, resource in enumerate(inside):
        type_inside = resource.get("resourceType")
        if isinstance(type_inside, str) and type_inside in definitions.resource_types():
            links += _links(resource, resource["resourceType"], f"{at}.contained[{position}]")
    return [
        *_each(inside, at),
        *(() if _all_named(inside, body) else _unreferenced(tree, inside, at)),
        *_dangling(links, inside),
    ]


def is_right(tree: Tree, run: Run, inside: list[Run]) -> bool:
    """Whether nothing can be wrong between `tree` and what it contains; what this leaves open, `issues` decides.

    Args:
        tree: the resource.
        run: what was noted of it.
        inside: what was noted of each resource it contains, in order.
    """
    resources = tree.get("contained", ())
    if len(resources) >= _FEW or not all(map(_may_be_contained, resources)):
        return False
    types = {"#" + resource["id"]: resource["resourceType"] for resource in resources}
    said = set()
    for one in (run, *inside):
        for link, allowed in one.links:
            if link != "#" and (link not in types or (allowed and types[link] not in allowed)):
                return False
            said.add(link)
    return len(types) == len(resources) and said.issuperset(types)


def _may_be_contained(resource: Tree) -> bool:
    meta = resource.get("meta", {})
    return "id" in resource and "contained" not in resource and meta.keys().isdisjoint(_NOT_INSIDE)


def duplicate_ids(tree: Tree, at: str) -> Iterator[Issue]:
    """An element's id stands once in its resource; contained resources have their own."""
    if tree.get("resourceType") in NAMED_TWICE:
        return
    seen: set[str] = set()
    for place, id in _element_ids(tree, at, True):
        if id in seen:
            yield _issue("element-id", "The id of another element of the same resource", place)
        seen.add(id)


def _all_named(inside: list[dict[str, Any]], body: bytes) -> bool:
    # A resource that refers to itself counts as referred to in dom-3 as well.
    return len(inside) < _FEW and all(f'"#{resource.get("id")}"'.encode() in body for resource in inside)


def _each(inside: list[dict[str, Any]], at: str) -> Iterator[Issue]:
    ids: set[str] = set()
    for position, resource in enumerate(inside):
        here = f"{at}.contained[{position}]"
        id = resource.get("id")
        if not isinstance(id, str):
            yield _issue("contained-id", "A contained resource has an id, or nothing could refer to it", f"{here}.id")
        elif id in ids:
            yield _issue("contained-id", "The id of another contained resource", f"{here}.id")
        else:
            ids.add(id)
        yield from _forbidden(resource, here)


def _forbidden(resource: dict[str, Any], here: str) -> Iterator[Issue]:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if "contained" in resource:
        yield _issue("dom-2", "A contained resource contains no other", f"{here}.contained")
    for name in ("versionId", "lastUpdated"):
        if name in meta:
            yield _issue("dom-4", f"A contained resource has no meta.{name}", f"{here}.meta.{name}")
    if "security" in meta:
        yield _issue("dom-5", "A contained resource has no security label of its own", f"{here}.meta.security")


def _unreferenced(tree: Tree, inside: list[dict[str, Any]], at: str) -> Iterator[Issue]:
    """dom-3: a contained resource is referred to by some other part, or refers to the resource around it."""
    outside = {s for k, v in tree.items() if k != "contained" for s in _strings(v)}
    said = [set(_strings(resource)) for resource in inside]
    sayers = Counter(link for links in said for link in links)
    for position, resource in enumerate(inside):
        id, own = resource.get("id"), said[position]
        link = f"#{id}"
        referred = link in outside or sayers[link] > (link in own)
        if isinstance(id, str) and not referred and "#" not in own:
            yield _issue("dom-3", "Nothing refers to this contained resource", f"{at}.contained[{position}]")


def _dangling(links: list[tuple[str, str, tuple[str, ...]]], inside: list[dict[str, Any]]) -> Iterator[Issue]:
    types = {f"#{r['id']}": str(r.get("resourceType")) for r in inside if isinstance(r.get("id"), str)}
    for place, link, targets in links:
        if link == "#":
            continue
        if link not in types:
            yield Issue("error", "invariant", "No contained resource has this id.", place, "ref-1")
        elif targets and types[link] not in targets and types[link] in definitions.resource_types():
            text = "The contained resource is not of a type this element allows"
            yield _issue("reference-target", text, f"{place}.reference")


def _links(tree: Tree, type: str, at: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """References to contained resources: where, `#id`, and the types the element allows (empty: any)."""
    for place in places(tree, type, at, _REFERENCES):
        link = place.value.get("reference")
        if isinstance(link, str) and link.startswith("#"):
            targets = place.step.type.targets if place.step and place.step.type else ()
            yield place.at, link, () if "Resource" in targets else targets


def _element_ids(value: Any, at: str, root: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and (root or "resourceType" not in value):
        if not root and isinstance(value.get("id"), str):
            yield f"{at}.id", value["id"]
        for key, child in value.items():
            if isinstance(child, dict | list):
                yield from _element_ids(child, f"{at}.{key.removeprefix('_')}")
    if isinstance(value, list):
        for position, child in enumerate(value):
            yield from _element_ids(child, f"{at}[{position}]")


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if one.startswith("#"):
                yield one
        elif isinstance(one, dict):
            waiting += one.values()
            div = one.get("div")
            # A picture of a narrative is contained (https://hl7.org/fhir/R4/narrative.html#id).
            yield from _SHOWN.findall(div) if isinstance(div, str) else ()
        elif isinstance(one, list):
            waiting += one


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _issue(key: str, text: str, at: str) -> Issue:
    return Issue("error", CODES.get(key, "invariant"), text + ".", at, key)
