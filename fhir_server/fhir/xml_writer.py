"""Writes the FHIR XML of a resource held as JSON, elements in the order of their definition.

https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Any

import msgspec

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import Malformed
from fhir_server.fhir.xml_narrative import checked
from fhir_server.fhir.xml_shapes import NAMESPACE, Child, Shape, shape

_VALUE = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    ord("\t"): "&#9;",
    ord("\n"): "&#10;",
    ord("\r"): "&#13;",
}
_PLAIN = re.compile(r'[^&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]*').fullmatch
# https://www.w3.org/TR/xml/#charsets: no escape makes these characters XML.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search


class _Digits(str):
    """A JSON number with the digits it was written with."""

    __slots__ = ()


_decoder = msgspec.json.Decoder(float_hook=_Digits)
_INDENT = "  "


class Writer:
    """One writing of one resource."""

    def __init__(self, max_depth: int = 64, pretty: bool = False) -> None:
        """Limit nesting to `max_depth` elements; with `pretty`, one element a line, indented."""
        self._out: list[str] = []
        self._max_depth = max_depth
        self._pretty = pretty

    def written(self, body: bytes) -> bytes:
        """The XML of the JSON resource in `body`.

        Raises:
            Malformed: it is not JSON, or not of the shape of its type, or holds a character XML has no way to write.
        """
        try:
            tree = _decoder.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Malformed("Not JSON.") from None
        self._out.append('<?xml version="1.0" encoding="UTF-8"?>')
        self._resource(tree, 0, f' xmlns="{NAMESPACE}"')
        return "".join(self._out).encode()

    def _line(self, depth: int) -> str:
        return "\n" + _INDENT * depth if self._pretty else ""

    def _resource(self, tree: Any, depth: int, namespace: str = "") -> None:
        type = tree.get("resourceType") if isinstance(tree, dict) else None
        if not isinstance(type, str) or type not in resource_types():
            raise Malformed("Not a resource of R4.")
        self._out.append(f"{self._line(depth)}<{type}{namespace}>")
        self._members(tree, shape(type), type, depth)
        self._out.append(f"{self._line(depth)}</{type}>")

    def _members(self, tree: dict[str, Any], form: Shape, path: str, depth: int) -> None:
        if depth > self._max_depth:
            raise Malformed(f"Nested deeper than {self._max_depth} levels.", code="too-costly")
        found: dict[str, Child] = {}
        for key in tree:
            child = form.elements.get(key) or form.elements.get(key[1:] if key[:1] == "_" else "")
            if child is not None:
                found[child.name] = child
            elif key not in form.attributes and key != "resourceType":
                raise Malformed("There is no such element.", f"{path}.{key[:64]}")
        for child in sorted(found.values(), key=_order):
            self._child(tree.get(child.name), tree.get("_" + child.name), child, f"{path}.{child.name}", depth + 1)

    def _child(self, value: Any, sibling: Any, child: Child, path: str, depth: int) -> None:
        if not child.repeats:
            self._one(value, sibling, child, path, depth)
            return
        if not isinstance(value if value is not None else [], list) or not isinstance(sibling or [], list):
            raise Malformed("Not an array.", path)
        for one, other in zip_longest(value or (), sibling or ()):
            self._one(one, other, child, path, depth)

    def _one(self, value: Any, sibling: Any, child: Child, path: str, depth: int) -> None:
        match child.kind:
            case "complex":
                self._complex(value, child, path, depth)
            case "resource":
                self._out.append(f"{self._line(depth)}<{child.name}>")
                self._resource(value, depth + 1)
                self._out.append(f"{self._line(depth)}</{child.name}>")
            case "xhtml":
                if not isinstance(value, str):
                    raise Malformed("Not a string.", path)
                self._out.append(self._line(depth) + checked(value))
            case _:
                self._primitive(value, sibling, child, path, depth)

    def _complex(self, value: Any, child: Child, path: str, depth: int) -> None:
        if not isinstance(value, dict):
            raise Malformed("Not an object.", path)
        form = shape(child.shape)
        attributes = "".join(
            f' {name}="{_escaped(value[name], path)}"'
            for name in ("id", "url")
            if name in form.attributes & value.keys()
        )
        self._out.append(f"{self._line(depth)}<{child.name}{attributes}")
        self._content(value, form, child, path, depth)

    def _content(self, value: dict[str, Any], form: Shape, child: Child, path: str, depth: int) -> None:
        mark = len(self._out)
        self._out.append(">")
        self._members(value, form, path, depth)
        if len(self._out) == mark + 1:
            self._out[mark] = "/>"
        else:
            self._out.append(f"{self._line(depth)}</{child.name}>")

    def _primitive(self, value: Any, sibling: Any, child: Child, path: str, depth: int) -> None:
        text = "" if value is None else f' value="{_escaped(_text(value, child, path), path)}"'
        if not sibling:
            if value is None:
                raise Malformed("A null that stands for nothing.", path)
            self._out.append(f"{self._line(depth)}<{child.name}{text}/>")
            return
        if not isinstance(sibling, dict):
            raise Malformed("Not an object.", path)
        id = f' id="{_escaped(sibling["id"], path)}"' if "id" in sibling else ""
        self._out.append(f"{self._line(depth)}<{child.name}{id}{text}")
        self._content(sibling, shape("Element"), child, path, depth)


def _order(child: Child) -> int:
    return child.order


def _text(value: Any, child: Child, path: str) -> str:
    match child.kind, value:
        case "boolean", bool():
            return "true" if value else "false"
        case "number", int() | _Digits() if not isinstance(value, bool):
            return str(value)
        case "string", str() if not isinstance(value, _Digits):
            return value
    raise Malformed(f"Not a {child.kind}.", path)


def _escaped(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Malformed("Not a string.", path)
    if _PLAIN(value):
        return value
    if _NOT_XML(value):
        raise Malformed("A character that cannot be written in XML.", path)
    return value.translate(_VALUE)
