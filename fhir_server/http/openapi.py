"""The OpenAPI description of the server, made from the statement it is held to: one path per interaction offered.

https://spec.openapis.org/oas/v3.1.0, https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder
from fhir_server.fhir.version import VERSION
from fhir_server.http.negotiation import FORM, JSON_PATCH, XML_PATCH
from fhir_server.interactions import statement
from fhir_server.search.parameters.registry import standard

_JSON, _XML = "application/fhir+json", "application/fhir+xml"
#: Parameters of the wire and of every search: name → (description, schema).
_COMMON: dict[str, tuple[str, dict[str, Any]]] = {
    "_format": ("Format of the answer, over Accept.", {"type": "string", "enum": ["json", "xml", "html"]}),
    "_pretty": ("One element a line.", {"type": "boolean"}),
    "_summary": ("Part of each resource.", {"type": "string", "enum": ["true", "text", "data", "count", "false"]}),
    "_elements": ("Elements to keep, by commas.", {"type": "string"}),
    "_count": ("Resources in a page.", {"type": "integer", "minimum": 0}),
    "_sort": ("Search parameters to order by, `-` before those that go down.", {"type": "string"}),
    "_total": ("How the total is counted.", {"type": "string", "enum": ["none", "estimate", "accurate"]}),
    "_include": ("References to follow, as Type:parameter.", {"type": "string"}),
    "_revinclude": ("References to follow backwards, as Type:parameter.", {"type": "string"}),
    "_since": ("Only versions made at or after this instant.", {"type": "string", "format": "date-time"}),
    "_at": ("Only versions current at this time.", {"type": "string"}),
}
_WIRE = ("_format", "_pretty")
_PART = (*_WIRE, "_summary", "_elements")
_SEARCH = (*_PART, "_count", "_sort", "_total", "_include", "_revinclude")
_HISTORY = (*_WIRE, "_count", "_since", "_at")
#: Header name → description.
_HEADERS = {
    "If-Match": 'Version the change was made from, as W/"1".',
    "If-None-Exist": "Search that must find nothing for the resource to be made.",
    "If-None-Match": "Version the client has already.",
    "Prefer": "return=minimal|representation|OperationOutcome; handling=strict|lenient",
}

#: Interaction → (method, path under the type, summary, query parameters, headers, whether it has a body).
_ROWS: dict[str, tuple[tuple[str, str, str, tuple[str, ...], tuple[str, ...], bool], ...]] = {
    "read": (("get", "/{id}", "Current version", _PART, ("If-None-Match",), False),),
    "vread": (("get", "/{id}/_history/{version}", "One version", _PART, (), False),),
    "update": (
        ("put", "/{id}", "Update, or create under this id", _WIRE, ("If-Match", "Prefer"), True),
        ("put", "", "Update what the search finds", _WIRE, ("If-Match", "Prefer"), True),
    ),
    "patch": (
        ("patch", "/{id}", "Change part of it", _WIRE, ("If-Match", "Prefer"), True),
        ("patch", "", "Change part of what the search finds", _WIRE, ("If-Match", "Prefer"), True),
    ),
    "delete": (
        ("delete", "/{id}", "Delete", (), ("If-Match",), False),
        ("delete", "", "Delete what the search finds", (), (), False),
    ),
    "history-instance": (("get", "/{id}/_history", "Versions of one resource", _HISTORY, (), False),),
    "history-type": (("get", "/_history", "Versions of all resources of the type", _HISTORY, (), False),),
    "create": (("post", "", "Create", _WIRE, ("If-None-Exist", "Prefer"), True),),
    "search-type": (
        ("get", "", "Search", _SEARCH, ("Prefer",), False),
        ("post", "/_search", "Search, criteria in a form", (), ("Prefer",), False),
    ),
}


@cache
def document(type: str | None = None) -> bytes:
    """The description as JSON, of one resource type or of all.

    Raises:
        KeyError: `type` is not served.
    """
    resources = statement.resources()
    types = [type] if type is not None else sorted(resources)
    paths: dict[str, Any] = {} if type else _system()
    for one in types:
        for path, method, operation in _operations(resources[one]):
            paths.setdefault(path, {})[method] = operation
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "FHIR R4", "version": VERSION},
            "servers": [{"url": "/fhir"}],
            "paths": paths,
            "components": _components(types),
            "security": [{}, {"bearer": []}],
        }
    )


def operations(type: str) -> list[tuple[str, str, str, list[str]]]:
    """(method, path, summary, names of the query parameters) of each operation of a type, for the reference page."""
    return [
        (method.upper(), path, operation["summary"], [_name(one) for one in operation["parameters"]])
        for path, method, operation in _operations(statement.resources()[type])
    ]


def _name(parameter: dict[str, Any]) -> str:
    return str(parameter.get("name") or parameter["$ref"].rpartition("/")[2].rpartition(".")[2])


def _operations(resource: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    type = resource["type"]
    for row in resource["interaction"]:
        for method, tail, summary, query, headers, body in _ROWS.get(row["code"], ()):
            parameters = [_reference(name) for name in (*query, *headers)] + _in_path(tail)
            if not tail and method != "post":
                parameters += [_reference(name) for name in _criteria(type)]
            name = f"{row['code']}-{method}{tail.replace('/', '-').replace('{', '').replace('}', '')}-{type}"
            operation = _operation(type, name, summary, parameters)
            if body:
                operation["requestBody"] = _body(type, patch=method == "patch")
            elif method == "post":
                operation["requestBody"] = _form(type)
            yield f"/{type}{tail}", method, operation
    for row in resource.get("operation", ()):
        yield from _named(type, row["name"], row["definition"])


def _operation(tag: str, id: str, summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    answer = {"content": {media: {"schema": {"type": ["object", "string"]}} for media in (_JSON, _XML)}}
    return {
        "tags": [tag],
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "2XX": {"description": "Done", **answer},
            "default": {"$ref": "#/components/responses/OperationOutcome"},
        },
    }


def _criteria(type: str) -> dict[str, dict[str, Any]]:
    """The search parameters of a type by the name of their component."""
    return {
        f"{type}.{code}": {
            "name": code,
            "in": "query",
            "description": f"{parameter.type} · {parameter.expression or parameter.url}",
            "schema": {"type": "string"},
        }
        for code, parameter in sorted(standard(type).items())
        if code not in _COMMON
    }


def _body(type: str, patch: bool) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Parameters" if patch else f"#/components/schemas/{type}"}
    content: dict[str, Any] = {_JSON: {"schema": schema}, _XML: {"schema": {"type": "string"}}}
    if patch:
        content[JSON_PATCH] = {"schema": {"type": "array", "items": {"type": "object"}}}
        content[XML_PATCH] = {"schema": {"type": "string"}}
    if type == "Binary":
        content["*/*"] = {"schema": {"type": "string", "format": "binary"}}
    return {"required": True, "content": content}


def _form(type: str) -> dict[str, Any]:
    names = {**{code: {"type": "string"} for code in standard(type)}, **{name: _COMMON[name][1] for name in _SEARCH}}
    return {"content": {FORM: {"schema": {"type": "object", "properties": names}}}}


def _named(type: str, name: str, definition: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    known = _definitions().get(definition, {})
    tails = [tail for key, tail in (("type", ""), ("instance", "/{id}")) if known.get(key, True)]
    for tail in tails:
        level = "instance" if tail else "type"
        for method in ("post",) if known.get("affectsState") else ("get", "post"):
            operation = _operation(type, f"{name}-{level}-{method}-{type}", f"${name}", _in_path(tail))
            if method == "post":
                operation["requestBody"] = {"content": {_JSON: {"schema": {"$ref": "#/components/schemas/Parameters"}}}}
            else:
                operation["parameters"] += [
                    {"name": one["name"], "in": "query", "schema": {"type": "string"}}
                    for one in known.get("parameter", ())
                    if one["use"] == "in" and one.get("type", "")[:1].islower()
                ]
            yield f"/{type}{tail}/${name}", method, operation


@cache
def _definitions() -> dict[str, dict[str, Any]]:
    """This server's OperationDefinitions by canonical URL."""
    files = sorted(folder("capability").glob("OperationDefinition-*.json"))
    found = [msgspec.json.decode(path.read_bytes()) for path in files]
    return {definition["url"]: definition for definition in found}


