"""The rules that are not FHIRPath: their keys, their issue codes, and how a schema carries them to the message.

A schema fragment built with `ruled` holds its rule under `x-rule`, so that a failing keyword of the compiled schema
names one rule, and no second description of it exists.
"""

from __future__ import annotations

from typing import Any

#: Key → issue code (https://hl7.org/fhir/R4/valueset-issue-type.html).
CODES: dict[str, str] = {
    "cardinality-min": "required",
    "cardinality-max": "structure",
    "choice-type": "structure",
    "unknown-element": "structure",
    "type": "structure",
    "empty": "structure",
    "resource-type": "structure",
    "primitive-format": "value",
    "primitive-array": "structure",
    "required-binding": "code-invalid",
    "maximum-binding": "code-invalid",
    "absolute-uri": "value",
    "identifier-uri": "value",
    "attachment-size": "value",
    "attachment-hash": "value",
    "code-system-content": "structure",
    "canonical-target": "structure",
    "reference-format": "value",
    "reference-target": "structure",
    "reference-aggregation": "structure",
    "element-id": "structure",
    "contained-id": "structure",
    "contained-reference": "not-found",
    "depth": "too-costly",
    "fixed-value": "value",
    "pattern-value": "value",
    "value-range": "value",
    "max-length": "too-long",
    "profile-type": "structure",
    "slice-unknown": "structure",
    "slice-order": "structure",
    "unknown-profile": "not-found",
}

#: JSON Schema keyword → the rule it breaks where its schema names none, and what to say.
KEYWORDS: dict[str, tuple[str, str]] = {
    "type": ("type", "Not of the JSON type its definition asks for"),
    "additionalProperties": ("unknown-element", "No such element here"),
    "required": ("cardinality-min", "A required element is missing"),
    "minItems": ("empty", "An array may not be empty"),
    "maxItems": ("cardinality-max", "More items than its definition allows"),
    "minProperties": ("empty", "An object may not be empty"),
    "minLength": ("empty", "A string may not be empty"),
    "maxLength": ("primitive-format", "Longer than its type allows"),
    "pattern": ("primitive-format", "Not written as its type asks for"),
    "format": ("primitive-format", "Not written as its type asks for"),
    "minimum": ("primitive-format", "Less than its type allows"),
    "maximum": ("primitive-format", "More than its type allows"),
    "enum": ("required-binding", "Not a code of the required value set"),
    "const": ("resource-type", "Not the type that was asked for"),
}


def ruled(
    schema: dict[str, Any], key: str, text: str, element: str = "", code: str = "", profile: str = ""
) -> dict[str, Any]:
    """`schema`, saying which rule its own keywords express.

    Args:
        schema: a JSON Schema object.
        key: of `CODES`, or an invariant's key.
        text: what is wrong, in words.
        element: the FHIRPath name of the child it is about, when it stands on the parent.
        code: issue code; that of `CODES` by default.
        profile: canonical URL of the profile whose rule it is.
    """
    rule: dict[str, Any] = {
        "key": key,
        "text": text,
        "code": code or CODES.get(key, "invariant"),
        "keywords": sorted(schema),
    }
    if element:
        rule["element"] = element
    if profile:
        rule["profile"] = profile
    return {**schema, "x-rule": rule}
