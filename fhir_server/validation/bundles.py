"""What holds between a Bundle, its entries and what these refer to, by the type of the Bundle.

https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/documents.html#content,
https://hl7.org/fhir/R4/messaging.html#bundle, https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import Issue, Severity
from fhir_server.validation import documents
from fhir_server.validation.reference_targets import Around
from fhir_server.validation.walking import places

Tree = dict[str, Any]
#: Bundle type → severity; "" for the other types. A type that is not named, or without one, is not judged.
Table = Mapping[str, Severity]

_REFERENCES = frozenset(("Reference",))
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
#: Relations of a link that lead to one place (RFC 8288, https://hl7.org/fhir/R4/http.html#paging).
_ONCE = frozenset(("self", "first", "last", "next", "previous", "prev"))

#: "The fullUrl SHALL NOT disagree with the id in the resource" (https://hl7.org/fhir/R4/bundle-definitions.html); but
#: what clients send in a transaction is resolved by us, and understood.
_WHOLE: Table = {"transaction": "warning", "batch": "warning", "": "error"}
#: Rule → how bad it is by the type of the Bundle, and what is said.
RULES: Mapping[str, tuple[Table, str]] = {
    "bundle-link": ({"": "error"}, "Another link of the Bundle has this relation, which leads to one place."),
    "entry-full-url": (_WHOLE, "The fullUrl disagrees with the type or id of the resource."),
    "entry-full-url-absolute": (_WHOLE, "The fullUrl is not an absolute URL."),
    # The definition of fullUrl: it has a value but for a POST, and what operations answer.
    "entry-full-url-missing": (
        {
            "document": "error",
            "message": "error",
            "collection": "warning",
            "searchset": "warning",
            "history": "warning",
        },
        "An entry with a resource has a fullUrl.",
    ),
    # A resource has an id unless it is on its way to a server that gives it one (https://hl7.org/fhir/R4/resource.html#id).
    "entry-full-url-id": (
        {"document": "error", "message": "error", "collection": "error"},
        "The fullUrl is that of a resource on a server, which has an id.",
    ),
    "search-outcome": ({"searchset": "error"}, "What tells about the search itself is an OperationOutcome."),
    "search-id": ({"searchset": "error"}, "What a search found has an id."),
    "search-type": ({"searchset": "error"}, "Not of the type that the self link searched."),
    "document-reference": ({"document": "error"}, "What the Composition refers to is not in the document."),
    "document-ambiguous": ({"document": "error"}, "More than one entry is what the Composition refers to."),
    "document-unreachable": ({"document": "error"}, "Nothing leads from the Composition to this entry, or back."),
    "message-reference": ({"message": "error"}, "What the MessageHeader is about is not in the message."),
}


def issues(bundle: Tree, at: str, around: Around) -> Iterator[Issue]:
    """What is wrong with a Bundle beyond its structure and invariants.

    Args:
        bundle: the Bundle.
        at: its FHIRPath.
        around: with its entries.
    """
    type = bundle.get("type")
    for key, where in _found(bundle, at, around):
        table, text = RULES[key]
        severity = table.get(type if isinstance(type, str) else "", table.get(""))
        if severity is not None:
            yield Issue(severity, "invariant", text, where, key)


def are_misled(leads: Iterable[tuple[str, tuple[str, ...]]], around: Around) -> bool:
    """Whether one of some references leads to an entry of a type that its element does not allow.

    Args:
        leads: what each says, and the types its element allows.
        around: the resource they stand in, in its Bundle.
    """
    return any(_is_misled(said, types, around) for said, types in leads)


def misled(tree: Tree, type: str, at: str, around: Around) -> Iterator[Issue]:
    """The references of a resource that lead to an entry of a type their element does not allow."""
    for place in places(tree, type, at, _REFERENCES):
        said, step = place.value.get("reference"), place.step
        types = step.type.targets if step and step.type else ()
        if isinstance(said, str) and said.startswith("urn:") and _is_misled(said, types, around):
            text = "The entry that the reference leads to is not of a type this element allows."
            yield Issue("error", "structure", text, f"{place.at}.reference", "reference-target")


def _is_misled(said: str, types: Collection[str], around: Around) -> bool:
    if not types or "Resource" in types or around.entries is None:
        return False
    target = around.entries.target(said, around.entries.url(around.root))
    type = target.get("resourceType") if target else None
    return isinstance(type, str) and type in resource_types() and type not in types


def _found(bundle: Tree, at: str, around: Around) -> Iterator[tuple[str, str]]:
    yield from _links(bundle, at)
    entries = [one if isinstance(one, dict) else {} for one in _list(bundle.get("entry"))]
    for number, entry in enumerate(entries):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            yield from _entry(entry, resource, f"{at}.entry[{number}]")
    judge = _OF_TYPE.get(str(bundle.get("type")))
    if judge is not None:
        yield from judge(bundle, entries, at, around)


def _links(bundle: Tree, at: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, link in enumerate(_list(bundle.get("link"))):
        relation = link.get("relation") if isinstance(link, dict) else None
        if not isinstance(relation, str) or relation not in _ONCE:
            continue
        if relation in seen:
            yield "bundle-link", f"{at}.link[{number}].relation"
        seen.add(relation)


def _entry(entry: Tree, resource: Tree, at: str) -> Iterator[tuple[str, str]]:
    url = entry.get("fullUrl")
    if not isinstance(url, str):
        yield "entry-full-url-missing", at
    elif not _ABSOLUTE.match(url):
        yield "entry-full-url-absolute", at
    elif url.startswith("http") and "/_history/" not in url:
        yield from ((key, at) for key in _disagreeing(url, resource))


def _disagreeing(url: str, resource: Tree) -> Iterator[str]:
    """How a URL is not that of a resource: it ends with another type or id, or with one that the resource has not."""
    id, (rest, _, last) = resource.get("id"), url.rpartition("/")
    before = rest.rpartition("/")[2]
    is_typed = before in resource_types()
    if not isinstance(id, str):
        if is_typed and before == resource.get("resourceType"):
            yield "entry-full-url-id"
    elif last != id or (is_typed and before != resource.get("resourceType")):
        yield "entry-full-url"


def _searchset(bundle: Tree, entries: list[Tree], at: str, around: Around) -> Iterator[tuple[str, str]]:
    asked = _searched(bundle)
    for number, entry in enumerate(entries):
        resource, search = entry.get("resource"), entry.get("search")
        if not isinstance(resource, dict):
            continue
        here, type = f"{at}.entry[{number}].resource", resource.get("resourceType")
        mode = search.get("mode") if isinstance(search, dict) else None
        if mode == "outcome" and type != "OperationOutcome":
            yield "search-outcome", here
        if type != "OperationOutcome" and "id" not in resource:
            yield "search-id", f"{here}.id"
        if mode == "match" and asked and type not in (asked, "OperationOutcome"):
            yield "search-type", here


def _searched(bundle: Tree) -> str:
    """The type that the self link searches; "" where it says none."""
    for link in _list(bundle.get("link")):
        if isinstance(link, dict) and link.get("relation") == "self" and isinstance(link.get("url"), str):
            path = str(link["url"]).partition("?")[0].removesuffix("/_search").rstrip("/")
            last = path.rpartition("/")[2]
            return last if last in resource_types() else ""
    return ""


def _document(bundle: Tree, entries: list[Tree], at: str, around: Around) -> Iterator[tuple[str, str]]:
    first = entries[0].get("resource") if entries else None
    if not isinstance(first, dict) or first.get("resourceType") != "Composition" or around.entries is None:
        return  # bdl-11 says so
    found = around.entries
    for here, reference in documents.named(first, f"{at}.entry[0].resource"):
        targets = found.targets(reference, found.url(first))
        if len(targets) != 1:
            yield "document-ambiguous" if targets else "document-reference", here
    for number in documents.unreached([entry.get("resource") for entry in entries], found):
        yield "document-unreachable", f"{at}.entry[{number}]"


def _message(bundle: Tree, entries: list[Tree], at: str, around: Around) -> Iterator[tuple[str, str]]:
    first = entries[0].get("resource") if entries else None
    if not isinstance(first, dict) or around.entries is None:
        return
    url = around.entries.url(first)
    for number, focus in enumerate(_list(first.get("focus"))):
        reference = focus.get("reference") if isinstance(focus, dict) else None
        is_outward = isinstance(reference, str) and not reference.startswith("#")
        if is_outward and not around.entries.targets(str(reference), url):
            yield "message-reference", f"{at}.entry[0].resource.focus[{number}].reference"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_OF_TYPE: Mapping[str, Callable[[Tree, list[Tree], str, Around], Iterator[tuple[str, str]]]] = {
    "searchset": _searchset,
    "document": _document,
    "message": _message,
}
