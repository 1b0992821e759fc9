"""`%resource` and the other variables: those the standard gives and those the host passes.

https://hl7.org/fhir/R4/fhirpath.html#variables, http://hl7.org/fhirpath/N1/#environment-variables
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.definitions import SPECIFICATION
from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, made, root
from fhir_server.fhir.fhirpath.registry import Collection
from fhir_server.fhir.fhirpath.shapes import SYSTEM_SHAPES

_CONSTANTS = {"sct": "http://snomed.info/sct", "loinc": "http://loinc.org", "ucum": "http://unitsofmeasure.org"}
_PREFIXES = {"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": SPECIFICATION}


def variable(name: str) -> Collection:
    """A closure that answers `%name`.

    A variable of the host may be a node, a JSON value (an object must have a `resourceType`), or a list of them.
    """
    if name == "resource":
        return lambda env, this: [env.resource] if env.resource is not None else EMPTY
    if name == "rootResource":
        return lambda env, this: [env.root] if env.root is not None else EMPTY
    if name == "context":
        return lambda env, this: env.context
    text = _CONSTANTS.get(name) or next(
        (url + name.removeprefix(start) for start, url in _PREFIXES.items() if name.startswith(start)), None
    )
    if text is not None:
        constant = [made(text)]
        return lambda env, this: constant
    return lambda env, this: _given(env, name)


def _given(env: Environment, name: str) -> list[Node]:
    if name not in env.variables:
        raise EvaluationError(f"There is no variable %{name}.")
    value = env.variables[name]
    return [_node(item) for item in (value if isinstance(value, list) else [value]) if item is not None]


def _node(value: Any) -> Node:
    if isinstance(value, Node):
        return value
    if isinstance(value, dict):
        return root(value)
    if value.__class__ not in SYSTEM_SHAPES:
        raise EvaluationError("A variable that FHIRPath has no type for.")
    return made(value)
