"""A small code system with a hierarchy, and value sets over it."""

from __future__ import annotations

from typing import Any

URL = "http://example.org/animals"

#: animal > (mammal > (cat, dog), bird, retired-beast); bat is both a mammal and, by its property, a bird-like flyer.
ANIMALS: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": URL,
    "version": "1",
    "name": "Animals",
    "status": "active",
    "content": "complete",
    "caseSensitive": True,
    "valueSet": "http://example.org/all-animals",
    "property": [
        {"code": "legs", "type": "integer"},
        {"code": "parent", "type": "code", "uri": "http://hl7.org/fhir/concept-properties#parent"},
        {"code": "inactive", "type": "boolean", "uri": "http://hl7.org/fhir/concept-properties#inactive"},
        {"code": "notSelectable", "type": "boolean", "uri": "http://hl7.org/fhir/concept-properties#notSelectable"},
    ],
    "concept": [
        {
            "code": "animal",
            "display": "Animal",
            "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {
                    "code": "mammal",
                    "display": "Mammal",
                    "definition": "It drinks milk.",
                    "designation": [{"language": "fr", "value": "Mammifère"}],
                    "concept": [
                        {"code": "cat", "display": "Cat", "property": [{"code": "legs", "valueInteger": 4}]},
                        {"code": "dog", "display": "Dog", "property": [{"code": "legs", "valueInteger": 4}]},
                        {"code": "bat", "display": "Bat", "property": [{"code": "parent", "valueCode": "flyer"}]},
                    ],
                },
                {"code": "flyer", "display": "Flyer", "property": [{"code": "legs", "valueInteger": 2}]},
                {"code": "dodo", "display": "Dodo", "property": [{"code": "inactive", "valueBoolean": True}]},
            ],
        }
    ],
}


def value_set(*include: dict[str, Any], exclude: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A value set of these includes."""
    compose: dict[str, Any] = {"include": list(include)}
    if exclude:
        compose["exclude"] = exclude
    return {"resourceType": "ValueSet", "status": "active", "compose": compose, **more}


def filtered(property: str, op: str, value: str) -> dict[str, Any]:
    """An include of the animals a filter leaves."""
    return {"system": URL, "filter": [{"property": property, "op": op, "value": value}]}


def parameters(**given: Any) -> dict[str, Any]:
    """A Parameters resource; names with `_` for `-`."""
    rows = []
    for name, value in given.items():
        key = "resource" if isinstance(value, dict) and "resourceType" in value else _key(value)
        rows.append({"name": name.replace("_", "-"), key: value})
    return {"resourceType": "Parameters", "parameter": rows}


def _key(value: Any) -> str:
    if isinstance(value, dict):
        return "valueCodeableConcept" if "coding" in value else "valueCoding"
    return {bool: "valueBoolean", int: "valueInteger"}.get(type(value), "valueString")