def _in_path(tail: str) -> list[dict[str, Any]]:
    return [_reference(name) for name in ("id", "version") if "{" + name + "}" in tail]


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/parameters/{name}"}


def _system() -> dict[str, Any]:
    """The paths of the whole system, for the interactions offered."""
    offered = statement.offered()
    get = {"search-system": ("/", "Search in several types", _SEARCH), "history-system": ("/_history", "All", _HISTORY)}
    paths: dict[str, Any] = {
        "/metadata": {"get": _operation("system", "capabilities", "What the server can do", [_reference("_format")])}
    }
    for code, (path, summary, names) in get.items():
        if (None, code) in offered:
            paths.setdefault(path, {})["get"] = _operation("system", code, summary, [_reference(n) for n in names])
    if (None, "transaction") in offered or (None, "batch") in offered:
        post = _operation("system", "transaction", "Batch or transaction", [_reference("Prefer")])
        post["requestBody"] = _body("Bundle", patch=False)
        paths.setdefault("/", {})["post"] = post
    return paths


def _components(types: list[str]) -> dict[str, Any]:
    identifier = {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}
    parameters: dict[str, Any] = {
        name: {"name": name, "in": "query", "description": words, "schema": schema}
        for name, (words, schema) in _COMMON.items()
    }
    parameters |= {
        name: {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}
        for name, words in _HEADERS.items()
    }
    for type in types:
        parameters |= _criteria(type)
    for name in ("id", "version"):
        parameters[name] = {"name": name, "in": "path", "required": True, "schema": identifier}
    outcome = {media: {"schema": {"$ref": "#/components/schemas/OperationOutcome"}} for media in (_JSON,)}
    return {
        "parameters": parameters,
        "responses": {"OperationOutcome": {"description": "What went wrong", "content": outcome}},
        "schemas": {type: _schema(type) for type in sorted({*types, "Bundle", "OperationOutcome", "Parameters"})},
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
    }


def _schema(type: str) -> dict[str, Any]:
    return {
        "type": "object",
        "externalDocs": {"url": f"https://hl7.org/fhir/R4/{type.lower()}.html"},
        "required": ["resourceType"],
        "properties": {"resourceType": {"const": type}, "id": {"type": "string"}},
    }
