"""`_sort`: by any parameter that has values to put in order, several keys deep.

https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.search.asking.criteria import OWN
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.protocol import Sort

#: Keys of one sort; the third already seldom decides anything.
MAX_KEYS = 8

Kind = Literal["word", "span", "own"]

#: Type of parameter → which rows hold its values.
_KINDS: dict[str, Kind] = {
    "string": "word",
    "token": "word",
    "reference": "word",
    "uri": "word",
    "date": "span",
    "number": "span",
    "quantity": "span",
}


def sorts(types: Sequence[str], value: str, registry: Registry) -> tuple[Sort, ...]:
    """The sort keys of one `_sort`, in order.

    Args:
        types: the types searched; a key is a parameter of each.
        value: parameter codes with commas between, `-` before those in descending order.
        registry: the parameters in force.

    Raises:
        InvalidParameter: no key, or too many.
        NotSupported: an unknown parameter, or one whose values have no order.
    """
    keys = [key.strip() for key in value.split(",")]
    if not all(key.lstrip("-") for key in keys) or len(keys) > MAX_KEYS:
        raise InvalidParameter(f"_sort is a list of 1 to {MAX_KEYS} search parameters with commas between.")
    return tuple(_sort(types, key, registry) for key in keys)


def _sort(types: Sequence[str], key: str, registry: Registry) -> Sort:
    code = key.removeprefix("-")
    if code in ("_id", "_lastUpdated"):
        return Sort(code, "own", key.startswith("-"))
    kinds = {_kind(type, code, registry) for type in types}
    if len(kinds) > 1:
        raise NotSupported(
            f"{code[:64]!r} is of different types in the resources searched, which have no common order."
        )
    return Sort(code, kinds.pop() if kinds else "word", key.startswith("-"))


def _kind(type: str, code: str, registry: Registry) -> Kind:
    param = registry.get(type, code)
    if param is None or code in OWN:
        raise NotSupported(f"{type} cannot be sorted by {code[:64]!r}.")
    kind = _KINDS.get(param.type)
    if kind is None:
        raise NotSupported(f"{code[:64]!r} is of type {param.type}, whose values have no order.")
    return kind
