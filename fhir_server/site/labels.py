"""A few words that tell one resource from another in a list."""

from __future__ import annotations

from typing import Any

#: Elements tried in turn; each may hold a string, a HumanName, a CodeableConcept, an Identifier or a Reference.
_TELLING = (
    "name",
    "title",
    "code",
    "type",
    "description",
    "medicationCodeableConcept",
    "vaccineCode",
    "serviceType",
    "category",
    "subject",
    "patient",
    "identifier",
    "url",
)


def label(resource: dict[str, Any]) -> str:
    """At most 120 characters; "" when nothing tells it."""
    for name in _TELLING:
        if text := _text(resource.get(name)):
            return text[:120]
    return ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    if name := " ".join([*_strings(value.get("given")), *_strings([value.get("family")])]):
        return name
    for key in ("text", "display", "coding", "value", "reference", "code"):
        if text := _text(value.get(key)):
            return text
    return ""


def _strings(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
