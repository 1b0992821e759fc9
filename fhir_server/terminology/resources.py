"""From CodeSystem, ValueSet and ConceptMap resources to what the store of concepts takes.

https://hl7.org/fhir/R4/codesystem.html, https://hl7.org/fhir/R4/codesystem-concept-properties.html
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import msgspec

from fhir_server.store.concepts import Artifact, Concept, Kind

KINDS: tuple[Kind, ...] = ("CodeSystem", "ValueSet", "ConceptMap")
_STANDARD = "http://hl7.org/fhir/concept-properties#"
#: Statuses of a concept that is not to be used any more.
_ENDED = frozenset({"retired", "inactive"})


class _Designation(msgspec.Struct, omit_defaults=True):
    value: str = ""
    language: str | None = None
    use: dict[str, Any] | None = None


class _Row(msgspec.Struct, omit_defaults=True):
    code: str = ""
    display: str = ""
    definition: str | None = None
    designation: list[_Designation] = []
    property: list[dict[str, Any]] = []
    concept: list[_Row] = []


class _Defined(msgspec.Struct):
    code: str = ""
    uri: str = ""


class _CodeSystem(msgspec.Struct):
    concept: list[_Row] = []
    property: list[_Defined] = []


class _Kept(msgspec.Struct, omit_defaults=True):
    definition: str | None = None
    designation: list[_Designation] = []
    property: list[dict[str, Any]] = []


_HEAD = msgspec.json.Decoder(dict[str, msgspec.Raw])
#: Decimals keep their digits: https://hl7.org/fhir/R4/datatypes.html#decimal
_SYSTEM = msgspec.json.Decoder(_CodeSystem, strict=False, float_hook=Decimal)
_encode = msgspec.json.Encoder(decimal_format="number").encode


def artifact(source: str, stamp: str, body: bytes) -> Artifact:
    """What is kept of a resource as a whole; `url` "" where it has none."""
    head = _HEAD.decode(body)
    kind = cast(Kind, _text(head, "resourceType"))
    if kind == "CodeSystem":
        head.pop("concept", None)
        body = msgspec.json.encode(head)
    return Artifact(
        0, kind, _text(head, "url"), _text(head, "version"), source, stamp, _text(head, "supplements"), body
    )


def concepts(body: bytes) -> Iterator[Concept]:
    """The concepts of a CodeSystem, each before those beneath it."""
    system = _SYSTEM.decode(body)
    meanings = _Meanings(system.property)
    downwards = meanings.children(system.concept)
    stack = [(row, "") for row in reversed(system.concept)]
    while stack:
        row, parent = stack.pop()
        if row.code:
            yield meanings.concept(row, parent, downwards.get(row.code, []))
        stack += [(below, row.code) for below in reversed(row.concept)]


class _Meanings:
    """What the properties a code system defines mean to a server."""

    def __init__(self, defined: list[_Defined]) -> None:
        named = {d.code: d.uri.removeprefix(_STANDARD) for d in defined if d.uri.startswith(_STANDARD)}
        self.parent = frozenset({"parent", "subsumedBy", *(c for c, m in named.items() if m == "parent")})
        self.child = frozenset({"child", *(c for c, m in named.items() if m == "child")})
        self.inactive = frozenset({"inactive", *(c for c, m in named.items() if m == "inactive")})
        self.status = frozenset({"status", *(c for c, m in named.items() if m == "status")})
        self.abstract = frozenset(
            {"notSelectable", "abstract", *(c for c, m in named.items() if m in ("notSelectable", "not-selectable"))}
        )

    def children(self, rows: list[_Row]) -> dict[str, list[str]]:
        """Code → the codes whose `child` property names it."""
        found: dict[str, list[str]] = {}
        stack = list(rows)
        while stack:
            row = stack.pop()
            for one in row.property:
                if one.get("code") in self.child:
                    found.setdefault(value(one), []).append(row.code)
            stack += row.concept
        return found

    def concept(self, row: _Row, parent: str, further: list[str]) -> Concept:
        pairs = [(str(one.get("code")), value(one)) for one in row.property]
        parents = [parent] if parent else []
        parents += [v for code, v in pairs if code in self.parent]
        extra = _Kept(row.definition, row.designation, row.property)
        words = [row.code, row.display, *(d.value for d in row.designation)]
        return Concept(
            code=row.code,
            display=row.display,
            parents=tuple(dict.fromkeys([*parents, *further])),
            inactive=any((c in self.inactive and v == "true") or (c in self.status and v in _ENDED) for c, v in pairs),
            abstract=any(c in self.abstract and v == "true" for c, v in pairs),
            properties=tuple(pairs),
            words=" ".join(words),
            extra=b"" if extra == _Kept() else _encode(extra),
        )


def value(property: dict[str, Any]) -> str:
    """The value of a property of a concept as text; of a Coding its code."""
    found = next((v for key, v in property.items() if key.startswith("value")), "")
    if isinstance(found, bool):
        return str(found).lower()
    return str(found.get("code", "")) if isinstance(found, dict) else str(found)


def _text(head: dict[str, msgspec.Raw], name: str) -> str:
    raw = head.get(name)
    found = msgspec.json.decode(raw) if raw is not None else ""
    return found if isinstance(found, str) else ""
