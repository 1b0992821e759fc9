"""Chains (`subject:Patient.name`) and reverse chains (`_has:Observation:patient:code`), of any depth, in each other.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fhir_server.fhir.definitions import SearchParameter, resource_types
from fhir_server.fhir.outcome import FhirError, Forbidden, InvalidParameter, NotSupported, TooCostly
from fhir_server.search.indexing.enclosed import inside
from fhir_server.search.kinds.reading import MAX_CHAIN, Reading
from fhir_server.search.parameters.targets import targets_of
from fhir_server.store.filters import Filter, Linked, LinkedFrom, either

#: From (type, parameter name with modifiers and chains, value, steps so far) to a filter on that type.
Criterion = Callable[[str, str, str, int], Filter]


def chained(reading: Reading, type: str, name: str, value: str, steps: int, criterion: Criterion) -> Filter:
    """The filter of `code[:Type].rest=value` on `type`.

    Without `:Type`, every type the parameter may refer to and that has the parameter behind the point is meant.

    Raises:
        InvalidParameter, NotSupported: not a chain that can be followed.
        TooCostly: more than `MAX_CHAIN` steps.
    """
    head, _, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    param = reference_parameter(reading, type, code)
    types = _targets(param, type, modifier)
    return through(reading, code, types, lambda target: criterion(target, rest, value, _next(steps)))


def through(reading: Reading, code: str, types: Iterable[str], behind: Callable[[str], Filter]) -> Filter:
    """A reference `code` to a resource of one of `types` that satisfies what `behind` makes for its type.

    Types for which `behind` cannot be asked, or that the caller has no scope for, are left out; when there is no
    other, the reason is given, a missing scope before others.
    """
    found: list[Filter] = []
    problem: FhirError | None = None
    for target in types:
        try:
            where = behind(target)
            reading.require(target)
            found += [Linked(code, target, where), inside(where, code, target)]
            reading.spend()
        except TooCostly:
            raise
        except FhirError as error:
            problem = error if problem is None or isinstance(error, Forbidden) else problem
    if not found:
        raise problem or NotSupported(f"{code} refers to no type that has this parameter.")
    return either(found)


def reverse(reading: Reading, type: str, name: str, value: str, steps: int, criterion: Criterion) -> Filter:
    """The filter of `_has:Source:reference:rest=value` on `type`.

    Raises:
        InvalidParameter, NotSupported: not of this form, or no such reference to `type`.
        Forbidden: the caller has no scope to search the source.
        TooCostly: more than `MAX_CHAIN` steps.
    """
    _, source, code, rest = (*name.split(":", 3), "", "", "")[:4]
    if not (source and code and rest):
        raise InvalidParameter("_has is written _has:[type]:[reference parameter]:[parameter].")
    if source not in resource_types():
        raise InvalidParameter(f"{source[:64]} is not a resource type.")
    param = reference_parameter(reading, source, code)
    if type not in targets_of(param, source):
        raise InvalidParameter(f"{source}.{code} does not refer to {type}.")
    reading.require(source)
    reading.spend()
    return LinkedFrom(source, code, criterion(source, rest, value, _next(steps)))


def reference_parameter(reading: Reading, type: str, code: str) -> SearchParameter:
    """The parameter `code` of `type`, which must be a reference.

    Raises:
        NotSupported: no such parameter.
        InvalidParameter: not a reference.
    """
    param = reading.registry.get(type, code)
    if param is None:
        raise NotSupported(f"{type} has no search parameter {code[:64]!r}.")
    if param.type != "reference":
        raise InvalidParameter(f"{type}.{code} is of type {param.type}: only references can be followed.")
    return param


def _targets(param: SearchParameter, type: str, modifier: str) -> tuple[str, ...]:
    types = targets_of(param, type)
    if not modifier:
        return types
    if modifier not in types:
        raise InvalidParameter(f"{param.code} does not refer to {modifier[:64]!r}; a chain takes no other modifier.")
    return (modifier,)


def _next(steps: int) -> int:
    if steps >= MAX_CHAIN:
        raise TooCostly(f"A chain has at most {MAX_CHAIN} steps.")
    return steps + 1
