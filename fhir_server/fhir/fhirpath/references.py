"""Where a Reference leads: into the resource itself, its Bundle, or through the host; and what type it leads to.

https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.fhir.definitions import SPECIFICATION, resource_types
from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.nodes import Node, root
from fhir_server.fhir.fhirpath.shapes import shape

_TYPED = re.compile(r"(?:^|/)([A-Z][A-Za-z]{2,40})/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")


def declared_type(reference: Any) -> str | None:
    """The resource type a Reference (or URL) says it leads to; None where it does not, or leads to a contained one."""
    url = reference.get("reference") if reference.__class__ is dict else reference
    if url.__class__ is str and not url.startswith("#"):
        match = _TYPED.search(url)
        if match and match[1] in resource_types():
            return match[1]
    type = reference.get("type") if reference.__class__ is dict else None
    if type.__class__ is not str:
        return None
    name = type.removeprefix(SPECIFICATION)
    return name if name in resource_types() else None


def contained(resource: Any, url: str) -> dict[str, Any] | None:
    """The resource that `url` (`#id`, or `#` for the whole) names inside `resource`."""
    if resource.__class__ is not dict:
        return None
    if url == "#":
        found: dict[str, Any] = resource
        return found
    members = resource.get("contained")
    for member in members if members.__class__ is list else ():
        if member.__class__ is dict and member.get("id") == url[1:]:
            return member
    return None


def resolved(env: Environment, node: Node) -> Node | None:
    """The resource that a Reference, canonical or uri leads to, None where it cannot be had."""
    value = node.value
    url = value.get("reference") if value.__class__ is dict else value
    if url.__class__ is not str:
        return None
    if url.startswith("#"):
        tree = contained(_container(env, node), url)
    else:
        tree = _entry(env, url)
        if tree is None and env.resolve is not None:
            tree = env.resolve(url)
    if tree.__class__ is not dict or tree is None:
        return None
    try:
        return root(tree)
    except (KeyError, TypeError):
        return None


def leads_to(env: Environment, node: Node, names: frozenset[str]) -> bool | None:
    """Whether the reference leads to one of the types `names`; judged by what it says before anything is fetched."""
    declared = declared_type(node.value)
    if declared is not None:
        return not names.isdisjoint(shape(declared).ancestors)
    target = resolved(env, node)
    return None if target is None else not names.isdisjoint(target.shape.ancestors)


def _container(env: Environment, node: Node) -> Any:
    at: Node | None = node
    while at is not None:
        if at.shape.resource and at.name != "contained":
            return at.value
        at = at.parent
    return env.root.value if env.root is not None else None


def _entry(env: Environment, url: str) -> Any:
    if env.entries is None:
        env.entries = _entries(env)
    return env.entries.get(url)


def _entries(env: Environment) -> dict[str, Any]:
    bundle = env.root.value if env.root is not None else None
    found: dict[str, Any] = {}
    entries = bundle.get("entry") if bundle.__class__ is dict and bundle.get("resourceType") == "Bundle" else None
    for entry in entries if entries.__class__ is list else ():
        resource = entry.get("resource") if entry.__class__ is dict else None
        if resource.__class__ is dict:
            found.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
            if entry.get("fullUrl").__class__ is str:
                found[entry["fullUrl"]] = resource
    return found
