"""The one door to `fhir.resources`: R4 resources read by typed models that are not ours.

https://pypi.org/project/fhir.resources/. A second reader for what this server makes itself and for diagnosis
(`fhir-server doctor`, `fhir-server validate --reference`); never on the way of a request, where a model costs 100 to
600 µs a resource. The models are R4B's (4.3.0), the nearest there are: R4 types that R4B left out have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from fhir_server.fhir.json import serialize

_MODELS = "fhir.resources.R4B"


def has_model(type: str) -> bool:
    """Whether there is a model of this resource type, such as "Patient"."""
    return type.isalnum() and find_spec(f"{_MODELS}.{type.lower()}") is not None


def problems(tree: Mapping[str, Any]) -> list[str]:
    """What keeps a resource from being read by its model, an element and a reason each; none when it is read.

    Args:
        tree: a resource whose type `has_model`, decimals as `Decimal`.
    """
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    type = str(tree["resourceType"])
    try:
        get_fhir_model_class(type).model_validate_json(serialize(dict(tree)))
    except ValidationError as error:
        # The input stays out of the words: it may be a patient's.
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return [f"{'.'.join((type, *map(str, one['loc'])))}: {one['msg']}." for one in found]
    return []
