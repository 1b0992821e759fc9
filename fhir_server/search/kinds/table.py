"""Which modifiers each type of parameter has, and what they mean: the one table a modifier is added to.

https://hl7.org/fhir/R4/search.html#modifiers. `:missing` is everyone's but composites', and is not repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.fhir.definitions import SearchParameter
from fhir_server.search.kinds import composite, date, near, number, quantity, reference, string, token, uri
from fhir_server.search.kinds.reading import Meaning, Modifier, Modifiers
from fhir_server.search.parameters.targets import targets_of

_SIMPLE: dict[str, Modifiers] = {
    "string": string.MODIFIERS,
    "token": token.MODIFIERS,
    "reference": reference.MODIFIERS,
    "date": date.MODIFIERS,
    "number": number.MODIFIERS,
    "quantity": quantity.MODIFIERS,
    "uri": uri.MODIFIERS,
}
_MEANINGS: dict[str, Meaning] = {type: modifiers[""].meaning for type, modifiers in _SIMPLE.items()}

#: Type of parameter → modifier → what it does to a value; "" is no modifier.
MODIFIERS: Mapping[str, Modifiers] = {**_SIMPLE, "composite": composite.modifiers(_MEANINGS)}

#: Type of parameter → the further rows a value may stand in when `code` itself has none (a concept with only a text).
ALSO: Mapping[str, tuple[str, ...]] = {"token": ("text",), "reference": ("identifier", "text")}


def modifier_of(param: SearchParameter, type: str, name: str) -> Modifier | None:
    """What the modifier `name` ("" for none) does to `param` of `type`; None when it has no such modifier."""
    if param.type == "special":
        return near.MODIFIERS.get(name) if param.code == "near" else None
    found = MODIFIERS[param.type].get(name)
    if found is None and param.type == "reference" and name in targets_of(param, type):
        return reference.typed(name)
    return found


def modifiers_of(param: SearchParameter) -> list[str]:
    """The modifiers `param` takes, for people: `:missing`, those of its type, and the types it may refer to."""
    own = near.MODIFIERS if param.type == "special" else MODIFIERS[param.type]
    names = [name for name in own if name]
    if param.type != "composite":
        names = ["missing", *names]
    return names + (list(param.target) if param.type == "reference" else [])
