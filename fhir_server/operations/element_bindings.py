"""Which value set an element is bound to: the `context` of terminology operations.

https://hl7.org/fhir/R4/valueset-operation-expand.html: `[StructureDefinition URL]#[path]`, of a type of R4 or a profile
that is known here; a path alone (`Observation.status`) is of its type.
"""

from __future__ import annotations

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import InvalidParameter, NotFound
from fhir_server.interactions.exchange import Context
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.profiles.snapshots import Node


def bound(context: Context, asked: str) -> str:
    """The canonical of the value set.

    Args:
        context: for the profiles in force.
        asked: the `context` parameter.

    Raises:
        InvalidParameter: it is not written so (400).
        NotFound: the definition or the element is not known, or no value set is bound to it (404).
    """
    url, mark, path = asked.rpartition("#")
    parts = path.split(".")
    url = url.partition("|")[0] if mark else definitions.SPECIFICATION + parts[0]
    if not all(parts) or len(parts) < 2:
        raise InvalidParameter("The context is [StructureDefinition URL]#[path].", "http.context")
    type = url.removeprefix(definitions.SPECIFICATION)
    found = _of_type(type, parts[1:]) if type in definitions.types() else _of_profile(context, url, parts[1:])
    if found is None:
        raise NotFound(f"No value set is bound to {path[:200]}.", "http.context")
    return found


def _of_profile(context: Context, url: str, parts: list[str]) -> str | None:
    profiles: Profiles | None = context.following.profiles if context.following else None
    profiles = profiles or (context.validator.profiles if context.validator else None)
    definition = profiles.find(url) if profiles else None
    if profiles is None or definition is None:
        raise NotFound(f"The definition {url[:200]} is not known here.", "http.context")
    node: Node | None = profiles.snapshot(definition)
    for part in parts:
        node = _child(node, part) if node else None
    value_set = node.facts.get("binding", {}).get("valueSet") if node else None
    return value_set if isinstance(value_set, str) else _of_type(str(definition["type"]), parts)


def _child(node: Node, part: str) -> Node | None:
    name, _, slice = part.partition(":")
    found = node.children.get(name) or node.children.get(f"{name}[x]")
    return found.slices.get(slice) if found and slice else found


def _of_type(type: str, parts: list[str]) -> str | None:
    path = type
    for n, part in enumerate(parts, 1):
        children = definitions.children(path)
        name = part.partition(":")[0]
        element = children.get(name) or children.get(f"{name}[x]")
        if element is None:
            return None
        if n == len(parts):
            return element.binding.valueSet if element.binding else None
        path = _inside(element)
    return None


def _inside(element: definitions.Element) -> str:
    """Where an element's children are defined: in its own type, or beneath its path."""
    codes = [one.code for one in element.types]
    own = element.content or not codes or codes[0] in ("BackboneElement", "Element")
    return element.path if own else codes[0]
