"""Required bindings as JSON Schema: the codes R4 itself lists, a grammar or a list where they come from outside.

https://hl7.org/fhir/R4/terminologies.html#required. A value set whose codes are not known here is not checked.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import Element, folder
from fhir_server.validation import shipped
from fhir_server.validation.rules import ruled

_TEXT = "Not a code of the required value set"
_NAME = "[A-Za-z0-9!#$&^_.+-]+"

#: Value set → what a code of it looks like, where its system is too large to list or not HL7's to publish.
_GRAMMARS: dict[str, dict[str, Any]] = {
    # BCP 13. A CapabilityStatement may also say xml, json or ttl (https://hl7.org/fhir/R4/capabilitystatement.html).
    "http://hl7.org/fhir/ValueSet/mimetypes": {
        "pattern": f"^(?:xml|json|ttl|{_NAME}/(?:{_NAME}|\\*)(?: ?; ?{_NAME}=[^;]+)*)$"
    },
}
#: Value set that is the whole of a code system beside R4's own → its file in `profiles`.
_LISTED = {"http://hl7.org/fhir/ValueSet/currencies": "iso/CodeSystem-iso-4217.json"}
_SYSTEMS: dict[str, dict[str, list[str]]] = {
    "http://hl7.org/fhir/ValueSet/ucum-units": {"http://unitsofmeasure.org": []},
}


def required(element: Element, type: str) -> dict[str, Any] | None:
    """The schema that `element`'s required binding adds to a value of `type`; None without one or when unknown."""
    binding = element.binding
    if binding is None or binding.strength != "required" or not binding.valueSet:
        return None
    return bound(binding.valueSet.partition("|")[0], type)


def bound(value_set: str, type: str) -> dict[str, Any] | None:
    """The schema of a value of `type` whose code must come from `value_set`; None when its codes are not known here."""
    codes = known(value_set)
    if type in ("code", "string", "uri"):
        schema = _GRAMMARS.get(value_set) or _whole(value_set)
        if schema is None and codes and all(codes.values()):
            schema = {"enum": sorted({c for of in codes.values() for c in of})}
        return schema and ruled(schema, "required-binding", _TEXT)
    if codes is None:
        return None
    coding = {"anyOf": [_coding(system, of) for system, of in codes.items()]}
    if type == "Coding":
        return ruled(coding, "required-binding", _TEXT)
    if type == "CodeableConcept":
        # Only an extension (data-absent-reason) can stand for the code that is required.
        known_concept = {"required": ["coding"], "properties": {"coding": {"contains": coding}}}
        absent = {"required": ["extension"], "properties": {"coding": False, "text": False}}
        return ruled({"anyOf": [known_concept, absent]}, "required-binding", _TEXT)
    return None


@cache
def known(value_set: str) -> dict[str, list[str]] | None:
    """System → codes (empty: any) of a value set that R4 can enumerate, None for the others."""
    return _SYSTEMS.get(value_set) or _listed().get(value_set) or _shipped(value_set)


class _Concept(msgspec.Struct):
    code: str


class _CodeSystem(msgspec.Struct):
    concept: list[_Concept]


def _whole(value_set: str) -> dict[str, Any] | None:
    if value_set not in _LISTED:
        return None
    system = msgspec.json.decode((folder("profiles") / _LISTED[value_set]).read_bytes(), type=_CodeSystem)
    return {"enum": [one.code for one in system.concept]}


def _shipped(value_set: str) -> dict[str, list[str]] | None:
    """The codes of a value set that comes with the server and lists them all."""
    if value_set.startswith("http://hl7.org/fhir/"):
        return None
    tree = shipped.of(value_set, "ValueSet") or {}
    include = tree.get("compose", {}).get("include", [])
    listed = {i["system"]: [c["code"] for c in i["concept"]] for i in include if "concept" in i}
    return listed if listed and len(listed) == len(include) else None


@cache
def _listed() -> dict[str, dict[str, list[str]]]:
    data = (folder("profiles") / "hl7.fhir.r4.core" / "required-codes.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, dict[str, list[str]]])


def _coding(system: str, codes: list[str]) -> dict[str, Any]:
    code: dict[str, Any] = {"enum": codes} if codes else {}
    return {"required": ["system", "code"], "properties": {"system": {"const": system}, "code": code}}
