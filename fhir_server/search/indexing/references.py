"""Reference parameters and uri parameters: what a resource refers to, here or elsewhere.

https://hl7.org/fhir/R4/search.html#reference, https://hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.references import parse, parse_canonical
from fhir_server.search.indexing.rows import Rows, System, Writers
from fhir_server.search.indexing.tokens import described, identifier


def reference(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The target, the identifier for `:identifier` and the display for `:text`."""
    target = value.get("reference")
    if target:
        link(rows, param, target)
    named = value.get("identifier")
    if named:
        identifier(rows, f"{param}:identifier", named)
    described(rows, param, value.get("display"))


def link(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """What a literal reference, a canonical or another URI names; a contained resource is kept as "#id"."""
    found = parse(value, rows.base)
    rows.word(param, found.target, found.version)
    if found.version and found.url and not found.type:
        versions(rows, param, found.url, found.version)


def versions(rows: Rows, param: str, url: str, version: str) -> None:
    """For `:below`, each version that has the stated one below it: 1 and 1.2 and 1.2.3 for 1.2.3."""
    steps = version.split(".")
    for length in range(1, min(len(steps), 8) + 1):
        rows.word(f"{param}:below", url, ".".join(steps[:length]))


def resource(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A resource that stands where a reference would (`Bundle.entry[0].resource`)."""
    if value.get("id"):
        rows.word(param, f"{value['resourceType']}/{value['id']}")


def uri(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The URI as written: URIs are matched precisely."""
    rows.word(param, value)


def canonical(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The URL, beside its version; with its fragment where it has one."""
    found = parse_canonical(value)
    rows.word(param, f"{found.url}#{found.fragment}" if found.fragment else found.url, found.version)


WRITERS: Writers = {
    "Reference": reference,
    "canonical": link,
    "uri": link,
    "url": link,
    "oid": link,
    "uuid": link,
}
URIS: Writers = {
    "uri": uri,
    "url": uri,
    "oid": uri,
    "uuid": uri,
    "id": uri,
    "string": uri,
    "canonical": canonical,
}
