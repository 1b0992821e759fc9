"""What each page shows, taken out of the FHIR answer: a template's name and its values.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from fhir_server.fhir.definitions import SearchParameter
from fhir_server.fhir.xml import to_xml
from fhir_server.search.parameters.registry import standard
from fhir_server.site.labels import label
from fhir_server.site.links import preformatted
from fhir_server.site.narrative import safe
from fhir_server.site.words import HINTS, KINDS

View = tuple[str, dict[str, Any]]

_tree = msgspec.json.Decoder(float_hook=str)
#: Search results and history are made of these; any other Bundle is a resource.
_LISTS = {"searchset": "search.html", "history": "history.html"}


def view(path: tuple[str, ...], query: tuple[tuple[str, str], ...], body: bytes, base: str, style: str) -> View:
    """The template and values for a FHIR JSON body.

    Args:
        path: decoded segments under the base.
        query: decoded pairs, the wire's own left out.
        body: the resource answered with.
        base: absolute URL of the FHIR base.
        style: "json" or "xml" for the source, anything else for the page.
    """
    tree = _tree.decode(body)
    type = tree.get("resourceType", "")
    if style in ("json", "xml"):
        return "source.html", {**_crumbs(path, base), "source": _source(body, base, style), "style": style}
    if type == "OperationOutcome":
        return "outcome.html", {**_crumbs(path, base), **outcome(body)}
    if type == "Bundle" and tree.get("type") in _LISTS:
        return _LISTS[tree["type"]], {**_crumbs(path, base), **_list(tree, path, query, base)}
    if type == "CapabilityStatement" and path == ("metadata",):
        return "capability.html", {**_crumbs(path, base), "rest": tree["rest"][0], "software": tree.get("software", {})}
    return "resource.html", {**_crumbs(path, base), **_resource(tree, path, base)}


def outcome(body: bytes) -> dict[str, Any]:
    """The values of the page of an OperationOutcome."""
    return {"issues": [_issue(issue) for issue in _tree.decode(body).get("issue", ())]}


def _source(body: bytes, base: str, style: str) -> Any:
    if style == "xml":
        return preformatted(to_xml(body, pretty=True).decode(), base, xml=True)
    return preformatted(msgspec.json.format(body, indent=2).decode(), base, xml=False)


def _crumbs(path: tuple[str, ...], base: str) -> dict[str, Any]:
    return {"crumbs": [("/".join(path[: n + 1]), step) for n, step in enumerate(path)], "base": base}


def _resource(tree: dict[str, Any], path: tuple[str, ...], base: str) -> dict[str, Any]:
    type, id = tree.get("resourceType", ""), tree.get("id", "")
    div = (tree.get("text") or {}).get("div", "")
    return {
        "tree": {key: value for key, value in tree.items() if key not in ("resourceType", "text", "contained")},
        "contained": tree.get("contained", []),
        "type": type,
        "id": id,
        "label": label(tree),
        "narrative": safe(div) if isinstance(div, str) and div else "",
        "version": (tree.get("meta") or {}).get("versionId", ""),
        "updated": (tree.get("meta") or {}).get("lastUpdated", ""),
        "own": f"{base}/{type}/{id}" if len(path) in (2, 4) and id else "",
    }


def _issue(issue: dict[str, Any]) -> dict[str, Any]:
    details = issue.get("details") or {}
    return {
        "severity": issue.get("severity", "error"),
        "code": issue.get("code", ""),
        "said": KINDS.get(issue.get("code", ""), KINDS["processing"]),
        "text": issue.get("diagnostics") or details.get("text", ""),
        "where": ", ".join([*issue.get("expression", ()), *issue.get("location", ())]),
    }


def _list(tree: dict[str, Any], path: tuple[str, ...], query: tuple[tuple[str, str], ...], base: str) -> dict[str, Any]:
    type = path[-1] if path and path[-1][:1].isupper() else next((step for step in path if step[:1].isupper()), "")
    links = {link.get("relation"): link.get("url", "") for link in tree.get("link", ())}
    return {
        "type": type,
        "total": tree.get("total"),
        "rows": [_row(entry, base) for entry in tree.get("entry", ())],
        "links": [(name, links[key]) for name, key in _PAGES if links.get(key)],
        "fields": [] if tree.get("type") == "history" else list(_fields(type, dict(query))),
        "form": f"{base}/{'/'.join(step for step in path if step != '_search')}",
    }


#: Word for a page → the relation of its link; both spellings of "previous" are in use (RFC 5005, bundle.html).
_PAGES = (("first", "first"), ("previous", "previous"), ("previous", "prev"), ("next", "next"), ("last", "last"))


def _row(entry: dict[str, Any], base: str) -> dict[str, Any]:
    resource = entry.get("resource") or {}
    meta = resource.get("meta") or {}
    request = entry.get("request") or {}
    type, id, version = resource.get("resourceType", ""), resource.get("id", ""), meta.get("versionId", "")
    return {
        "name": f"{type}/{id}" if id else type or request.get("url", ""),
        "href": f"{base}/{type}/{id}" if id else "",
        "version_href": f"{base}/{type}/{id}/_history/{version}" if id and version else "",
        "label": label(resource),
        "version": version,
        "updated": meta.get("lastUpdated", "") or (entry.get("response") or {}).get("lastModified", ""),
        "mode": (entry.get("search") or {}).get("mode", ""),
        "method": request.get("method", ""),
        "issues": [_issue(issue) for issue in resource.get("issue", ())] if type == "OperationOutcome" else [],
    }


def _fields(type: str, given: dict[str, str]) -> Iterator[dict[str, str]]:
    known = parameters(type) if type else ()
    for parameter in known:
        if parameter.type in ("composite", "special") or parameter.code in ("_query", "_type"):
            continue
        hint = HINTS.get(parameter.type, "")
        yield {"code": parameter.code, "kind": parameter.type, "hint": hint, "value": given.get(parameter.code, "")}


@cache
def parameters(type: str) -> tuple[SearchParameter, ...]:
    """The standard search parameters of a type, `_id` and its like last, each code once."""
    return tuple(sorted(standard(type).values(), key=lambda one: (one.code.startswith("_"), one.code)))


def with_parameter(address: str, name: str, value: str) -> str:
    """`address` with one query parameter set."""
    parts = urlsplit(address)
    pairs = [(key, old) for key, old in parse_qsl(parts.query, keep_blank_values=True) if key != name]
    return urlunsplit(parts._replace(query=urlencode([*pairs, (name, value)])))
