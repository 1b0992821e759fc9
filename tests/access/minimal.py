"""The smallest valid resource of each type, made from R4's own definitions: every element that must be there."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.definitions import Element

#: A value of each primitive and of what data types need to mean something.
_VALUES: dict[str, Any] = {
    "boolean": True,
    "canonical": "http://example.org/canonical",
    "code": "a",
    "date": "2026-01-01",
    "dateTime": "2026-01-01",
    "decimal": 1,
    "id": "a",
    "instant": "2026-01-01T00:00:00Z",
    "integer": 1,
    "markdown": "a",
    "oid": "urn:oid:1.2",
    "positiveInt": 1,
    "string": "a",
    "time": "12:00:00",
    "unsignedInt": 1,
    "uri": "http://example.org/uri",
    "url": "http://example.org/url",
    "Address": {"text": "a"},
    "Age": {"value": 1, "unit": "a"},
    "Attachment": {"title": "a"},
    "CodeableConcept": {"text": "a"},
    "Coding": {"code": "a"},
    "HumanName": {"text": "a"},
    "Identifier": {"value": "a"},
    "Money": {"value": 1},
    "Period": {"start": "2026-01-01"},
    "Quantity": {"value": 1},
    "Reference": {"display": "a"},
    "Timing": {"code": {"text": "a"}},
}
#: What invariants ask for beside the elements that must be there.
_BESIDE: dict[str, dict[str, Any]] = {
    "AllergyIntolerance": {
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
            ]
        }
    },
    "Appointment": {"participant": [{"status": "accepted", "type": [{"text": "a"}]}]},
    "AppointmentResponse": {"participantType": [{"text": "a"}]},
    "Consent": {"policyRule": {"text": "a"}},
    "Binary": {"contentType": "text/plain"},
    "Bundle": {"type": "collection"},
    "CapabilityStatement": {"kind": "requirements", "description": "a", "rest": [{"mode": "server"}]},
    "EventDefinition": {"trigger": [{"type": "named-event", "name": "a"}]},
    "ImmunizationRecommendation": {
        "recommendation": [{"forecastStatus": {"text": "a"}, "targetDisease": {"text": "a"}}]
    },
    "InsurancePlan": {"name": "a"},
    "Linkage": {"item": [{"type": "source", "resource": {"display": "a"}}] * 2},
    "Organization": {"name": "a"},
    "StructureDefinition": {
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"path": "Patient", "id": "Patient"}]},
    },
    "TerminologyCapabilities": {"kind": "capability", "description": "a", "software": {"name": "a"}},
}


@cache
def _codes() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (definitions.folder("profiles") / "hl7.fhir.r4.core" / "required-codes.json").read_bytes()
    )
    return found


def resource(type: str) -> dict[str, Any]:
    """The smallest resource of `type`."""
    return {"resourceType": type, **_filled(type), **_BESIDE.get(type, {})}


def _filled(path: str) -> dict[str, Any]:
    made = {}
    for name, element in definitions.children(path).items():
        if element.min:
            kind = element.types[0].code
            key = name.replace("[x]", kind[:1].upper() + kind[1:])
            value = _value(element, kind)
            made[key] = [value] if element.repeats else value
    return made


def _value(element: Element, kind: str) -> Any:
    if kind in ("BackboneElement", "Element"):
        return _filled(element.path)
    if kind == "code" and element.binding and element.binding.valueSet:
        codes = _codes().get(element.binding.valueSet.partition("|")[0])
        return next(iter(codes.values()))[0] if codes else "text/plain"
    return _VALUES.get(kind) or _filled(kind)


def links(type: str) -> list[str]:
    """Paths below `type` of every element that may refer to a Patient, with `[x]` where the element is a choice."""
    return [
        element.path.removeprefix(f"{type}.")
        for element in definitions.types()[type].elements
        if any(one.code == "Reference" and {"Patient", "Resource"} & {*one.targets} for one in element.types)
    ]


def referring(tree: dict[str, Any], path: str, *references: dict[str, Any]) -> dict[str, Any]:
    """`tree` with `references` at `path`; of an element that does not repeat, the first. What is above is made."""
    return {**tree, **_referring(tree, tree["resourceType"], path, references)}


def _referring(node: dict[str, Any], place: str, path: str, references: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    element = definitions.children(place)[name]
    key = name.replace("[x]", "Reference")
    if not rest:
        return {key: list(references) if element.repeats else references[0]}
    held = node.get(key, [])
    first: dict[str, Any] = (held[0] if isinstance(held, list) and held else held) or _filled(element.path)
    if element.repeats and len(references) > 1:
        return {key: [{**first, **_referring(first, element.path, rest, (one,))} for one in references]}
    inner = {**first, **_referring(first, element.path, rest, references)}
    return {key: [inner] if element.repeats else inner}
