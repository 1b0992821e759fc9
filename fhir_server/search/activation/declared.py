"""A `SearchParameter` resource read as the parameter it declares, or refused with the reasons why it is of no use.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any

from msgspec.structs import replace

from fhir_server.fhir.definitions import Component, SearchParameter, resource_types
from fhir_server.fhir.outcome import FhirError, Invalid, Issue
from fhir_server.fhir.paths import compile_path
from fhir_server.search.indexing.elements import NoSuchElement, Reached, reached
from fhir_server.search.indexing.plan import WRITERS, writers_of
from fhir_server.search.parameters.registry import Registry, clauses, standard, standard_by_url

_ABSTRACT = frozenset({"Resource", "DomainResource"})
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}")
_LONGEST_EXPRESSION = 10_000
_MOST_COMPONENTS = 10

#: An element of the SearchParameter, and what is wrong with it.
Defect = tuple[str, str]


def check(resource: dict[str, Any], registry: Registry) -> None:
    """Refuse a SearchParameter that nothing could be found by.

    One that is not `active`, is the standard's own (same URL), or restates one of the standard's, changes nothing here
    and is always accepted.

    Raises:
        Invalid: with every reason, each at its element.
    """
    declared(resource, registry)


def declared(resource: dict[str, Any], registry: Registry) -> SearchParameter | None:
    """The parameter that a SearchParameter adds; None when it adds none: not active, or the standard's own, restated.

    What it restates for some of its types only, it adds for the others.

    Args:
        resource: a SearchParameter that is valid as a resource.
        registry: what is there already, for clashes and for a composite's components.

    Raises:
        Invalid: nothing could be found by it; every reason, each at its element.
    """
    if resource.get("status") != "active" or resource.get("url") in standard_by_url():
        return None
    parameter = _read(resource)
    new = tuple(base for base in parameter.base if not _restates(resource, parameter, base))
    if not new:
        return None
    parameter = replace(parameter, base=new)
    issues = [
        Issue("error", "invalid", reason, f"SearchParameter.{element}", key="search-parameter")
        for element, reason in _defects(parameter, registry)
    ]
    if issues:
        raise Invalid(issues=issues)
    return parameter


def is_restated(resource: dict[str, Any]) -> bool:
    """Whether an active SearchParameter only says again what the standard's own do, which stay in force."""
    if resource.get("status") != "active" or resource.get("url") in standard_by_url():
        return False
    parameter = _read(resource)
    return all(_restates(resource, parameter, base) for base in parameter.base)


def _restates(resource: dict[str, Any], parameter: SearchParameter, base: str) -> bool:
    """Whether the standard has the parameter for a type: the one it is derived from, or one that finds by the same.

    https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.derivedFrom: guides say so which of the
    standard's parameters, modifiers and comparators their servers support; it is the same search.
    """
    own = standard(base).get(parameter.code)
    if own is None or own.type != parameter.type:
        return False
    derived = str(resource.get("derivedFrom", "")).partition("|")[0]
    return (derived != "" and derived == own.url) or _alternatives(parameter, base) == _alternatives(own, base)


def _alternatives(parameter: SearchParameter, base: str) -> set[str]:
    return {"".join(clause.split()) for clause in clauses(parameter.expression or "", base)}


def _read(resource: dict[str, Any]) -> SearchParameter:
    return SearchParameter(
        url=resource["url"],
        code=resource["code"],
        type=resource["type"],
        base=tuple(resource["base"]),
        name=resource.get("name", ""),
        expression=resource.get("expression"),
        target=tuple(resource.get("target", ())),
        component=tuple(Component(c["definition"], c["expression"]) for c in resource.get("component", ())),
        comparator=tuple(resource.get("comparator", ())),
        modifier=tuple(resource.get("modifier", ())),
        multipleOr=resource.get("multipleOr"),
        multipleAnd=resource.get("multipleAnd"),
    )


