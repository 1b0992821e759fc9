"""Elements that share the content of another: what a profile says of `Questionnaire.item` holds of the items in it.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.contentReference: all the rules of the
element referred to are brought across, but how often it stands where it is.
"""

from __future__ import annotations

from fhir_server.fhir import definitions
from fhir_server.validation.profiles.compiled_profile import Asked
from fhir_server.validation.profiles.snapshots import Node


def opened(root: Node) -> Node:
    """A profile's tree, with the elements in it that share the content of one it speaks of."""
    for element in definitions.elements(root.name).values() if root.name in definitions.types() else ():
        if element.content and content(root, element.content) and not element.path.startswith(element.content + "."):
            node = root
            for name in element.path.split(".")[1:]:
                node = node.children.setdefault(name, Node(name))
    return root


def content(root: Node, path: str) -> Node | None:
    """What a profile says of what is inside an element; None when that is nothing."""
    node: Node | None = root
    for name in path.split(".")[1:]:
        node = node.children.get(name) if node else None
    if node is None or not (node.children or node.constraints):
        return None
    return Node(node.name, constraints=node.constraints, children=node.children)


def spoken(asked: list[Asked], shared: dict[str, list[Asked]]) -> list[Asked]:
    """`asked` without the shared contents of which nothing is asked in the end; `shared` loses them as well."""
    live: set[str] = set()
    grown = True
    while grown:
        found = {name for name, rows in shared.items() if any(r.content is None or r.content in live for r in rows)}
        grown, live = found != live, found
    for name, rows in shared.items():
        shared[name] = [r for r in rows if r.content is None or r.content in live]
    return [r for r in asked if r.content is None or r.content in live]
