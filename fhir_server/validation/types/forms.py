"""What R4's text asks of the form of values beyond their primitive types, as JSON Schema by where it stands.

Absolute URIs: https://hl7.org/fhir/R4/datatypes.html#Identifier, #Coding, #Quantity, https://hl7.org/fhir/R4/extensibility.html,
https://hl7.org/fhir/R4/resource.html#canonical. Code systems: https://hl7.org/fhir/R4/codesystem.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fhir_server.fhir import definitions, ucum
from fhir_server.terminology.languages import is_language
from fhir_server.validation.rules import ruled
from fhir_server.validation.steps import Step, steps
from fhir_server.validation.types.attachments import CONTENT

Schema = dict[str, Any]
_ABSOLUTE: Schema = {"pattern": r"^[A-Za-z][A-Za-z0-9+.-]*:"}
_LANGUAGES = "http://hl7.org/fhir/ValueSet/languages"
_UCUM = "http://unitsofmeasure.org"
_ANY_LANGUAGE = "Not a language tag made of registered subtags"
#: Types of quantities whose unit may be any of one kind, and no other: the maximum of their binding.
_UNITS = {"Age": "unit-of-time", "Duration": "unit-of-time", "Distance": "unit-of-length"}


def _has_dimension_of(unit: str) -> Callable[[str], bool]:
    @lru_cache(maxsize=1024)
    def has_dimension(code: str) -> bool:
        return ucum.comparable(code, unit) is not False

    return has_dimension


#: Format → whether a text has it.
FORMATS: dict[str, Callable[[str], bool]] = {
    "language": is_language,
    "unit-of-time": _has_dimension_of("s"),
    "unit-of-length": _has_dimension_of("m"),
}


def forms(path: str) -> list[Schema]:
    """What is asked of an object whose children are defined at `path`."""
    found = list(_FORMS.get(path, ()))
    if path in _UNITS:
        found.append(_of_kind(_UNITS[path]))
    return found


def absolutes(path: str) -> tuple[str, ...]:
    """The properties of an object whose children are defined at `path` that are absolute URIs."""
    if path in definitions.resource_types() and _is_canonical(path):
        return ("url",)
    return ("system",) if path in _WITH_SYSTEM else ()


def absolute() -> Schema:
    """That a URI is absolute."""
    return ruled(_ABSOLUTE, "absolute-uri", "Not an absolute URI")


def most(step: Step) -> Schema | None:
    """The maximum of an element's binding: of what is bound to the usual languages any language, and nothing else."""
    binding = step.element.binding
    if step.type is None or step.sibling or binding is None:
        return None
    if binding.strength == "required" or (binding.valueSet or "").partition("|")[0] != _LANGUAGES:
        return None
    if step.type.code == "code":
        return ruled({"format": "language"}, "maximum-binding", _ANY_LANGUAGE)
    if step.type.code not in ("CodeableConcept", "Coding"):
        return None
    one: Schema = {
        "required": ["system", "code"],
        "properties": {"system": {"const": "urn:ietf:bcp:47"}, "code": {"format": "language"}},
    }
    concept: Schema = {"anyOf": [{"not": {"required": ["coding"]}}, {"properties": {"coding": {"contains": one}}}]}
    return ruled({"anyOf": [one if step.type.code == "Coding" else concept]}, "maximum-binding", _ANY_LANGUAGE)


def _of_kind(form: str) -> Schema:
    text = f"Not a {form.replace('-', ' ')}"
    return {
        "if": {"required": ["system", "code"], "properties": {"system": {"const": _UCUM}}},
        "then": {"properties": {"code": ruled({"format": form}, "maximum-binding", text)}},
    }


def _is_canonical(type: str) -> bool:
    """Whether a resource type has canonical URLs: a `url` that names it, and a publication status."""
    table = steps(type)
    url = table.get("url")
    return url is not None and url.type is not None and url.type.code == "uri" and "status" in table


#: A URI that is an identifier stands in the value, whole.
_URI_VALUE: Schema = {
    "if": {"required": ["system"], "properties": {"system": {"const": "urn:ietf:rfc:3986"}}},
    "then": {"properties": {"value": ruled(_ABSOLUTE, "identifier-uri", "The value of a URI is the whole URI")}},
}
_NO_CONCEPTS: Schema = {
    "if": {"required": ["content"], "properties": {"content": {"const": "not-present"}}},
    "then": ruled(
        {"not": {"required": ["concept"]}}, "code-system-content", "Concepts are said not to be here", "concept"
    ),
}
_SUPPLEMENTS: Schema = {
    "if": {"required": ["supplements"]},
    "then": {
        "properties": {
            "content": ruled({"const": "supplement"}, "code-system-content", "What supplements another says so")
        }
    },
}
_FORMS: Mapping[str, tuple[Schema, ...]] = {
    "Attachment": CONTENT,
    "CodeSystem": (_NO_CONCEPTS, _SUPPLEMENTS),
    "Identifier": (_URI_VALUE,),
}
_WITH_SYSTEM = frozenset(
    ("Coding", "Identifier", "ValueSet.compose.include", "Quantity", "Age", "Count", "Distance", "Duration")
)
