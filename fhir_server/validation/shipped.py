"""The profiles that come with the server beside R4's own: the national ones and ours, read when first asked for.

https://hl7.org/fhir/R4/profiling.html. `profiles/national` holds, as differentials, what national guides ask, under
the guides' canonicals; `profiles/ens` what no guide has, under our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder

FOLDERS = ("national", "ens")


class _Head(msgspec.Struct, frozen=True):
    resourceType: str
    url: str
    type: str = ""
    kind: str = ""


@cache
def _bodies() -> Mapping[str, tuple[_Head, bytes]]:
    """Canonical → what a file is about, and its bytes, in the order of the file names."""
    files = [f for name in FOLDERS for f in sorted((folder("profiles") / name).glob("*.json"))]
    found = {}
    for file in files:
        body = file.read_bytes()
        head = msgspec.json.decode(body, type=_Head)
        found[head.url] = (head, body)
    return found


def shipped(url: str) -> Mapping[str, Any] | None:
    """The StructureDefinition of a canonical without version; None where none comes with the server."""
    return of(url, "StructureDefinition")


@lru_cache(maxsize=512)
def of(url: str, type: str) -> Mapping[str, Any] | None:
    """The resource of a canonical without version and a type (`ValueSet`); None where none comes with the server."""
    head, body = _bodies().get(url, (None, b""))
    if head is None or head.resourceType != type:
        return None
    tree: dict[str, Any] = msgspec.json.decode(body)
    return tree


def supported() -> dict[str, list[str]]:
    """Resource type → canonicals of the profiles of it that come with the server."""
    found: dict[str, list[str]] = {}
    for url, (head, _) in _bodies().items():
        if head.resourceType == "StructureDefinition" and head.kind == "resource":
            found.setdefault(head.type, []).append(url)
    return found


def resources(*types: str) -> Iterator[dict[str, Any]]:
    """What comes with the server of the given resource types (`CodeSystem`, `ValueSet`)."""
    for head, body in _bodies().values():
        if head.resourceType in types:
            yield msgspec.json.decode(body)
