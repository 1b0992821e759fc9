"""Links between the entries of a transaction: what a resource was called in the Bundle becomes where it is kept.

https://hl7.org/fhir/R4/http.html#trules: resource references, elements of type uri, url, oid and uuid, and the links of
the narrative are replaced; canonicals and identifiers are not. https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fhir_server.fhir.fhirpath.shapes import Shape, shape
from fhir_server.fhir.references import walk_references

#: Whether a body may hold a reference by search criteria; escapes in it count as one.
BY_CRITERIA = re.compile(rb'"reference"\s*:\s*"(?:[A-Z][A-Za-z]+\?|[^"]*\\)')

#: Element types whose value is a link, beside `Reference.reference`.
LINKS = frozenset({"uri", "url", "oid", "uuid"})

#: A reference by search criteria: `Patient?identifier=a|1`.
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(.+)", re.DOTALL | re.ASCII)
_HREF = re.compile(r"""(\s(?:href|src)\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE)
_RESTFUL = re.compile(r"(.+/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[^/]+)?", re.ASCII)
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:[/#].*)?", re.ASCII)


def conditional_references(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str, str]]:
    """Each reference by search criteria: the Reference's own object, its FHIRPath, the type and the criteria."""
    for node, path in walk_references(tree):
        found = _CONDITIONAL.fullmatch(node["reference"])
        if found:
            yield node, path, found[1], found[2]


def rewrite(tree: dict[str, Any], places: Mapping[str, str], full_url: str) -> None:
    """Replace, in place, each link to something in `places`.

    Args:
        tree: a resource of the Bundle.
        places: what a resource is called in the Bundle → `Type/id` where it is kept.
        full_url: what `tree` itself is called: relative references are read from there.
    """
    # Only an object that holds a link is looked at as what it is: of most strings nothing need be known.
    _walk(tree, (), tree, _Links(places, _root(full_url)))


#: Where the resource called so is kept; None when it is not of the Bundle.
Place = Callable[[str], str | None]


def place_of(text: str, places: Mapping[str, str], full_url: str) -> str | None:
    """Where the resource is that `text` means in an entry called `full_url`; None when it is not of the Bundle."""
    return _Links(places, _root(full_url))(text)


def _root(full_url: str) -> str:
    found = _RESTFUL.fullmatch(full_url)
    return found[1] if found else ""


#: Keys from a resource to an element, without indexes.
Trail = tuple[str, ...]


class _Links:
    __slots__ = ("places", "root")

    def __init__(self, places: Mapping[str, str], root: str) -> None:
        self.places = places
        self.root = root

    def __call__(self, text: str) -> str | None:
        """Where the resource called `text` is kept, with the fragment kept; None when it is not of the Bundle."""
        place = self.places.get(text)
        if place is not None:
            return place
        if "#" in text and not text.startswith("#"):
            url, _, fragment = text.partition("#")
            place = self.places.get(url)
            return f"{place}#{fragment}" if place is not None else None
        if self.root and _RELATIVE.fullmatch(text):
            return self.places.get(self.root + text)
        return None


def _walk(node: dict[str, Any] | list[Any], trail: Trail, resource: dict[str, Any], links: _Links) -> None:
    """Follow everything; `trail` is the keys from `resource`, the nearest resource above, without indexes."""
    named = isinstance(node, dict)
    if isinstance(node, dict) and "resourceType" in node and node is not resource:
        resource, trail = node, ()
    items: Iterable[tuple[Any, Any]] = node.items() if isinstance(node, dict) else enumerate(node)
    holder: Any = node
    for at, value in items:
        kind = value.__class__
        if kind is str:
            place = _narrative(value, links) if at == "div" else links(value)
            if place is not None and _is_link(resource, (*trail, at) if named else trail):
                holder[at] = place
        elif kind is dict or kind is list:
            _walk(value, (*trail, at) if named else trail, resource, links)


def _narrative(div: str, links: _Links) -> str | None:
    if "href" not in div and "src" not in div:
        return None

    def replaced(found: re.Match[str]) -> str:
        place = links(html.unescape(found[2][1:-1]))
        return found[0] if place is None else f'{found[1]}"{place}"'

    rewritten = _HREF.sub(replaced, div)
    return rewritten if rewritten != div else None


def _is_link(resource: dict[str, Any], trail: Trail) -> bool:
    """Whether R4 says that what stands there is a link, by the type of the element."""
    try:
        at: Shape | None = shape(str(resource.get("resourceType")))
    except KeyError:
        return False
    holder = at
    for key in trail:
        holder, at = at, _child(at, key)
        if at is None:
            return False
    assert at is not None and holder is not None
    if at.name == "string":
        return holder.name == "Reference" and trail[-1] == "reference"
    return at.name in LINKS or at.name == "xhtml"


def _child(at: Shape | None, key: str) -> Shape | None:
    if at is None:
        return None
    # The extensions of a primitive stand under `_name`, in an object of the primitive's own shape.
    found = at.keys.get(key.removeprefix("_"))
    return found[1] if found else None
