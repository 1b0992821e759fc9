"""What a CodeSystem says of the properties of its concepts, and what its concepts then have.

https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.property: a property has a code of its own and a type,
which is that of its values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.fhir.outcome import Issue

Tree = dict[str, Any]
_KEY = "code-system-property"


def issues(system: Tree, at: str) -> Iterator[Issue]:
    """Properties that are declared twice, and values of another type than was declared.

    Args:
        system: the CodeSystem.
        at: its FHIRPath.
    """
    types: dict[str, Any] = {}
    for number, row in _objects(system.get("property")):
        code = row.get("code")
        if not isinstance(code, str):
            continue
        if code in types:
            text = "Another property of the code system has this code."
            yield Issue("error", "duplicate", text, f"{at}.property[{number}].code", _KEY)
        types.setdefault(code, row.get("type"))
    if types:
        yield from _values(system, at, types)


def _values(system: Tree, at: str, types: dict[str, Any]) -> Iterator[Issue]:
    waiting: list[tuple[Tree, str]] = [(system, at)]
    while waiting:
        holder, here = waiting.pop()
        for number, concept in _objects(holder.get("concept")):
            there = f"{here}.concept[{number}]"
            waiting.append((concept, there))
            for n, row in _objects(concept.get("property")):
                if _is_of_another(row, types):
                    text = "Not of the type that the code system declares for this property."
                    yield Issue("error", "structure", text, f"{there}.property[{n}].value", _KEY)


def _is_of_another(row: Tree, types: dict[str, Any]) -> bool:
    code, value = row.get("code"), next((key for key in row if key.startswith("value")), None)
    declared = types.get(code) if isinstance(code, str) else None
    return isinstance(declared, str) and value is not None and value.removeprefix("value").lower() != declared.lower()


def _objects(value: Any) -> Iterator[tuple[int, Tree]]:
    for number, one in enumerate(value if isinstance(value, list) else ()):
        if isinstance(one, dict):
            yield number, one
