"""For each resource type, what to look at and how to write it: search parameters compiled once, on first use.

https://hl7.org/fhir/R4/searchparameter.html. What stands in a plan is keyed by the member of the resource it needs,
so that parameters about what a resource does not have cost nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from fhir_server.fhir.definitions import SearchParameter, resource_types
from fhir_server.fhir.outcome import FhirError
from fhir_server.fhir.paths import compile_path
from fhir_server.search.indexing import ranges, references, strings, tokens
from fhir_server.search.indexing.elements import reached
from fhir_server.search.indexing.rows import Rows, System, Writers
from fhir_server.search.parameters.codes import implied_system
from fhir_server.search.parameters.registry import Part, Registry, clauses

#: Search parameter type → FHIR type → how a value of it is written.
WRITERS: Mapping[str, Writers] = {
    "token": tokens.WRITERS,
    "string": strings.WRITERS,
    "reference": references.WRITERS,
    "uri": references.URIS,
    "date": ranges.DATES,
    "number": ranges.NUMBERS,
    "quantity": ranges.QUANTITIES,
    "special": ranges.PLACES,
}
#: Columns of a version, not rows of its index.
COLUMNS = frozenset({"_id", "_lastUpdated"})
#: What an element that is not as its type says may raise: its rows are left out, the others stand.
SURPRISES = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, FhirError)

#: From a resource to values with their FHIR types.
Find = Callable[[dict[str, Any]], list[tuple[Any, str]]]
#: Adds rows for one clause of one or more parameters.
Step = Callable[[dict[str, Any], Rows], None]


class Plan(NamedTuple):
    """How resources of one type are indexed.

    Attributes:
        by_member: member of the resource → the steps it gives cause to.
        always: the steps of which it is not known what they need.
    """

    by_member: Mapping[str, tuple[Step, ...]]
    always: tuple[Step, ...]


class _Clause(NamedTuple):
    """One alternative of an expression.

    Attributes:
        find: gives its values.
        roots: members of which one must be there for it to find anything; () when that is not known.
        system: of the codes among its values, where bindings imply it.
    """

    find: Find
    roots: tuple[str, ...]
    system: System


def compile_plan(type: str, registry: Registry) -> Plan:
    """The plan for `type` with the parameters of `registry` that are indexed, pending ones included."""
    by_member: dict[str, list[Step]] = defaultdict(list)
    always: list[Step] = []
    for parameter in registry.indexed(type).values():
        if parameter.code in COLUMNS or not parameter.expression:
            continue
        for step, roots in _steps(parameter, type, registry):
            for steps in [by_member[root] for root in roots] or [always]:
                steps.append(step)
    return Plan({member: tuple(steps) for member, steps in by_member.items()}, tuple(always))


def _steps(parameter: SearchParameter, type: str, registry: Registry) -> Iterator[tuple[Step, tuple[str, ...]]]:
    if parameter.type == "composite":
        parts = registry.parts(parameter)
        for clause in clauses(parameter.expression or "", type) if parts else ():
            yield _composite(parameter, clause, type, parts)
    else:
        for found in _clauses(parameter.expression or "", type):
            yield _simple(parameter.code, writers_of(parameter), found), found.roots


def writers_of(parameter: SearchParameter) -> Writers:
    """How values of `parameter` are written, by their FHIR type."""
    writers = WRITERS[parameter.type]
    if parameter.type != "reference":
        return writers
    return {**writers, **{target: references.resource for target in parameter.target or resource_types()}}


def _simple(code: str, writers: Writers, clause: _Clause) -> Step:
    find, system = clause.find, clause.system

    def step(tree: dict[str, Any], rows: Rows) -> None:
        for value, type in find(tree):
            write = writers.get(type)
            if write is not None:
                write(rows, code, value, system)
            elif type == "Extension":
                _extension(writers, rows, code, value)

    return step


def _extension(writers: Writers, rows: Rows, code: str, extension: dict[str, Any]) -> None:
    """An expression that ends on an extension means its value."""
    for member, value in extension.items():
        if member.startswith("value"):
            name = member[len("value") :]
            write = writers.get(name) or writers.get(name[:1].lower() + name[1:])
            if write is not None:
                write(rows, code, value, "")


def _composite(
    parameter: SearchParameter, clause: str, type: str, parts: tuple[Part, ...]
) -> tuple[Step, tuple[str, ...]]:
    """A step that writes a group for each element of `clause` in which every part has a value."""
    whole = reached(clause, type)
    path = whole.leaves[0].owner if whole and whole.leaves else type
    elements = compile_path(clause, type) if path != type else None
    written = [_part(f"{parameter.code}${n}", part, path, type) for n, part in enumerate(parts, start=1)]
    writing = [write for write, _ in written]

    def step(tree: dict[str, Any], rows: Rows) -> None:
        for node in [tree] if elements is None else [value for value, _ in elements(tree)]:
            _group(node, tree, rows, writing)

    if whole and whole.roots:
        return step, whole.roots
    # The last part is what is measured, a choice of types and seldom there: it decides whether the step is taken.
    return step, next((roots for _, roots in reversed(written) if roots), ())


def _group(node: dict[str, Any], tree: dict[str, Any], rows: Rows, parts: list[_Part]) -> None:
    """Write one group, or none of it when a part has no value: it could not be found."""
    words, spans = len(rows.words), len(rows.spans)
    rows.group = rows.groups = rows.groups + 1
    whole = False
    try:
        whole = all(part(node, tree, rows) for part in parts)
    finally:
        rows.group = 0
        if not whole:
            del rows.words[words:], rows.spans[spans:]


_Part = Callable[[dict[str, Any], dict[str, Any], Rows], bool]


def _part(code: str, part: Part, path: str, type: str) -> tuple[_Part, tuple[str, ...]]:
    """What writes part `code` of an element at `path` and says whether there was anything to write; and its roots."""
    writers = writers_of(part.parameter)
    outside = part.expression.startswith("%resource.")
    expression = part.expression.removeprefix("%resource.")
    found = list(_clauses(expression, type if outside else path))
    steps = [_simple(code, writers, clause) for clause in found]

    def write(node: dict[str, Any], tree: dict[str, Any], rows: Rows) -> bool:
        before = len(rows.words) + len(rows.spans)
        for step in steps:
            step(tree if outside else node, rows)
        return len(rows.words) + len(rows.spans) > before

    return write, () if outside else tuple(root for clause in found for root in clause.roots)


def _deceased(tree: dict[str, Any]) -> list[tuple[Any, str]]:
    return [("deceasedDateTime" in tree or tree.get("deceasedBoolean") is True, "boolean")]


#: The standard's one expression that is more than a path, written out: it is evaluated for every Patient.
_WRITTEN_OUT: Mapping[str, Find] = {"Patient.deceased.exists() and Patient.deceased != false": _deceased}


def _clauses(expression: str, type: str) -> Iterator[_Clause]:
    for clause in clauses(expression, type):
        find = _WRITTEN_OUT.get(clause) or compile_path(clause, type)
        if find is not None:
            found = reached(clause, type)
            code = next((leaf.path for leaf in found.leaves if leaf.type == "code"), "") if found else ""
            yield _Clause(find, found.roots if found else (), implied_system(code) if code else "")
