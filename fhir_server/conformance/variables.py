"""`${name}` in a script: what it stands for when it is met.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.variable. A variable is judged each time it is used, in
`operation.params`, `operation.url`, `operation.requestHeader.value` and `assert.value` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from fhir_server.conformance.selection import by_expression, by_path
from fhir_server.conformance.sources import Source, Unusable

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
#: The source of an id, the last response for None; raises Unusable where there is none yet.
Find = Callable[[str | None], Source]


def replaced(text: str, variables: Mapping[str, Mapping[str, Any]], find: Find) -> str:
    """`text` with every `${name}` replaced.

    Args:
        text: of the script.
        variables: `TestScript.variable` by name.
        find: gives the fixture, request or response of an id.

    Raises:
        Unusable: no variable of that name, or it has no value, or several, or one that is no primitive.
    """
    return _PLACEHOLDER.sub(lambda match: _value(match[1], variables, find), text)


def _value(name: str, variables: Mapping[str, Mapping[str, Any]], find: Find) -> str:
    variable = variables.get(name)
    if variable is None:
        raise Unusable(f"There is no variable {name!r}.")
    try:
        found = _values(variable, find)
    except Unusable:
        # The default stands in where the source is not there (yet), or holds no resource.
        if "defaultValue" not in variable:
            raise
        found = []
    if len(found) > 1:
        raise Unusable(f"The variable {name!r} has {len(found)} values, where one is asked for.")
    if found:
        return primitive(found[0], name)
    if "defaultValue" not in variable:
        raise Unusable(f"The variable {name!r} has no value.")
    return str(variable["defaultValue"])


def _values(variable: Mapping[str, Any], find: Find) -> list[Any]:
    if "expression" in variable:
        return by_expression(variable["expression"], find(variable.get("sourceId")).resource())
    if "path" in variable:
        return by_path(variable["path"], find(variable.get("sourceId")).resource())
    if "headerField" in variable:
        value = find(variable.get("sourceId")).headers.get(variable["headerField"].lower())
        return [] if value is None else [value]
    return []


def primitive(value: Any, name: str) -> str:
    """A primitive as text: `true`, `1.50`, `text`.

    Raises:
        Unusable: an object or a list.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | Decimal):
        return str(value)
    raise Unusable(f"{name!r} is no primitive value.")
