"""What `Reference.reference` and `Reference.type` may say, as JSON Schema: a grammar, and the types a target may have.

https://hl7.org/fhir/R4/references.html#literal. A target's type is read from the URL only where the URL has the
shape of a RESTful one; whether the resource is there is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.validation.rules import ruled
from fhir_server.validation.types.primitives import ID

_TARGET = "The reference's target is not of a type this element allows"
_CANONICAL = "The canonical leads to a resource of a type this element does not allow"
_VERSION = rf"(?:/_history/{ID})?"
_BASE = r"(?:https?://[^\s?#]+/)?"


def literal() -> dict[str, Any]:
    """Any reference: `#id`, a relative `Type/id`, a search (`Type?…`) to be resolved in a transaction, or a URI."""
    names = _alternatives(definitions.resource_types())
    relative = rf"(?:{names})(?:/{ID}{_VERSION}|\?[^\s]+)"
    schema = {"pattern": rf"^(?:#[^\s]*|[A-Za-z][A-Za-z0-9+.-]*:[^\s]+|{relative})$"}
    return ruled(schema, "reference-format", "Neither #id, Type/id with a type of R4, nor an absolute URI")


@cache
def _restful() -> dict[str, Any]:
    return {"pattern": _shape(definitions.resource_types())}


def targets(types: Iterable[str]) -> dict[str, Any] | None:
    """What a Reference to one of `types` adds to Reference; None when the target may be of any type."""
    names = sorted(types)
    if not names or "Resource" in names:
        return None
    said = {"enum": [*names, *(definitions.SPECIFICATION + n for n in names)]}
    known = definitions.resource_types()
    foreign = {"enum": [n for name in sorted(known - set(names)) for n in (name, definitions.SPECIFICATION + name)]}
    allowed = {"pattern": f"^(?:#|urn:)|{_shape(names)}"}
    return {
        "properties": {
            "reference": ruled({"anyOf": [allowed, {"not": _restful()}]}, "reference-target", _TARGET),
            "type": ruled({"anyOf": [said, {"not": foreign}]}, "reference-target", _TARGET),
        }
    }


def plain(types: Iterable[str]) -> dict[str, Any]:
    """A reference that is the type and id of one of `types`, and nothing more."""
    return {"pattern": rf"^(?:{_alternatives(types)})/{ID}$"}


def canonical(types: Iterable[str]) -> dict[str, Any] | None:
    """What a canonical of one of `types` adds; None when it may be of any type.

    https://hl7.org/fhir/R4/references.html#canonical. Its type is read only where it has the shape of a RESTful URL.
    """
    names = sorted(types)
    if not names or "Resource" in names:
        return None
    more = r"(?:\|[^\s#]*)?(?:#[^\s]*)?$"
    allowed, any_type = (rf"^{_BASE}(?:{_alternatives(of)})/{ID}{more}" for of in (names, definitions.resource_types()))
    return ruled({"anyOf": [{"pattern": allowed}, {"not": {"pattern": any_type}}]}, "canonical-target", _CANONICAL)


def points_to(types: Iterable[str]) -> dict[str, Any]:
    """A Reference whose target is seen to be of one of `types`, by its URL or by its `type`."""
    names = sorted(types)
    said = {"enum": [*names, *(definitions.SPECIFICATION + n for n in names)]}
    by_url = {"required": ["reference"], "properties": {"reference": {"pattern": _shape(names)}}}
    return {"anyOf": [by_url, {"required": ["type"], "properties": {"type": said}}]}


def _shape(types: Iterable[str]) -> str:
    return rf"^{_BASE}(?:{_alternatives(types)})(?:/{ID}{_VERSION}|\?[^\s]*)$"


def _alternatives(types: Iterable[str]) -> str:
    return "|".join(sorted(types))
