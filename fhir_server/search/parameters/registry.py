"""The search parameters in force: the standard's for every type, and those that `SearchParameter` resources add.

https://hl7.org/fhir/R4/searchparameter-registry.html, https://hl7.org/fhir/R4/searchparameter.html. A parameter added
at run time is indexed on write at once, and can be asked for when what was there before is indexed too
(`search/activation/reindex.py`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from fhir_server.fhir.definitions import Component, SearchParameter, resource_types, search_parameters, types
from fhir_server.search.parameters.additions import NONE, Additions

#: Examples of how a SearchParameter looks, which the package publishes beside the real ones.
EXAMPLES = frozenset(
    f"http://hl7.org/fhir/SearchParameter/{name}" for name in ("example", "example-extension", "example-reference")
)
_PUBLISHED = "http://hl7.org/fhir/SearchParameter/"
#: Composites whose components the standard publishes wrongly: the two of one swapped, a type misspelt in another.
CORRECTED = {
    f"{_PUBLISHED}DocumentReference-relationship": (
        Component(f"{_PUBLISHED}DocumentReference-relation", "code"),
        Component(f"{_PUBLISHED}DocumentReference-relatesto", "target"),
    ),
    f"{_PUBLISHED}Observation-code-value-date": (
        Component(f"{_PUBLISHED}clinical-code", "code"),
        Component(f"{_PUBLISHED}Observation-value-date", "value.as(dateTime) | value.as(Period)"),
    ),
}
#: Parameters of the search page itself, for which the standard publishes no SearchParameter resource.
UNPUBLISHED = (
    SearchParameter(url="", code="_has", type="special", base=("Resource",), name="_has"),
    SearchParameter(url="", code="_list", type="special", base=("Resource",), name="_list"),
    SearchParameter(url="", code="_type", type="token", base=("Resource",), name="_type"),
)
#: Parameters without an expression that are answered from elsewhere than rows of their own.
WITHOUT_EXPRESSION = frozenset({"_text", "_content", "_filter", "_query", "_has", "_list", "_type"})

State = Literal["pending", "complete"]


class Part(NamedTuple):
    """One element of a composite.

    Attributes:
        parameter: the search parameter it is judged as.
        expression: where it is found, from the composite's own element, or from the resource after `%resource.`.
    """

    parameter: SearchParameter
    expression: str


class Registry:
    """The search parameters of each resource type.

    Attributes:
        zone: of dates and times written without one.
        additions: what services add beside parameters.
        generation: grows with every change.
        compiled: what others have compiled from a type's parameters, by its name; emptied with every change.
    """

    __slots__ = ("_added", "_mine", "_usable", "additions", "compiled", "generation", "zone")

    def __init__(self, zone: ZoneInfo | None = None, additions: Additions = NONE) -> None:
        """With the standard's parameters; `zone` is Europe/Paris when not given."""
        self.additions = additions
        self.zone = zone or ZoneInfo("Europe/Paris")
        self.generation = 0
        self.compiled: dict[str, Any] = {}
        self._added: dict[str, tuple[SearchParameter, State]] = {}
        self._mine: dict[str, Mapping[str, SearchParameter]] = {}
        self._usable: dict[str, Mapping[str, SearchParameter]] = {}

    def get(self, type: str, code: str) -> SearchParameter | None:
        """The parameter `code` of a type, if it can be searched by now."""
        return self.of(type).get(code)

    def of(self, type: str) -> Mapping[str, SearchParameter]:
        """The parameters that resources of `type` can be searched by, by code; those of every resource come first.

        A name that is no resource type has none. "Resource" has those that every type has.
        """
        if not self._added:
            return standard(type)
        found = self._usable.get(type)
        if found is None:
            found = self._usable[type] = self._with(type, usable=True)
        return found

    def indexed(self, type: str) -> Mapping[str, SearchParameter]:
        """The parameters for which rows are written: as `of`, and those whose indexing is not complete."""
        if not self._added:
            return standard(type)
        found = self._mine.get(type)
        if found is None:
            found = self._mine[type] = self._with(type, usable=False)
        return found

    def by_url(self, url: str) -> SearchParameter | None:
        """The parameter whose canonical URL is `url` (any `|version` left aside), pending ones included."""
        url = url.partition("|")[0]
        added = self._added.get(url)
        return added[0] if added else standard_by_url().get(url)

    def parts(self, parameter: SearchParameter) -> tuple[Part, ...]:
        """What a composite is made of, in order; () for any other parameter or when a component is not known."""
        found = tuple(Part(part, c.expression) for c in parameter.component if (part := self.by_url(c.definition)))
        return found if len(found) == len(parameter.component) else ()

    def state(self, url: str) -> State | None:
        """How far an added parameter is; None for a standard or unknown one."""
        added = self._added.get(url)
        return added[1] if added else None

    def added(self) -> Mapping[str, tuple[SearchParameter, State]]:
        """The parameters that SearchParameter resources define, by URL, and how far each is."""
        return MappingProxyType(self._added)

    def activate(self, parameter: SearchParameter, state: State = "pending") -> None:
        """Index `parameter` from now on; answer searches by it when `state` is "complete".

        Args:
            parameter: as `search.activation.declared` reads it from a SearchParameter resource. It replaces one with
                its URL.
            state: "pending" until everything stored before is indexed by it.
        """
        if self._added.get(parameter.url) != (parameter, state):
            self._added[parameter.url] = (parameter, state)
            self._changed()

    def replace(self, added: Mapping[str, tuple[SearchParameter, State]]) -> bool:
        """Make `added` the whole of what is added; says whether that changed anything."""
        if self._added == added:
            return False
        self._added = dict(added)
        self._changed()
        return True

    def _changed(self) -> None:
        self.generation += 1
        self.compiled.clear()
        self._mine.clear()
        self._usable.clear()

    def _with(self, type: str, usable: bool) -> Mapping[str, SearchParameter]:
        bases = {type, *bases_of(type)}
        own = {
            parameter.code: parameter
            for parameter, state in self._added.values()
            if (state == "complete" or not usable) and not bases.isdisjoint(parameter.base)
        }
        # The standard's own meaning of a code is never overridden.
        return MappingProxyType({**standard(type), **{c: p for c, p in own.items() if c not in standard(type)}})


