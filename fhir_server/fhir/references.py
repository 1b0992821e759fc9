"""What a reference says: relative, absolute, versioned, canonical, `urn:` or contained.

https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/datatypes.html#canonical
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import resource_types


class Reference(msgspec.Struct, frozen=True):
    """A reference taken apart.

    Attributes:
        type: resource type, where the reference is of the form `[type]/[id]`; None for canonical, `urn:` and `#`.
        id: logical id, likewise.
        version: of `/_history/[version]`, or of a canonical's `|version`; "" when it names none.
        url: the absolute URL without version and fragment; "" for what is on this server and for a contained resource.
        fragment: what follows `#`; the id of the contained resource when there is no type and no url.
    """

    type: str | None = None
    id: str | None = None
    version: str = ""
    url: str = ""
    fragment: str = ""

    @property
    def local(self) -> bool:
        """Whether it names a resource of this server: relative, or absolute under the server's own base."""
        return self.type is not None and not self.url

    @property
    def contained(self) -> bool:
        """Whether it names a resource inside the one that holds it (`#id`; `#` alone is that resource itself)."""
        return self.type is None and not self.url

    @property
    def target(self) -> str:
        """How an index row names it: "Patient/1" for a local one, else the URL, or "#id" for a contained one."""
        if self.url:
            return self.url
        return f"{self.type}/{self.id}" if self.type else f"#{self.fragment}"


_local = re.compile(
    r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?(?:#(.*))?", re.DOTALL
).fullmatch
_remote = re.compile(
    r"([A-Za-z][A-Za-z0-9+\-.]*://[^#|?]*?/([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64}))"
    r"(?:/_history/([A-Za-z0-9\-.]{1,64}))?(?:#(.*))?",
    re.DOTALL,
).fullmatch


@lru_cache(maxsize=8192)
def parse(text: str, base: str = "") -> Reference:
    """What `Reference.reference` says.

    Args:
        text: the reference as written. Anything is accepted: what is none of the known forms is a `url`.
        base: the server's own base URL; what is under it is local. `""`: only relative references are.
    """
    if text.startswith("#"):
        return Reference(fragment=text[1:])
    root = base.rstrip("/") + "/"
    if base and text.startswith(root):
        text = text[len(root) :]
    found = _local(text)
    if found and found[1] in resource_types():
        return Reference(found[1], found[2], found[3] or "", "", found[4] or "")
    found = _remote(text)
    if found and found[2] in resource_types():
        return Reference(found[2], found[3], found[4] or "", found[1], found[5] or "")
    if "|" in text:
        return parse_canonical(text)
    url, _, fragment = text.partition("#")
    return Reference(url=url, fragment=fragment)


@lru_cache(maxsize=8192)
def parse_canonical(text: str) -> Reference:
    """What a `canonical` says: `url|version#fragment`, version and fragment optional; `#id` is a contained resource."""
    whole, _, fragment = text.partition("#")
    url, _, version = whole.partition("|")
    # Both orders are met: `url|1.0#part` is the specification's, `url#part|1.0` is common.
    if "|" in fragment and not version:
        fragment, _, version = fragment.partition("|")
    return Reference(url=url, version=version, fragment=fragment)


def walk_references(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every Reference in a resource that says a `reference`, contained resources and Bundle entries included.

    Yields:
        The Reference's own JSON object (change its `reference` to rewrite it), and the FHIRPath of that object
        (`Observation.subject`, `Composition.section[0].entry[1]`), in document order.
    """
    pending: list[tuple[Any, str]] = [(tree, str(tree.get("resourceType", "")))]
    while pending:
        node, path = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get("reference"), str) and node.keys() <= _MEMBERS and not _education(path):
                yield node, path
            pending.extend((v, f"{path}.{k}") for k, v in reversed(node.items()) if isinstance(v, _NODES))
        else:
            rows = reversed(list(enumerate(node)))
            pending.extend((v, f"{path}[{i}]") for i, v in rows if isinstance(v, _NODES))


#: What has others inside it.
_NODES = (dict, list)
#: What a Reference may hold. `DetectedIssue.reference` and `Expression.reference` are URIs beside other members.
_MEMBERS = frozenset("id extension reference _reference type _type identifier display _display".split())
# Immunization.education may hold nothing but its `reference`, which is a URI too.
_education = re.compile(r"Immunization\.education\[\d+\]$").search
