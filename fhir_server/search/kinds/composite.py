"""Composite parameters: several values joined by `$`, all met by one element of the resource.

https://hl7.org/fhir/R4/search.html#combining
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from fhir_server.fhir.definitions import SearchParameter
from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.search.kinds.reading import Asked, Meaning, Modifier, Modifiers
from fhir_server.search.kinds.values import split
from fhir_server.store.filters import And, Filter, Or, Together, either


def _together(meanings: dict[str, Meaning], asked: Asked, value: str) -> Filter:
    params = components(asked)
    parts = split(value, "$")
    if len(parts) != len(params) or not all(parts):
        codes = "$".join(param.code for param in params)
        raise InvalidParameter(f"A composite value has {len(params)} parts joined by $: {codes}.")
    return in_one_group(
        asked,
        [
            _meaning(meanings, param)(asked.part(param, number), part)
            for number, (param, part) in enumerate(zip(params, parts, strict=True), start=1)
        ],
    )


def components(asked: Asked) -> list[SearchParameter]:
    """The parameters the parts of a composite are judged as, in order.

    Raises:
        NotSupported: the composite names a parameter this server does not have.
    """
    found = [asked.reading.registry.by_url(component.definition) for component in asked.param.component]
    if None in found or not found:
        raise NotSupported("The parameters this composite is made of are not all known.")
    return [param for param in found if param is not None]


def in_one_group(asked: Asked, parts: Sequence[Filter]) -> Filter:
    """One element meeting all `parts`. Alternatives inside a part become alternatives of the whole."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, And) else (part,))]
    choices = [part.parts if isinstance(part, Or) else (part,) for part in flat]
    asked.reading.spend(prod(len(choice) for choice in choices))
    return either([Together(chosen) for chosen in product(*choices)])


def _meaning(meanings: dict[str, Meaning], param: SearchParameter) -> Meaning:
    meaning = meanings.get(param.type)
    if meaning is None:
        raise NotSupported(f"A composite part of type {param.type} cannot be searched.")
    return meaning


def modifiers(parts: dict[str, Meaning]) -> Modifiers:
    """The table of composites, given what each type of part means. R4: modifiers are not used on composites."""
    return {"": Modifier(lambda asked, value: _together(parts, asked, value))}
