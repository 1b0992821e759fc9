"""The compiled schema run by jsonschema, the reference implementation of JSON Schema in pure Python.

A second judge for diagnosis (`fhir-server validate --reference`), a hundred times slower than the one that serves.
https://json-schema.org/draft/2020-12/json-schema-core
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema
from jsonschema.validators import extend
from referencing import Registry, Resource

from fhir_server.validation.engine import compiled
from fhir_server.validation.types import narrative
from fhir_server.validation.types.compile import schema
from fhir_server.validation.types.primitive_siblings import KEYWORD, misaligned
from fhir_server.validation.types.primitives import REGISTRY


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    # JSON Schema's `$` is the end of the string; Python's also stands before a last line break.
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError("pattern")


def _aligned(validator: Any, name: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, dict) and any(misaligned(instance, name)):
        yield jsonschema.ValidationError("aligned")


def _type(validator: Any, type: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if type == "integer" and isinstance(instance, Decimal) and instance.as_tuple().exponent == 0:
        return  # Decimal("1") is written as the integer 1
    yield from jsonschema.Draft202012Validator.VALIDATORS["type"](validator, type, instance, schema)


@cache
def reference(type: str) -> Any:
    """jsonschema's validator of a type's structure; what looks beyond a schema (invariants) it does not know."""
    return of_schema(schema(type))


def differs(tree: dict[str, Any]) -> str | None:
    """Where the engine that serves and jsonschema judge a resource's structure differently; None when they agree.

    Args:
        tree: a resource of a known type, decimals as `Decimal`. Resources inside it are only objects here.
    """
    type = str(tree["resourceType"])
    found = next(reference(type).iter_errors(tree), None)
    if compiled(schema(type)).is_valid(tree) == (found is None):
        return None
    at = ".".join([type, *(str(step) for step in found.absolute_path)]) if found is not None else type
    return f"{at}: {'refused' if found is not None else 'accepted'} by jsonschema only."


def of_schema(rules: dict[str, Any]) -> Any:
    """jsonschema's validator of one of our schemas."""
    formats = jsonschema.FormatChecker()
    formats.checks("xhtml")(narrative.is_safe)
    cls = extend(jsonschema.Draft202012Validator, {"pattern": _pattern, KEYWORD: _aligned, "type": _type})
    registry: Any = Registry().with_resources((u, Resource.from_contents(d)) for u, d in REGISTRY.items())
    return cls(rules, format_checker=formats, registry=registry)
