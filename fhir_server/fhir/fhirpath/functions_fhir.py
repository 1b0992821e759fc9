"""What FHIR adds to the language, types, and the utility functions.

https://hl7.org/fhir/R4/fhirpath.html#functions, http://hl7.org/fhirpath/N1/#types, #utility-functions
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.definitions import SPECIFICATION, types
from fhir_server.fhir.fhirpath import htmlchecks, references, temporal, values
from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, made, step
from fhir_server.fhir.fhirpath.registry import Collection, function
from fhir_server.fhir.fhirpath.shapes import shape

Nodes = list[Node]
Names = frozenset[str]


def is_of(node: Node, names: Names) -> bool:
    """`is`: the type itself or one it derives from."""
    return not names.isdisjoint(node.shape.ancestors)


def cast(node: Node, names: Names) -> bool:
    """`as` and `ofType`: as `is`, but a primitive is only of its own type (a code is no string) and its System type."""
    if node.shape.primitive:
        return "FHIR." + node.shape.name in names or node.shape.means in names
    return not names.isdisjoint(node.shape.ancestors)


@function("is", "type", logical=True)
def _is(env: Environment, this: Nodes, nodes: Nodes, names: Names) -> bool | None:
    node = values.single(nodes, "is()")
    return None if node is None else is_of(node, names)


@function("as", "type")
def _as(env: Environment, this: Nodes, nodes: Nodes, names: Names) -> Nodes:
    node = values.single(nodes, "as()")
    return nodes if node is not None and cast(node, names) else EMPTY


@function("ofType", "type")
def _of_type(env: Environment, this: Nodes, nodes: Nodes, names: Names) -> Nodes:
    return [node for node in nodes if cast(node, names)]


@function("type")
def _type(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    info = shape("TypeInfo")
    found = []
    for node in nodes:
        namespace, _, name = node.type.rpartition(".")
        found.append(Node({"namespace": namespace or "FHIR", "name": name}, info))
    return found


@function("extension", "values")
def _extension(env: Environment, this: Nodes, nodes: Nodes, url: Nodes) -> Nodes:
    wanted = values.scalar(url, str, "extension()")
    return [node for node in step(nodes, "extension") if _url(node) == wanted] if wanted is not None else EMPTY


@function("hasExtension", "values", logical=True)
def _has_extension(env: Environment, this: Nodes, nodes: Nodes, url: Nodes) -> bool:
    return bool(_extension(env, this, nodes, url))


def _url(node: Node) -> Any:
    return node.value.get("url") if node.value.__class__ is dict else None


@function("hasValue", logical=True)
def _has_value(env: Environment, this: Nodes, nodes: Nodes) -> bool:
    if len(nodes) != 1:
        return False
    node = nodes[0]
    return node.value is not None and (node.shape.primitive or node.shape.system)


@function("getValue")
def _get_value(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    if not _has_value(env, this, nodes):
        return EMPTY
    value = nodes[0].system
    return EMPTY if value is None else [made(value)]


@function("resolve")
def _resolve(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    env.spend(len(nodes))
    found = (references.resolved(env, node) for node in nodes)
    return [node for node in found if node is not None]


@function("memberOf", "values", logical=True)
def _member_of(env: Environment, this: Nodes, nodes: Nodes, value_set: Nodes) -> bool | None:
    node, url = values.single(nodes, "memberOf()"), values.scalar(value_set, str, "memberOf()")
    if node is None or url is None or env.services.member_of is None:
        return None
    return env.services.member_of(node.json, node.type, url)


@function("subsumes", "values", logical=True)
def _subsumes(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> bool | None:
    return _subsumption(env, nodes, other)


@function("subsumedBy", "values", logical=True)
def _subsumed_by(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> bool | None:
    return _subsumption(env, other, nodes)


def _subsumption(env: Environment, above: Nodes, below: Nodes) -> bool | None:
    first, second = (_codings(values.single(nodes, "subsumes()")) for nodes in (above, below))
    if not first or not second:
        return None
    pairs = [(a, b) for a in first for b in second if a[0] == b[0]]
    if not pairs:
        raise EvaluationError("How codes of different systems stand to each other is not known.")
    answers = [_subsumed(env, a, b) for a, b in pairs]
    return True if True in answers else None if None in answers else False


def _codings(node: Node | None) -> list[tuple[str, str]]:
    value = None if node is None else node.value
    if value.__class__ is not dict:
        return []
    rows = value.get("coding") if "coding" in value else [value]
    return [(str(row.get("system", "")), str(row.get("code", ""))) for row in rows or () if row.__class__ is dict]


def _subsumed(env: Environment, above: tuple[str, str], below: tuple[str, str]) -> bool | None:
    if above[1] == below[1]:
        return True
    return env.services.subsumes(above[0], above[1], below[1]) if env.services.subsumes else None


@function("conformsTo", "values", logical=True)
def _conforms_to(env: Environment, this: Nodes, nodes: Nodes, profile: Nodes) -> bool | None:
    node, url = values.single(nodes, "conformsTo()"), values.scalar(profile, str, "conformsTo()")
    if node is None or url is None:
        return None
    name = url.removeprefix(SPECIFICATION)
    if env.services.conforms_to is not None:
        return env.services.conforms_to(node.json, node.type, url)
    if name not in types():
        raise EvaluationError("conformsTo() does not know this profile.")
    return node.shape.derives_from(name)


@function("htmlChecks", logical=True)
def _html_checks(env: Environment, this: Nodes, nodes: Nodes) -> bool | None:
    if not nodes or any(node.type != "xhtml" for node in nodes):
        return None
    return all(node.value.__class__ is str and htmlchecks.allowed(node.value) for node in nodes)


@function("checkModifiers", "values", most=50)
def _check_modifiers(env: Environment, this: Nodes, nodes: Nodes, *known: Nodes) -> Nodes:
    urls = {values.scalar(url, str, "checkModifiers()") for url in known}
    if any(_url(node) not in urls for node in step(nodes, "modifierExtension")):
        raise EvaluationError("A modifier extension that is not known.", code="extension")
    return nodes


@function("elementDefinition")
def _element_definition(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    # Which profile an element was claimed under is not part of plain JSON: there is none to give.
    return EMPTY


@function("slice", "values", "values")
def _slice(env: Environment, this: Nodes, nodes: Nodes, structure: Nodes, name: Nodes) -> Nodes:
    raise EvaluationError("slice() is not supported.", code="not-supported")


@function("trace", "values", "each", optional=1)
def _trace(env: Environment, this: Nodes, nodes: Nodes, name: Nodes, projection: Collection | None = None) -> Nodes:
    if env.services.trace is not None:
        shown = nodes if projection is None else [found for node in nodes for found in projection(env, [node])]
        env.services.trace(str(values.scalar(name, str, "trace()")), shown)
    return nodes


@function("now")
def _now(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return [made(env.timestamp())]


@function("today")
def _today(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return [made(temporal.Date(env.timestamp().parts[:3]))]


@function("timeOfDay")
def _time_of_day(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return [made(temporal.Time(env.timestamp().parts[3:]))]
