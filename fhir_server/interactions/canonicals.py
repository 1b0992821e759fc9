"""Canonicals that come with the server: what it judges by under them is nobody's to write over.

https://hl7.org/fhir/R4/references.html#canonical. A stored profile, value set, code system or search parameter of the
same URL would be found before the server's own, in a higher version or in none, and judge everybody's writes.
An administrator brings a national guide or a code system up to date with `profiles add` and `terminology import`.
"""

from __future__ import annotations

import gzip
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import Invalid
from fhir_server.search.parameters.registry import standard_by_url
from fhir_server.terminology.grammars import LANGUAGES, MEDIA_TYPES, UCUM
from fhir_server.validation.shipped import FOLDERS

_CORE = "hl7.fhir.r4.core"
_PACKED = ("code-systems", "value-sets", "concept-maps")


def refuse(tree: dict[str, Any]) -> None:
    """Refuse a resource of a type and canonical that come with the server, whatever its version.

    Raises:
        Invalid: (422).
    """
    type, url = tree["resourceType"], tree.get("url")
    if type in _types() and isinstance(url, str) and (type, url.partition("|")[0]) in shipped():
        text = f"The server has its own {type} of this canonical, and judges by it: it cannot be written over."
        raise Invalid(text, f"{type}.url", code="business-rule", key="shipped-canonical")


@cache
def shipped() -> frozenset[tuple[str, str]]:
    """(type, URL) of what comes with the server whole; a code system that it has no codes or a part of is left out."""
    found = {("SearchParameter", url) for url in standard_by_url()}
    found |= {("CodeSystem", url) for url in (UCUM, LANGUAGES, MEDIA_TYPES)}
    found |= {("StructureDefinition", f"{definitions.SPECIFICATION}{name}") for name in definitions.types()}
    core = definitions.folder("profiles") / _CORE
    heads = [_head(line) for line in (core / "profiles.ndjson").read_bytes().splitlines()]
    for name in _PACKED:
        with gzip.open(core / f"{name}.ndjson.gz") as lines:
            heads += map(_head, lines)
    for name in (*FOLDERS, "iso"):
        heads += [_head(file.read_bytes()) for file in sorted((core.parent / name).glob("*.json"))]
    return frozenset(found | {(head.resourceType, head.url) for head in heads if head.url and head.content in _WHOLE})


@cache
def _types() -> frozenset[str]:
    return frozenset(type for type, _ in shipped())


class _Head(msgspec.Struct):
    resourceType: str = "StructureDefinition"
    url: str = ""
    content: str = ""


#: `CodeSystem.content`, and none of other types.
_WHOLE = frozenset({"", "complete"})
_head = msgspec.json.Decoder(_Head, strict=False).decode
