"""Whether coded values are in the value sets that profiles bind them to, where their codes are known.

https://hl7.org/fhir/R4/terminologies.html#strength. What cannot be told is not said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.fhir.fhirpath.environment import Services
from fhir_server.fhir.outcome import Issue, Severity
from fhir_server.validation.types import bindings

Strength = Literal["required", "extensible", "preferred", "maximum"]

#: Strength → key, severity, text.
_SAID: dict[str, tuple[str, Severity, str]] = {
    "required": ("required-binding", "error", "Not a code of the required value set."),
    "maximum": ("maximum-binding", "error", "Not a code of the value set that is the most its profile allows."),
    "extensible": ("extensible-binding", "warning", "Not a code of the value set, which is extensible."),
    "preferred": ("preferred-binding", "information", "Not a code of the value set, which is preferred."),
}
_MAXIMUM = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
_CODED = frozenset({"code", "Coding", "CodeableConcept", "Quantity", "string", "uri"})


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding: its value set, and how strong it is."""

    value_set: str
    strength: Strength

    def broken(self, value: Any, type: str, at: str, services: Services) -> Issue | None:
        """The issue when a code, Coding or CodeableConcept is not in the value set; None where that is not known."""
        if self.strength in ("extensible", "preferred") and not _has_code(value):
            return None
        if _member(value, type, self.value_set, services) is not False:
            return None
        return self.issue(at)

    def issue(self, at: str) -> Issue:
        """What is said of a code at `at` that is not in the value set."""
        key, severity, text = _SAID[self.strength]
        return Issue(severity, "code-invalid", text, at, key)


def bound(facts: dict[str, Any], type: str) -> list[Bound]:
    """The bindings of an element of `type` that its schema does not judge."""
    binding = facts.get("binding")
    if not isinstance(binding, dict) or type not in _CODED:
        return []
    found: list[Bound] = []
    value_set, strength = binding.get("valueSet"), binding.get("strength")
    by_schema = strength == "required" and bindings.bound(str(value_set).partition("|")[0], type) is not None
    if isinstance(value_set, str) and strength in _SAID and not by_schema:
        found.append(Bound(value_set, strength))
    return found + [Bound(most, "maximum") for most in _most(binding)]


def _most(binding: dict[str, Any]) -> list[str]:
    """The value sets that say the most a binding allows."""
    extensions = binding.get("extension")
    said = [e for e in extensions if isinstance(e, dict)] if isinstance(extensions, list) else []
    values = [e.get("valueCanonical") or e.get("valueUri") for e in said if e.get("url") == _MAXIMUM]
    return [value for value in values if isinstance(value, str)]


def _has_code(value: Any) -> bool:
    """Words alone are what an extensible binding leaves room for."""
    return isinstance(value, str) or (isinstance(value, dict) and bool(value.get("coding") or value.get("code")))


def _member(value: Any, type: str, value_set: str, services: Services) -> bool | None:
    told = services.member_of(value, type, value_set) if services.member_of else None
    if told is not None:
        return told
    codes = bindings.known(value_set.partition("|")[0])
    if codes is None:
        return None
    if isinstance(value, str):
        return any(value in of or not of for of in codes.values())
    if not isinstance(value, dict):
        return None
    codings = value.get("coding", ()) if type == "CodeableConcept" else [value]
    listed = codings if isinstance(codings, list) else []
    return any(is_among(codes, one) for one in listed if isinstance(one, dict))


def is_among(codes: Mapping[str, Collection[str]], coding: dict[str, Any]) -> bool:
    """Whether a Coding is one of the codes listed by their systems; a system without a list has them all."""
    own = codes.get(str(coding.get("system")))
    code = coding.get("code")
    return own is not None and (not own or (isinstance(code, str) and code in own))