def _defects(parameter: SearchParameter, registry: Registry) -> Iterator[Defect]:
    yield from _of_name(parameter, registry)
    for element, names, known in (
        ("base", parameter.base, resource_types() | _ABSTRACT),
        ("target", parameter.target, resource_types()),
    ):
        yield from (
            (f"{element}[{n}]", "There is no such resource type.") for n, x in enumerate(names) if x not in known
        )
    if parameter.type not in WRITERS and parameter.type != "composite":
        yield "type", f"There is no parameter type {parameter.type}."
    elif parameter.type == "special":
        yield "type", "A special parameter means what its own code does: this server has none for it."
    elif not parameter.expression:
        yield "expression", "Without an expression there is nothing to find a resource by."
    elif len(parameter.expression) > _LONGEST_EXPRESSION:
        yield "expression", f"An expression has at most {_LONGEST_EXPRESSION} characters."
    else:
        yield from _of_expression(parameter, registry)


def _of_name(parameter: SearchParameter, registry: Registry) -> Iterator[Defect]:
    # R4 search.html: names that begin with _ are for parameters of every type and of the result.
    if not _CODE.fullmatch(parameter.code):
        yield "code", "A code that stands in a URL has letters, digits, - and _, and starts with a letter."
    for base in parameter.base:
        own = standard(base).get(parameter.code) or _added(parameter, base, registry)
        if own is not None:
            yield "code", f"{base} has a search parameter {parameter.code} already: {own.url}."


def _added(parameter: SearchParameter, base: str, registry: Registry) -> SearchParameter | None:
    """Another added parameter of the same name for the same type."""
    for other, _ in registry.added().values():
        if other.url != parameter.url and other.code == parameter.code and base in other.base:
            return other
    return None


def _of_expression(parameter: SearchParameter, registry: Registry) -> Iterator[Defect]:
    for base in parameter.base:
        if base not in resource_types() | _ABSTRACT:
            continue
        found = clauses(parameter.expression or "", base)
        if not found:
            yield "expression", f"No alternative of the expression starts at {base}."
        for clause in found:
            yield from _of_clause(parameter, clause, base, registry)


def _of_clause(parameter: SearchParameter, clause: str, base: str, registry: Registry) -> Iterator[Defect]:
    start = "DomainResource" if base == "Resource" and clause.startswith("DomainResource") else base
    found = yield from _compiled("expression", clause, start)
    if parameter.type == "composite":
        path = found.leaves[0].owner if found and found.leaves else base
        yield from _of_components(parameter, path, base, registry)
    elif found and not _written(parameter, found):
        types = ", ".join(dict.fromkeys(leaf.type for leaf in found.leaves))
        yield "expression", f"A {parameter.type} parameter has nothing to say of {types or 'nothing'} ({clause})."


def _of_components(parameter: SearchParameter, path: str, base: str, registry: Registry) -> Iterator[Defect]:
    if not 2 <= len(parameter.component) <= _MOST_COMPONENTS:
        yield "component", f"A composite is made of 2 to {_MOST_COMPONENTS} components."
        return
    for number, component in enumerate(parameter.component):
        part = registry.by_url(component.definition)
        if part is None or part.type in ("composite", "special"):
            yield f"component[{number}].definition", "There is no such parameter that a composite could be made of."
        outside = component.expression.startswith("%resource.")
        for clause in clauses(component.expression.removeprefix("%resource."), base if outside else path):
            yield from _compiled(f"component[{number}].expression", clause, base if outside else path)


def _compiled(element: str, clause: str, start: str) -> Generator[Defect, None, Reached | None]:
    """Yields the defect of a clause that cannot be compiled; returns what it reaches, None when it is no plain path."""
    try:
        compile_path(clause, start)
        return reached(clause, start)
    except NoSuchElement as error:
        yield element, f"{error} ({clause})."
    except FhirError as error:
        yield element, f"Not an expression that can be evaluated: {error} ({clause})."
    return None


def _written(parameter: SearchParameter, found: Reached) -> bool:
    writers = writers_of(parameter)
    return any(leaf.type in writers or leaf.type in ("Extension", "Resource") for leaf in found.leaves)
