"""A JSON Schema of this package, ready to run in Rust.

https://json-schema.org/draft/2020-12/json-schema-core
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs

from fhir_server.validation import ordering
from fhir_server.validation.types import attachments, forms, keywords, narrative, primitive_siblings
from fhir_server.validation.types.primitives import REGISTRY


def compiled(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """`schema` ready to run, with this package's formats and keywords."""
    return jsonschema_rs.Draft202012Validator(
        schema,
        registry=_registry(),
        formats={"xhtml": narrative.is_safe, **forms.FORMATS},
        validate_formats=True,
        keywords={
            primitive_siblings.KEYWORD: primitive_siblings.Aligned,
            ordering.KEYWORD: ordering.Ordered,
            keywords.INVARIANT: keywords.Held,
            attachments.KEYWORD: attachments.OfData,
            keywords.NOTED: keywords.Noted,
            keywords.CODED: keywords.Coded,
        },
        # Rust's own engine: linear time for every pattern, whoever wrote the value.
        pattern_options=jsonschema_rs.RegexOptions(),
    )


@cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(list(REGISTRY.items()))
