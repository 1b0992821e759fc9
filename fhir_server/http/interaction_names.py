"""What a request is called in logs and metrics: the interaction, the type, and a path without any id in it.

https://hl7.org/fhir/R4/valueset-type-restful-interaction.html
"""

from __future__ import annotations

import re
from functools import lru_cache

from fhir_server.fhir.definitions import resource_types

#: Method → interaction, where the path is that of one resource (`Patient/{id}`).
_INSTANCE = {"GET": "read", "HEAD": "read", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "unknown"}
#: Method → interaction, where the path is a type (`Patient`).
_TYPE = {
    "GET": "search-type",
    "HEAD": "search-type",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
#: Last segment → interaction, by the number of segments.
_SPECIAL = {
    (1, "metadata"): "capabilities",
    (1, "_history"): "history-system",
    (1, "_search"): "search-system",
    (2, "_history"): "history-type",
    (2, "_search"): "search-type",
    (3, "_history"): "history-instance",
    (3, "_search"): "search-compartment",
    (4, "_search"): "search-compartment",
}
#: Method → interaction, for the paths of three segments and more that `_SPECIAL` does not name.
_COMPARTMENT = {"GET": "search-compartment", "HEAD": "search-compartment"}
_OPERATION = re.compile(r"\$[a-z][a-z-]{0,39}")


def described(method: str, path: tuple[str, ...]) -> tuple[str, str, str]:
    """Interaction code, resource type ("" for none) and path template (`Patient/{id}/_history`) of a request."""
    if len(path) == 2 and method == "GET" and path[0] in resource_types() and path[1][0] not in "_$":
        return "read", path[0], path[0] + "/{id}"
    return _described(method, tuple(_step(step) for step in path[:6]))


def _step(step: str) -> str:
    if step in ("metadata", "_history", "_search", "*") or step in resource_types() or _OPERATION.fullmatch(step):
        return step
    return "{id}"


@lru_cache(maxsize=4096)
def _described(method: str, path: tuple[str, ...]) -> tuple[str, str, str]:
    type = path[0] if path and path[0] in resource_types() else ""
    return _interaction(method, path, type), type, "/".join(path)


def _interaction(method: str, path: tuple[str, ...], type: str) -> str:
    if method == "OPTIONS":
        return "options" if path else "capabilities"
    if not path:
        return "search-system" if method in ("GET", "HEAD") else "transaction"
    if path[-1].startswith("$"):
        return "operation"
    if special := _SPECIAL.get((len(path), path[-1])):
        return special
    if not type:
        return "unknown"
    if len(path) == 4 and path[2] == "_history":
        return "vread"
    return {1: _TYPE, 2: _INSTANCE}.get(len(path), _COMPARTMENT).get(method, "unknown")
