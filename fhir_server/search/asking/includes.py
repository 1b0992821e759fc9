"""`_include` and `_revinclude` as they are asked for: what refers, by which parameter, to what.

https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.search.parameters.registry import Registry
from fhir_server.search.parameters.targets import targets_of


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` or `_revinclude`.

    Attributes:
        source: the type that refers, or "*".
        param: its reference parameter, or "*".
        target: the type referred to; "" for any.
        reverse: `_revinclude`.
        iterate: applied to what is included too.
    """

    source: str
    param: str
    target: str = ""
    reverse: bool = False
    iterate: bool = False


def parse_include(code: str, modifier: str, value: str, registry: Registry) -> Include:
    """The include that `code[:modifier]=value` asks for.

    Raises:
        InvalidParameter: not of the form `Type:parameter[:Type]`, or no reference parameter.
        NotSupported: a modifier other than `:iterate` (or its older name `:recurse`).
    """
    if modifier not in ("", "iterate", "recurse"):
        raise NotSupported(f"{code} has no modifier :{modifier[:64]}; it has :iterate.")
    source, param, target = _parts(code, value)
    for type in {source, target} - {"", "*"}:
        if type not in resource_types():
            raise InvalidParameter(f"{type[:64]!r} is not a resource type.")
    if "*" not in (source, param):
        found = registry.get(source, param)
        if found is None or found.type != "reference":
            raise InvalidParameter(f"{source} has no reference parameter {param[:64]!r}.")
    return Include(source, param, target, code == "_revinclude", bool(modifier))


def named(include: Include, registry: Registry) -> Iterator[tuple[str, ...]]:
    """The types that an include names, each as those of which one must be the caller's to search.

    `*` names none: it brings what the caller may see.
    """
    if include.source == "*":
        return
    yield (include.source,)
    if include.target:
        yield (include.target,)
    elif not include.reverse and include.param != "*" and (param := registry.get(include.source, include.param)):
        yield targets_of(param, include.source)


def _parts(code: str, value: str) -> tuple[str, str, str]:
    if value == "*":
        return "*", "*", ""
    parts = value.split(":")
    if len(parts) not in (2, 3) or not all(parts) or (parts[0] == "*" and parts[1] != "*"):
        raise InvalidParameter(f"{code} is [type]:[parameter], [type]:[parameter]:[target type], [type]:* or *.")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""
