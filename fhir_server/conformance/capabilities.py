"""What a script requires of a server, held against the server's own CapabilityStatement.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.metadata.capability.capabilities: the statement of the
server holds at a minimum what the script's says, or the whole script is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhir_server.conformance.sources import Tree

Part = Mapping[str, Any]
#: Lists of codes, and lists of rows known by a member, at each level.
_LISTS = ("format", "patchFormat", "implementationGuide")
_ROWS = {"interaction": "code", "searchParam": "name", "operation": "name"}
_CODES = ("searchInclude", "searchRevInclude", "referencePolicy", "supportedProfile", "compartment")
#: Flags that are met when the server says the same.
_FLAGS = ("readHistory", "updateCreate", "conditionalCreate", "conditionalUpdate")
#: What meets a weaker claim: https://hl7.org/fhir/R4/valueset-conditional-delete-status.html and …-read-status.html
_AT_LEAST: dict[str, tuple[str, ...]] = {
    "versioning": ("no-version", "versioned", "versioned-update"),
    "conditionalDelete": ("not-supported", "single", "multiple"),
    "conditionalRead": ("not-supported", "modified-since", "full-support"),
}


def lacking(server: Tree, required: Tree) -> list[str]:
    """What `required` says and `server` does not, in words; both are CapabilityStatements."""
    found = [f"{name} {code}" for name in _LISTS for code in _absent(server, required, name)]
    rests = {rest.get("mode"): rest for rest in server.get("rest", ())}
    for rest in required.get("rest", ()):
        if rest.get("mode") == "server":
            found += _rest(rests.get("server", {}), rest)
    return found


def _rest(server: Part, required: Part) -> Iterator[str]:
    yield from (f"{name} {code}" for name in _CODES for code in _absent(server, required, name))
    yield from _rows(server, required, "the server")
    resources = {row.get("type"): row for row in server.get("resource", ())}
    for row in required.get("resource", ()):
        if row["type"] not in resources:
            yield f"the type {row['type']}"
        else:
            yield from _resource(resources[row["type"]], row)


def _resource(server: Part, required: Part) -> Iterator[str]:
    type = required["type"]
    yield from _rows(server, required, type)
    yield from (f"{type}: {name} {code}" for name in _CODES for code in _absent(server, required, name))
    for name in _FLAGS:
        # A requirement of `false` asks for nothing.
        if required.get(name) and server.get(name) != required[name]:
            yield f"{type}: {name}"
    for name, order in _AT_LEAST.items():
        if name in required and _place(order, server.get(name)) < _place(order, required[name]):
            yield f"{type}: {name} {required[name]}"


def _rows(server: Part, required: Part, of: str) -> Iterator[str]:
    for name, key in _ROWS.items():
        there = {row.get(key) for row in server.get(name, ())}
        yield from (f"{of}: {name} {row[key]}" for row in required.get(name, ()) if row[key] not in there)


def _absent(server: Part, required: Part, name: str) -> Iterable[str]:
    return (code for code in required.get(name, ()) if code not in server.get(name, ()))


def _place(order: tuple[str, ...], code: str | None) -> int:
    return order.index(code) if code in order else -1