@cache
def standard(type: str) -> Mapping[str, SearchParameter]:
    """The standard's parameters for `type`, by code."""
    by_base = _by_base()
    found: dict[str, SearchParameter] = {}
    for base in (*bases_of(type), type):
        found.update(by_base.get(base, {}))
    return MappingProxyType(found)


@cache
def standard_by_url() -> Mapping[str, SearchParameter]:
    """The standard's parameters by canonical URL, examples and such without expression left out."""
    return {p.url: p for p in _published()}


@cache
def bases_of(type: str) -> tuple[str, ...]:
    """The abstract types that a resource type inherits from, the most general first: ("Resource", "DomainResource")."""
    if type not in resource_types() and type != "DomainResource":
        return ()
    base = types()[type].base
    return (*bases_of(base), base) if base else ()


@cache
def clauses(expression: str, type: str) -> tuple[str, ...]:
    """The alternatives of a parameter's `expression` that speak of `type`, each an expression of its own.

    The standard writes one parameter for many types (`Patient.name | Person.name`): those of other types are left out.
    """
    own = {type, *bases_of(type)}
    return tuple(clause for clause in _alternatives(expression) if _subject(clause) in own or _relative(clause))


@cache
def _by_base() -> dict[str, dict[str, SearchParameter]]:
    found: dict[str, dict[str, SearchParameter]] = defaultdict(dict)
    for parameter in (*_published(), *UNPUBLISHED):
        for base in parameter.base:
            found[base][parameter.code] = parameter
    return found


@cache
def _published() -> tuple[SearchParameter, ...]:
    return tuple(
        replace(parameter, component=CORRECTED.get(parameter.url, parameter.component))
        for parameter in search_parameters()
        if parameter.url not in EXAMPLES and (parameter.expression or parameter.code in WITHOUT_EXPRESSION)
    )


def _alternatives(expression: str) -> Iterator[str]:
    """The operands of the outermost `|`, which neither brackets nor quotes enclose."""
    depth, quoted, start = 0, False, 0
    for i, char in enumerate(expression):
        if char == "'" and expression[i - 1 : i] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif char in "()[]":
            depth += 1 if char in "([" else -1
        elif char == "|" and not depth:
            yield expression[start:i].strip()
            start = i + 1
    yield expression[start:].strip()


def _subject(clause: str) -> str:
    found = re.match(r"[\s(]*([A-Za-z_]\w*)", clause)
    return found[1] if found else ""


def _relative(clause: str) -> bool:
    """Whether a clause starts at the resource without naming it (`name`, `%resource.x`)."""
    return not _subject(clause)[:1].isupper()


def described(parameter: SearchParameter) -> dict[str, Any]:
    """`parameter` as an entry of `CapabilityStatement.rest.resource.searchParam`."""
    entry: dict[str, Any] = {"name": parameter.code}
    if parameter.url:
        entry["definition"] = parameter.url
    return {**entry, "type": parameter.type}
